"""Reads a table from wherever it lies: files, a database, a function; never more than this machine should hold."""

import hashlib
from collections.abc import Callable, Collection
from datetime import UTC, datetime

import pyarrow as pa

from tasks.sources.csv_reader import read_csv
from tasks.sources.errors import translate_errors
from tasks.sources.filesystem import list_source_files, open_file
from tasks.sources.parquet_reader import read_parquet
from tasks.sources.python_reader import read_callable
from tasks.sources.spec import SourceSpec
from tasks.sources.sql_reader import read_sql
from tasks.sources.sql_watermark import Watermark

Columns = Callable[[list[str]], list[str]] | Collection[str] | None


def read_source(
    source: SourceSpec, columns: Columns = None, as_of: datetime | None = None, since: Watermark | None = None
) -> pa.Table:
    """Its `columns`, or all; no rows where one of them is missing. CSV comes as text, so that `007` stays `007`.

    `columns` may be a function that chooses among the names that the source has. `as_of` is the instant that a query or
    a function may ask for, by default now; with `since` a database gives only rows that became known later.
    Raises SourceUnreadable with the reason, also for a table that is too large, and SpecError for an address, a
    secret or a package that is not there.
    """
    choose = columns if callable(columns) else _fixed(columns)
    moment = as_of or datetime.now(UTC)
    with translate_errors(source) as ready:
        if ready.kind == "csv":
            return read_csv(ready, choose)
        if ready.kind == "parquet":
            return read_parquet(ready, choose)
        if ready.kind == "sql":
            return read_sql(ready, choose, moment, since)
        return read_callable(ready, choose, moment)


def fingerprint(source: SourceSpec) -> str | None:
    """Digest of the source's files, so that a changed source is read again and an unchanged one is not.

    None for a database or a function: only what they give, read and digested, tells whether anything changed.
    """
    if source.kind not in ("csv", "parquet"):
        return None
    with translate_errors(source) as ready:
        filesystem, path = open_file(ready)
        digest = hashlib.sha256()
        for name in list_source_files(filesystem, path):
            digest.update(f"{name}\n".encode())
            with filesystem.open(name, "rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()


def table_digest(table: pa.Table) -> str:
    """Digest of a table's names, types and values, however it is cut into batches."""
    digest = hashlib.sha256()

    class Sink:
        closed = False

        def write(self, data: bytes) -> int:
            digest.update(data)
            return len(data)

        def flush(self) -> None: ...

        def close(self) -> None: ...

    whole = table.replace_schema_metadata(None).combine_chunks()
    with pa.ipc.new_stream(pa.PythonFile(Sink(), "w"), whole.schema) as stream:
        stream.write_table(whole)
    return digest.hexdigest()


def _fixed(columns: Collection[str] | None) -> Callable[[list[str]], list[str]]:
    return lambda names: list(dict.fromkeys(names if columns is None else columns))
