"""Environment of the Prefect server of `nightcast up` and of its clients; imports nothing heavy."""

HOST = "127.0.0.1"
RETENTION_DAYS = 90  # of flow runs that have ended, with their logs and artifacts; events are kept for a week


def server_environment(port: int) -> dict[str, str]:
    """Return the environment variables that the server, its UI and every client need, apart from the API's key."""
    api = f"http://{HOST}:{port}/api"
    return {
        "PREFECT_API_URL": api,
        "PREFECT_UI_URL": f"http://{HOST}:{port}",
        "PREFECT_SERVER_UI_API_URL": api,
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{port},http://localhost:{port}",
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "300",  # default 15: too short, a runner polls every 10
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",  # default: events only, runs are never deleted
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(RETENTION_DAYS * 24 * 3600),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "DO_NOT_TRACK": "1",
    }
