"""The SQLite database of the registry: created whole or not at all, and checked before MLflow opens it."""

import contextlib
import os
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from data_contracts.errors import NightcastError

SQLITE_HEADER = b"SQLite format 3\x00"
DAMAGE_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
LOCK_TIMEOUT_S = 30.0


class RegistryBusy(NightcastError):
    """The registry's database cannot be read at the moment, which says nothing about its content."""

    def __init__(self, path: Path, error: Exception) -> None:
        super().__init__(
            f"the database of the registry, {path}, cannot be read now: {error}. Run the command again when no other "
            "process writes to it, and check its permissions."
        )


@contextlib.contextmanager
def open_database(path: Path, mode: Literal["ro", "rw"], timeout: float | None = None) -> Iterator[sqlite3.Connection]:
    """Open a SQLite database that exists, and close it. A connection of `sqlite3` itself only ends the transaction."""
    timeout = LOCK_TIMEOUT_S if timeout is None else timeout
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=timeout)) as connection:
        yield connection


def ensure_database(path: Path) -> None:
    """Create the SQLite database of the registry under a temporary name, and link it to `path` when it is complete.

    MLflow creates it table by table. A process that is killed meanwhile, or a second one that starts, would leave a
    database that no later run can open.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{uuid.uuid4().hex}.part"
    _create_tables(temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(temporary, path)
    temporary.unlink()


def _create_tables(path: Path) -> None:
    from mlflow import MlflowClient

    with _written_at_the_end(path):
        client = MlflowClient(f"sqlite:///{path}", f"sqlite:///{path}")
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)
        client._tracking_client.store.engine.dispose()


@contextlib.contextmanager
def _written_at_the_end(path: Path) -> Iterator[None]:
    """Let SQLite not wait for the disk inside the block: a database that is not used yet may be torn by a crash.

    MLflow creates its tables in hundreds of transactions; waiting for each takes seconds on a slow disk.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def relax(connection: object, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection) and _file_of(connection) == path.resolve():
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA journal_mode = MEMORY")

    event.listen(Engine, "connect", relax)
    try:
        yield
    finally:
        event.remove(Engine, "connect", relax)


def _file_of(connection: sqlite3.Connection) -> Path:
    return Path(connection.execute("PRAGMA database_list").fetchone()[2])


def close_connections(uri: str) -> None:
    """Close the connections that MLflow keeps open in this process, before the file of a database is moved."""
    from mlflow.store.model_registry import sqlalchemy_store as registered
    from mlflow.store.tracking import sqlalchemy_store as tracked

    for store in (registered.SqlAlchemyStore, tracked.SqlAlchemyStore):
        engine = store._engine_map.get(uri)
        if engine is not None:
            engine.dispose()


def database_fault(path: Path | None) -> str:
    """Return why the SQLite database of the registry is damaged; empty if it is not, or if it is another database.

    A transaction of a process that was killed is rolled back, as by any process that opens the database.

    Args:
        path: The database; None if the registry is not in SQLite.

    Returns:
        What is wrong with it, as the end of a sentence.

    Raises:
        RegistryBusy: It is locked, or may not be read.
    """
    if path is None:
        return ""
    if not path.exists():
        return "is missing"
    try:
        with path.open("rb") as file:
            header = file.read(len(SQLITE_HEADER))
    except OSError as refused:
        raise RegistryBusy(path, refused) from refused
    if header != SQLITE_HEADER:
        return "is not a SQLite database" if header else "is empty"
    try:
        with open_database(path, "rw") as db:
            result = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in DAMAGE_CODES:
            raise RegistryBusy(path, error) from error
        return f"is damaged: {error}"
    if result != "ok":
        return f"is damaged: {result.splitlines()[-1]}"
    return "" if "registered_models" in tables else "has no tables of MLflow"
