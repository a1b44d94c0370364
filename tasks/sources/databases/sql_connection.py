"""Open a connection that can only read, on one snapshot of the database."""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from tasks.sources.spec import SourceSpec

LOCK_TIMEOUT = "60s"  # in PostgreSQL's units
ODD_TIME_ERRORS = ("timestamp too", "date too")  # infinity, and years outside Python's range


@contextlib.contextmanager
def read_only_connection(engine: Engine, source: SourceSpec, odd_times: bool = False) -> Iterator[Connection]:
    """Open a read-only transaction in which naive times are those of the source's time zone.

    With `odd_times`, times that Python cannot represent arrive as text, so that only their rows are rejected.
    """
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
            for setting, value in (("TimeZone", source.timezone or "UTC"), ("lock_timeout", LOCK_TIMEOUT)):
                connection.execute(
                    text("SELECT set_config(:setting, :value, true)"), {"setting": setting, "value": value}
                )
            if odd_times:
                _load_odd_times_as_text(connection.connection.driver_connection)
        elif connection.dialect.name == "sqlite":
            connection.execute(text("PRAGMA query_only = ON"))
            if isinstance(connection.connection.driver_connection, sqlite3.Connection):
                connection.connection.driver_connection.set_authorizer(_authorize_reads)
        yield connection
        connection.rollback()


def is_odd_time(error: DBAPIError) -> bool:
    """Return whether the driver failed at a time that Python cannot represent."""
    return any(message in str(error.orig) for message in ODD_TIME_ERRORS)


def _authorize_reads(action: int, _name: str | None, value: str | None, *_: Any) -> int:
    """Deny other files, which ATTACH and VACUUM would create, and PRAGMAs, which could end the read-only mode."""
    other_file = action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH)
    setting = action == sqlite3.SQLITE_PRAGMA and value is not None
    return sqlite3.SQLITE_DENY if other_file or setting else sqlite3.SQLITE_OK


def _load_odd_times_as_text(connection: Any) -> None:
    from psycopg import DataError
    from psycopg.types import datetime as types

    def lenient(loader: type[Any]) -> type[Any]:
        def load(self: Any, data: Any) -> Any:
            try:
                return loader.load(self, data)
            except DataError:
                return bytes(data).decode()

        return type("OrText", (loader,), {"load": load})

    loaders = {"timestamptz": types.TimestamptzLoader, "timestamp": types.TimestampLoader, "date": types.DateLoader}
    for name, loader in loaders.items():
        connection.adapters.register_loader(name, lenient(loader))
