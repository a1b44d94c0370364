"""A connection that can only read, on one snapshot of the database."""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from tasks.sources.spec import SourceSpec

LOCKED = "60s"  # how long a lock of somebody else is waited for
NO_TIME_OF_PYTHON = ("timestamp too", "date too")  # infinity, and years that Python does not count


@contextlib.contextmanager
def read_only_connection(engine: Engine, source: SourceSpec, odd_times: bool = False) -> Iterator[Connection]:
    """A transaction that can only read, where naive times are those of the source's zone.

    With `odd_times` one that Python can't hold comes as text, so that its row is found at fault and not the table.
    """
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
            for setting, value in (("TimeZone", source.timezone or "UTC"), ("lock_timeout", LOCKED)):
                connection.execute(
                    text("SELECT set_config(:setting, :value, true)"), {"setting": setting, "value": value}
                )
            if odd_times:
                _as_text(connection.connection.driver_connection)
        elif connection.dialect.name == "sqlite":
            connection.execute(text("PRAGMA query_only = ON"))
            if isinstance(connection.connection.driver_connection, sqlite3.Connection):
                connection.connection.driver_connection.set_authorizer(_reads_only)
        yield connection
        connection.rollback()


def is_odd_time(error: DBAPIError) -> bool:
    """Whether a driver gave up at a time that Python can't hold."""
    return any(word in str(error.orig) for word in NO_TIME_OF_PYTHON)


def _reads_only(action: int, _name: str | None, value: str | None, *_: Any) -> int:
    """No other file, which ATTACH and VACUUM would make, and no way out of reading only."""
    leaves = action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH)
    changes = action == sqlite3.SQLITE_PRAGMA and value is not None
    return sqlite3.SQLITE_DENY if leaves or changes else sqlite3.SQLITE_OK


def _as_text(connection: Any) -> None:
    from psycopg import DataError
    from psycopg.types import datetime as kinds

    def lenient(loader: type[Any]) -> type[Any]:
        def load(self: Any, data: Any) -> Any:
            try:
                return loader.load(self, data)
            except DataError:
                return bytes(data).decode()

        return type("OrText", (loader,), {"load": load})

    loaders = {"timestamptz": kinds.TimestamptzLoader, "timestamp": kinds.TimestampLoader, "date": kinds.DateLoader}
    for name, loader in loaders.items():
        connection.adapters.register_loader(name, lenient(loader))
