"""Read a table or a query of any SQLAlchemy database: read only, in batches, with bound values, whole or not at all."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

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
from tasks.engine.retry import retry
from tasks.sources import arrow_columns
from tasks.sources.databases.sql_connection import is_odd_time, read_only_connection
from tasks.sources.databases.sql_watermark import Watermark
from tasks.sources.limits import check_bytes, check_rows
from tasks.sources.spec import SourceSpec

RETRY_DELAYS_S = (0.5, 2.0)
CONNECT_TIMEOUT_S = 15
VALUES_PER_FETCH = 500_000
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
    """Read the columns that `choose` picks; a read that loses its connection starts again from the beginning.

    Args:
        source: The source, with its secrets resolved.
        choose: Picks among the column names of the table or query.
        as_of: Value of the parameter :as_of, for a query that uses it.
        since: Read only rows after this watermark.

    Returns:
        The chosen columns; no rows if one of them is missing.
    """
    engine = _create_engine(source)
    request = _Request(source, choose, as_of, since)
    try:
        return retry(lambda: _read(engine, request), RETRY_DELAYS_S, _is_transient)
    finally:
        engine.dispose()


class _Request(NamedTuple):
    """What to read: the arguments of `read_sql`."""

    source: SourceSpec
    choose: Callable[[list[str]], list[str]]
    as_of: datetime
    since: Watermark | None


def _create_engine(source: SourceSpec) -> Engine:
    try:
        url = make_url(source.url)
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername="postgresql+psycopg")
        if url.get_backend_name() == "sqlite":
            _check_file(url, source)
        timeout = {"connect_timeout": CONNECT_TIMEOUT_S} if url.drivername == "postgresql+psycopg" else {}
        timeout = {name: value for name, value in timeout.items() if name not in url.query}
        engine = create_engine(url, poolclass=NullPool, connect_args=timeout)
    except (ArgumentError, NoSuchModuleError) as unknown:
        raise SpecError(
            f"the source {source.label} can't be opened: SQLAlchemy does not know its url; write one such as "
            "postgresql://user:${PASSWORD}@host:5432/database, or sqlite:///file.db."
        ) from unknown
    if engine.dialect.is_async:
        raise SpecError(
            f"the source {source.label} can't be opened: {url.drivername} is an asynchronous driver; name a "
            f"synchronous driver, or none, as in {url.get_backend_name()}://…"
        )
    return engine


def _check_file(url: URL, source: SourceSpec) -> None:
    """Raise if the file does not exist, because SQLite would create it."""
    if url.database in (None, "", ":memory:"):
        raise SpecError(f"the url of the source {source.label} has no file; write sqlite:///file.db.")
    if not str(url.database).startswith("file:") and not Path(str(url.database)).is_file():
        raise FileNotFoundError(url.database)


def _is_transient(error: Exception) -> bool:
    """Return whether the same read may succeed later: a dropped connection, a lock, a server that restarts."""
    if not isinstance(error, DBAPIError) or any(part in str(error.orig).lower() for part in PERMANENT_ERRORS):
        return False
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def _read(engine: Engine, request: _Request) -> pa.Table:
    try:
        return _read_table(engine, request)
    except DBAPIError as error:
        if not is_odd_time(error):
            raise
    return _read_table(engine, request, odd_times=True)


def _read_table(engine: Engine, request: _Request, *, odd_times: bool = False) -> pa.Table:
    source, choose = request.source, request.choose
    with read_only_connection(engine, source, odd_times) as connection:
        if source.table:
            header = list(connection.execute(_select_from_table(source.table, ["*"], None).where(false())).keys())
            if set(choose(header)) - set(header):
                return _empty_table(header)
            result = _stream(connection, _select_from_table(source.table, choose(header), request.since), {})
        else:
            result = _stream(connection, *_bind_query(connection, request))
        names = list(result.keys())
        chosen = choose(names)
        if set(chosen) - set(names):
            return _empty_table(names)
        return _fetch(result, [index for index, name in enumerate(names) if name in set(chosen)], source)


def _fetch(result: CursorResult[Any], indices: list[int], source: SourceSpec) -> pa.Table:
    """Return the columns at `indices`, fetched in batches, within the limits."""
    names = list(result.keys())
    batches, size, count = [], 0, 0
    for rows in result.partitions(max(1, VALUES_PER_FETCH // max(1, len(names)))):
        count += len(rows)
        check_rows(count, len(indices), source)
        columns = list(zip(*rows, strict=True))
        batches.append([arrow_columns.column(columns[index]) for index in indices])
        size += sum(array.nbytes for array in batches[-1])
        check_bytes(size, source)
    return arrow_columns.table(batches, [names[index] for index in indices])


def _empty_table(names: list[str]) -> pa.Table:
    return pa.table([pa.nulls(0)] * len(names), names=names)


def _stream(connection: Connection, statement: Any, parameters: dict[str, Any]) -> CursorResult[Any]:
    options = {} if connection.dialect.name == "sqlite" else {"stream_results": True}
    return connection.execution_options(**options).execute(statement, parameters)


def _select_from_table(name: str, columns: list[str], since: Watermark | None) -> Select[Any]:
    schema, _, table_name = name.rpartition(".")
    selected: list[Any] = [text("*")] if columns == ["*"] else [column(name) for name in columns]
    statement = select(*selected).select_from(table(table_name, schema=schema or None))
    return statement.where(since.condition) if since else statement


def _bind_query(connection: Connection, request: _Request) -> tuple[TextClause, dict[str, Any]]:
    """Return the query, restricted to rows after the watermark if there is one, and its parameters."""
    source = request.source
    query = re.sub(r"[;\s]+$", "", source.query or "")
    parameters: dict[str, Any] = dict(source.parameters)
    if source.uses_as_of:
        parameters["as_of"] = request.as_of
    if request.since:
        query, more = request.since.wrap_query(query, connection.dialect.identifier_preparer.quote)
        parameters |= more
    if connection.dialect.name == "sqlite":  # it has no type for times, only text that sorts like them
        parameters = {name: _format_time(value) for name, value in parameters.items()}
    return text(query), parameters


def _format_time(value: Any) -> Any:
    if isinstance(value, datetime):
        naive = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return naive.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else value
