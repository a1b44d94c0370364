"""Artifact locations in the registry's SQLite database follow the store when it is copied or moved.

MLflow stores the location of every file as an absolute URI. A copied store would write its models into the folder of
the original, and a store on another machine could register nothing. The database of the registry lies next to its
files, so it shows where they are:

file:///old/store/mlflow/artifacts/<run>/artifacts   ──>   file:///new/store/mlflow/artifacts/<run>/artifacts
"""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tasks.registry.database import open_database

log = logging.getLogger("nightcast")

LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)


def relocate_artifacts(database: Path, location: str, shared_parts: int) -> int:
    """Point every recorded location of the registry's files to where they are now, in one transaction.

    Args:
        database: The SQLite database of the registry.
        location: File URI of the folder of the registry's files.
        shared_parts: How many last parts of the path an earlier location must share with `location`. Experiments with
            another location were made by a person and stay as they are. So do those whose folder exists while
            `location` does not: only the database was moved.

    Returns:
        The number of locations that were changed; 0 if the store was not moved.

    Raises:
        sqlite3.Error: The database cannot be written, or is damaged.
    """
    with open_database(database, "rw") as db:
        if not list(_former_locations(db, location, shared_parts)):
            return 0
        db.isolation_level = None
        db.execute("BEGIN IMMEDIATE")
        changed = 0
        for former in list(_former_locations(db, location, shared_parts)):  # another process may have been faster
            changed += sum(_replace_prefix(db, table, column, former, location) for table, column in LOCATIONS)
            log.info("the registry was copied or moved from %s: its models now lie in %s", former, location)
        db.execute("COMMIT")
        return changed


def _former_locations(db: sqlite3.Connection, location: str, shared_parts: int) -> Iterator[str]:
    expected = _path(location).parts[-shared_parts:]
    rows = db.execute("SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location LIKE 'file:%'")
    for (former,) in rows.fetchall():
        is_other = former != location and _path(former).parts[-shared_parts:] == expected
        has_moved = _path(location).exists() or not _path(former).exists()
        if is_other and has_moved and not _is_same(former, location):
            yield former


def _replace_prefix(db: sqlite3.Connection, table: str, column: str, former: str, location: str) -> int:
    if column not in {row[1] for row in db.execute(f"PRAGMA table_info({table})")}:
        return 0  # a database of another release of MLflow
    condition = f"{column} = :former OR substr({column}, 1, length(:former) + 1) = :former || '/'"
    statement = f"UPDATE {table} SET {column} = :location || substr({column}, length(:former) + 1) WHERE {condition}"  # noqa: S608
    return db.execute(statement, {"former": former, "location": location}).rowcount


def _is_same(former: str, location: str) -> bool:
    """Whether two URIs lead to the same folder, for example through a mount: then both are right."""
    with contextlib.suppress(OSError):
        return Path(_path(former).parent).samefile(_path(location).parent)
    return False


def _path(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))
