"""Health checks of the Prefect server, with Prefect imported only if there is one: importing it takes seconds."""

from collections.abc import Iterator

from deployments.doctor.finding import CheckContext, Finding
from deployments.instance_lock import was_interrupted
from deployments.process_environment import prefect_home, stores_with_up, variable


def check(context: CheckContext) -> Iterator[Finding]:
    """Check the Prefect server at PREFECT_API_URL and everything registered on it; report if there is none."""
    url = variable("PREFECT_API_URL")
    if not url:
        yield without_server()
        return
    from deployments.doctor import prefect_checks

    yield from prefect_checks.check(context, url)


def without_server() -> Finding:
    """Return whether `nightcast up` was killed, or why there is no server."""
    if was_interrupted(prefect_home()):
        return Finding("prefect", "bad", "nightcast up was killed and did not stop cleanly", "Restart it: nightcast up")
    message = "no Prefect server: PREFECT_API_URL is not set, and `nightcast up` does not run on this store"
    if others := stores_with_up():
        message += f"; it runs on {', '.join(f'the store {store} ({url})' for store, url in others.items())}"
    return Finding("prefect", "watch", message, "Run nights on schedule with nightcast up, or with cron.")
