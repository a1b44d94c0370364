"""Old runs in Prefect's own database, if no server prunes it: nights from cron start a server for themselves only."""

import asyncio
import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deployments.instance_lock import running_instance
from deployments.process_environment import prefect_home, variable
from tasks.registry.database import open_database

LOCK_TIMEOUT_S = 10.0


def prunable_database() -> Path | None:
    """Return Prefect's database of this store; None if it does not exist, or if a server that runs may prune it."""
    home = prefect_home()
    path = home / "prefect.db"
    has_server = bool(running_instance(home) or variable("PREFECT_API_URL"))
    return path if path.is_file() and not has_server else None


def count_old_runs(database: Path, keep: timedelta) -> int:
    """Count the flow runs that ended longer ago than `keep`."""
    before = f"{datetime.now(UTC) - keep:%Y-%m-%d %H:%M:%S}"
    query = "SELECT count(*) FROM flow_run WHERE end_time < ? AND parent_task_run_id IS NULL"
    with (
        contextlib.suppress(sqlite3.Error),  # not Prefect's, or of a release with other tables
        open_database(database, "ro", LOCK_TIMEOUT_S) as db,
    ):
        return int(db.execute(query, (before,)).fetchone()[0])
    return 0


def delete_old_runs(database: Path, keep: timedelta) -> None:
    """Delete the flow runs that ended longer ago than `keep`, with their logs and artifacts, as a server does."""
    from prefect.server.database import provide_database_interface
    from prefect.server.services import db_vacuum
    from prefect.settings import (
        PREFECT_API_DATABASE_CONNECTION_URL,
        PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD,
        temporary_settings,
    )

    async def delete() -> None:
        interface = provide_database_interface()
        await db_vacuum.vacuum_old_flow_runs(db=interface)
        await db_vacuum.vacuum_stale_artifact_collections(db=interface)

    settings = {
        PREFECT_API_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{database}",
        PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD: keep,
    }
    with temporary_settings(settings):
        asyncio.run(delete())
    with contextlib.suppress(sqlite3.OperationalError), open_database(database, "rw", LOCK_TIMEOUT_S) as db:
        db.execute("VACUUM")
