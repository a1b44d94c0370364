"""Read a table from files, a database or a function, within limits; and tell whether a source has changed."""

import hashlib
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from tasks.sources.errors import translate_errors
from tasks.sources.files.csv_reader import read_csv
from tasks.sources.files.excel_reader import read_excel
from tasks.sources.files.filesystem import list_source_files, open_file
from tasks.sources.files.json_reader import read_json
from tasks.sources.files.lake_log import LAKE_PACKAGES, resolve_lake_table
from tasks.sources.files.lake_reader import lake_fingerprint, read_lake_table
from tasks.sources.files.parquet_reader import FORMATS, ParquetTable, open_parquet, read_parquet
from tasks.sources.limits import within_timeout
from tasks.sources.python_reader import read_callable
from tasks.sources.spec import SourceSpec

if TYPE_CHECKING:
    from tasks.sources.databases.sql_watermark import Watermark

FILE_READERS: dict[str, Callable[..., pa.Table]] = {
    "csv": read_csv,
    "excel": read_excel,
    "json": read_json,
    **dict.fromkeys(FORMATS, read_parquet),
}
Columns = Callable[[list[str]], list[str]] | Collection[str] | None


def read_source(
    source: SourceSpec,
    columns: Columns = None,
    as_of: datetime | None = None,
    since: "Watermark | None" = None,
    optional: Collection[str] | None = (),
) -> pa.Table:
    """Read a source.

    Args:
        source: Where the table comes from.
        columns: Names of the columns to read, or a function that picks among the names that the source has. All by
            default.
        as_of: Value of the parameter `as_of` of a query or a function; now by default.
        since: Read only rows of a database after this watermark.
        optional: Columns that some of several files may lack, such as covariates that began later; None for all, in
            which case the files must share half of their columns.

    Returns:
        The columns; no rows if one of them is missing. Values of CSV are text, so that `007` stays `007`. Raises
        SourceUnreadable for a table that cannot be read, is too large or takes longer than `source.timeout`, and
        SpecError for an address, a secret or a package that is missing.
    """
    choose = columns if callable(columns) else _choose_fixed(columns)
    moment = as_of or datetime.now(UTC)
    return within_timeout(lambda: _read(source, choose, moment, since, optional), source)


class SourceBatches(NamedTuple):
    """A table of Parquet, Arrow or ORC files whose rows are read in batches, however many they are."""

    table: ParquetTable
    source: SourceSpec

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.table.rows

    @property
    def schema(self) -> pa.Schema:
        """The columns and their types."""
        return self.table.schema

    def read(self, columns: list[str], rows: int) -> Iterator[pa.Table]:
        """Read columns of all rows, in order.

        Args:
            columns: Names of the columns.
            rows: How many rows a batch has at least, but for the last one.

        Yields:
            The batches. Raises as `read_source` does; `source.timeout` is for each batch.
        """
        schema = pa.schema([self.schema.field(name) for name in columns])
        batches = self.table.batches(schema)
        while True:
            with translate_errors(self.source):
                batch = within_timeout(lambda: _take_rows(batches, rows), self.source)
            if not batch:
                return
            yield pa.Table.from_batches(batch, schema)


def open_batches(source: SourceSpec, columns: Columns, optional: Collection[str]) -> SourceBatches | None:
    """Open a source whose rows can be read in batches.

    Args:
        source: Where the table comes from.
        columns: The columns to read, as for `read_source`.
        optional: Columns that some of several files may lack.

    Returns:
        The table; None for a source that is read as a whole, or if a column is missing. Raises as `read_source` does.
    """
    choose = columns if callable(columns) else _choose_fixed(columns)
    table = within_timeout(lambda: _open(source, choose, optional), source) if source.kind in FORMATS else None
    return SourceBatches(table, source) if isinstance(table, ParquetTable) and table.is_uniform else None


def _open(
    source: SourceSpec, choose: Callable[[list[str]], list[str]], optional: Collection[str]
) -> ParquetTable | pa.Table | None:
    with translate_errors(source) as resolved:
        ready = resolve_lake_table(resolved)
        return open_parquet(ready, choose, optional, in_memory=False) if ready.kind in FORMATS else None


def _take_rows(batches: Iterator[pa.RecordBatch], rows: int) -> list[pa.RecordBatch]:
    taken, count = [], 0
    for batch in batches:
        taken.append(batch)
        count += batch.num_rows
        if count >= rows:
            break
    return taken


def _read(
    source: SourceSpec,
    choose: Callable[[list[str]], list[str]],
    as_of: datetime,
    since: "Watermark | None",
    optional: Collection[str] | None,
) -> pa.Table:
    with translate_errors(source) as resolved:
        ready = resolve_lake_table(resolved)
        if ready.kind in FILE_READERS:
            return FILE_READERS[ready.kind](ready, choose, optional)
        if ready.kind in LAKE_PACKAGES:
            return read_lake_table(ready, choose)
        if ready.kind == "sql":
            from tasks.sources.databases.sql_reader import read_sql  # takes half a second, and files do not need it

            return read_sql(ready, choose, as_of, since)
        return read_callable(ready, choose, as_of)


def fingerprint(source: SourceSpec) -> str | None:
    """Return the digest of the names and bytes of the source's files, to tell whether they have changed.

    None for a database or a function, whose table must be read to tell.
    """
    return None if source.kind in ("sql", "python") else within_timeout(lambda: _digest_files(source), source)


def _digest_files(source: SourceSpec) -> str:
    with translate_errors(source) as resolved:
        ready = resolve_lake_table(resolved)
        if ready.kind in LAKE_PACKAGES:
            return lake_fingerprint(ready)
        filesystem, path = open_file(ready)
        digest = hashlib.sha256()
        for name in list_source_files(filesystem, path, ready.kind):
            digest.update(f"{name}\n".encode())
            with filesystem.open(name, "rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()


def table_digest(table: pa.Table) -> str:
    """Return the digest of a table's column names, types and values, which does not depend on its batches."""
    digest = hashlib.sha256()

    class Sink:
        closed = False

        def write(self, data: bytes) -> int:
            digest.update(data)
            return len(data)

        def flush(self) -> None: ...

        def close(self) -> None: ...

    table = table.replace_schema_metadata(None).combine_chunks()
    with pa.ipc.new_stream(pa.PythonFile(Sink(), "w"), table.schema) as stream:
        stream.write_table(table)
    return digest.hexdigest()


def _choose_fixed(columns: Collection[str] | None) -> Callable[[list[str]], list[str]]:
    return lambda names: list(dict.fromkeys(names if columns is None else columns))
