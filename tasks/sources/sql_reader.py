"""A table or a query of any SQLAlchemy database: streamed, read only, its values bound; whole, or not at all."""

import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import (
    CursorResult,
    NullPool,
    Select,
    TextClause,
    column,
    create_engine,
    false,
    select,
    table,
    text,
)
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError

from data_contracts.errors import SpecError
from tasks.sources import arrow_columns, limits
from tasks.sources.limits import check_limit
from tasks.sources.spec import SourceSpec
from tasks.sources.sql_connection import is_odd_time, read_only_connection
from tasks.sources.sql_watermark import Watermark

RETRY_DELAYS_S = (0.5, 2.0)  # seconds before the second and the third attempt
CONNECT_TIMEOUT_S = 15  # seconds for a connection
ROWS_PER_FETCH = 500_000  # values a batch
PERMANENT_ERRORS = (
    "authentication failed",
    "no such",
    "does not exist",
    "syntax error",
    "unable to open",
    "not a database",
)


def read_sql(
    source: SourceSpec, choose: Callable[[list[str]], list[str]], as_of: datetime, since: Watermark | None = None
) -> pa.Table:
    """The columns of `choose`; no rows where one is missing. A connection that drops is tried again from the start."""
    engine = _engine(source)
    pauses, odd_times = list(RETRY_DELAYS_S), False
    try:
        while True:
            try:
                return _read(engine, source, choose, (as_of, since), odd_times)
            except DBAPIError as dropped:
                if is_odd_time(dropped) and not odd_times:
                    odd_times = True
                elif pauses and _is_transient(dropped):
                    time.sleep(pauses.pop(0))
                else:
                    raise
    finally:
        engine.dispose()


def _engine(source: SourceSpec) -> Engine:
    try:
        url = make_url(source.url)
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername="postgresql+psycopg")
        if url.get_backend_name() == "sqlite":
            _there(url, source)
        waiting = {"connect_timeout": CONNECT_TIMEOUT_S} if url.drivername == "postgresql+psycopg" else {}
        waiting = {name: value for name, value in waiting.items() if name not in url.query}
        engine = create_engine(url, poolclass=NullPool, connect_args=waiting)
    except (ArgumentError, NoSuchModuleError) as unknown:
        raise SpecError(
            f"the source {source.shown} can't be opened: its url is none that SQLAlchemy knows; write one such as "
            "postgresql://user:${PASSWORD}@host:5432/database, or sqlite:///file.db."
        ) from unknown
    if engine.dialect.is_async:
        raise SpecError(
            f"the source {source.shown} can't be opened: {url.drivername} is an asynchronous driver; name another "
            f"one, or none, as in {url.get_backend_name()}://…"
        )
    return engine


def _there(url: URL, source: SourceSpec) -> None:
    """SQLite would make the file that it can't find."""
    if url.database in (None, "", ":memory:"):
        raise SpecError(f"the source {source.shown} names no file; write sqlite:///file.db.")
    if not str(url.database).startswith("file:") and not Path(str(url.database)).is_file():
        raise FileNotFoundError(url.database)


def _is_transient(error: DBAPIError) -> bool:
    """Whether the same read may succeed a little later: a dropped connection, a lock, a server that restarts."""
    said = str(error.orig).lower()
    if any(word in said for word in PERMANENT_ERRORS):
        return False
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def _read(
    engine: Engine,
    source: SourceSpec,
    choose: Callable[[list[str]], list[str]],
    until: tuple[datetime, Watermark | None],
    odd_times: bool,
) -> pa.Table:
    as_of, since = until
    with read_only_connection(engine, source, odd_times) as connection:
        if source.table:
            every = list(connection.execute(_from_table(source.table, ["*"], None).where(false())).keys())
            if set(choose(every)) - set(every):
                return _nothing(every)
            result = _streamed(connection, _from_table(source.table, choose(every), since), {})
        else:
            result = _streamed(connection, *_from_query(connection, source, as_of, since))
        names = list(result.keys())
        wanted = choose(names)
        if set(wanted) - set(names):
            return _nothing(names)
        places = [place for place, name in enumerate(names) if name in set(wanted)]
        batches, size, values = [], 0, 0
        for rows in result.partitions(max(1, ROWS_PER_FETCH // max(1, len(names)))):
            values += len(rows) * len(places)
            check_limit(values, limits.MAX_VALUES, "values", source)
            across = list(zip(*rows, strict=True))
            batches.append([arrow_columns.column(across[place]) for place in places])
            size += sum(array.nbytes for array in batches[-1])
            check_limit(size, limits.MAX_BYTES, "bytes", source)
        return arrow_columns.table(batches, [names[place] for place in places])


def _nothing(names: list[str]) -> pa.Table:
    return pa.table([pa.nulls(0)] * len(names), names=names)


def _streamed(connection: Connection, statement: Any, bound: dict[str, Any]) -> CursorResult[Any]:
    lightly = {} if connection.dialect.name == "sqlite" else {"stream_results": True}
    return connection.execution_options(**lightly).execute(statement, bound)


def _from_table(name: str, columns: list[str], since: Watermark | None) -> Select[Any]:
    schema, _, last = name.rpartition(".")
    asked: list[Any] = [text("*")] if columns == ["*"] else [column(one) for one in columns]
    found = select(*asked).select_from(table(last, schema=schema or None))
    return found.where(since.condition) if since else found


def _from_query(
    connection: Connection, source: SourceSpec, as_of: datetime, since: Watermark | None
) -> tuple[TextClause, dict[str, Any]]:
    """The query and what it is bound to; with `since` only the newer part of what it gives is asked for."""
    query = re.sub(r"[;\s]+$", "", source.query or "")
    bound: dict[str, Any] = dict(source.parameters)
    if source.asks_for_the_night:
        bound["as_of"] = as_of
    if since:
        query, more = since.wrap_query(query, connection.dialect.identifier_preparer.quote)
        bound |= more
    if connection.dialect.name == "sqlite":  # it has no times, only text that sorts like them
        bound = {name: _as_text(value) for name, value in bound.items()}
    return text(query), bound


def _as_text(value: Any) -> Any:
    if isinstance(value, datetime):
        plain = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return plain.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else value
