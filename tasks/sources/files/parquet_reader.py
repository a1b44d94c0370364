"""Read Parquet, Arrow or ORC files as one table, in batches and within limits; types are unified without loss."""

from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import fsspec
import pyarrow as pa
import pyarrow.dataset as pds

from tasks.sources.files.filesystem import hive_keys, list_source_files, open_file, short_name
from tasks.sources.files.parquet_sizes import NO_SIZES, FooterSizes, decoded_bytes, read_footer
from tasks.sources.limits import (
    check_bytes,
    check_columns,
    check_rows,
    check_same_table,
    max_bytes,
    source_error,
)
from tasks.sources.schemas import InexactColumn, common_type, convert, plain_type
from tasks.sources.spec import SourceSpec
from tasks.sources.times.time_types import advise_time_types, common_time_type

ARROW_FILE_MAGIC = b"ARROW1"
BOUNDED_SCAN: dict[str, Any] = {"batch_readahead": 4, "fragment_readahead": 1}
# otherwise the compressed bytes of all row groups that were read are kept
BOUNDED_PARQUET = pds.ParquetFragmentScanOptions(pre_buffer=False, use_buffered_stream=True)
FORMATS = {"parquet": "parquet", "arrow": "ipc", "orc": "orc"}  # the kind of the source, and pyarrow's name


class ParquetTable(NamedTuple):
    """Files that hold one table: each with its name and dataset, the common schema, and the number of rows."""

    files: list[tuple[str, Any]]
    schema: pa.Schema
    rows: int
    source: SourceSpec
    in_memory: bool = True  # whether all rows together must fit the memory, or only each batch
    is_uniform: bool = True  # whether a column has one type in all files

    def batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Read the rows of all files, in order.

        Args:
            schema: The columns to read, with the types of the common schema or wider ones.

        Yields:
            The rows.

        Raises:
            SourceUnreadable: A file cannot be read, or the rows are too large.
            InexactColumn: The common type of a column does not hold its values.
        """
        size = 0
        for name, part in self.files:
            present = [column for column in schema.names if column in part.schema.names]
            try:
                for batch in part.scanner(columns=present, **self._scan_options()).to_batches():
                    size = size * self.in_memory + sum(decoded_bytes(column) for column in batch.columns)
                    check_bytes(size, self.source)  # before the values of dictionaries are copied
                    columns = [
                        convert(batch.column(field.name), field.type, field.name)
                        if field.name in present
                        else pa.nulls(batch.num_rows, field.type)
                        for field in schema
                    ]
                    yield pa.RecordBatch.from_arrays(columns, schema=schema)
            except (pa.ArrowException, OSError) as broken:
                error = _file_error(name, broken, self.source, len(self.files) > 1)
                raise error from broken

    def _scan_options(self) -> dict[str, Any]:
        if self.in_memory:
            return {}
        return BOUNDED_SCAN | ({"fragment_scan_options": BOUNDED_PARQUET} if self.source.kind == "parquet" else {})


def read_parquet(
    source: SourceSpec, choose: Callable[[list[str]], list[str]], optional: Collection[str] | None = ()
) -> pa.Table:
    """Read one file, or several as one table.

    Args:
        source: The source, with its secrets resolved; of kind parquet, arrow or orc.
        choose: Picks among the column names of all files.
        optional: Columns that a file may lack, whose values are then missing; None for all.

    Returns:
        The chosen columns; no rows if one of them is in no file. Raises SourceUnreadable, with the file, for a file
        that cannot be read, lacks a column that other files have, or has another type in it.
    """
    table = open_parquet(source, choose, optional)
    if isinstance(table, pa.Table):
        return table
    schema = table.schema
    while True:
        try:
            return pa.Table.from_batches(table.batches(schema), schema)
        except InexactColumn as column:  # integers that a float64 would change: their digits are kept as text
            schema = schema.set(schema.get_field_index(column.name), pa.field(column.name, pa.string()))


def open_parquet(
    source: SourceSpec,
    choose: Callable[[list[str]], list[str]],
    optional: Collection[str] | None = (),
    *,
    in_memory: bool = True,
) -> ParquetTable | pa.Table:
    """Open one file, or several as one table, and read their footers only.

    Args:
        source: The source, as for `read_parquet`.
        choose: Picks among the column names of all files.
        optional: Columns that a file may lack; None for all.
        in_memory: Whether the whole table is to be held in memory, and must fit it.

    Returns:
        The files; a table without rows if a chosen column is in no file. Raises SourceUnreadable as `read_parquet`.
    """
    filesystem, path = open_file(source)
    names = list_source_files(filesystem, path, source.kind)
    keys = list(dict.fromkeys(key for name in names for key in hive_keys(name, path)))
    parts = [(name, *_open_part(name, filesystem, keys, source, len(names) > 1)) for name in names]
    available = list(dict.fromkeys(column for _, _, schema, _ in parts for column in schema.names))
    check_columns(len(available), source)
    columns = list(dict.fromkeys(choose(available)))
    if set(columns) - set(available):
        return pa.table([pa.array([], pa.null())] * len(available), names=available)
    schemas = [(name, part_schema) for name, _, part_schema, _ in parts]
    if optional is None:
        check_same_table({short_name(name): part_schema.names for name, part_schema in schemas}, source)
    schema = _unify_schemas(schemas, columns, columns if optional is None else optional, source)
    rows = sum(part.count_rows() for _, part, _, _ in parts)
    if in_memory or source.max_rows is not None:
        check_rows(rows, len(columns), source)
    if in_memory or source.max_bytes is not None:
        check_bytes(sum(sizes.declared_bytes(columns) for _, _, _, sizes in parts), source)
    types = {(field.name, field.type) for _, part_schema in schemas for field in part_schema if field.name in columns}
    is_uniform = types == {(field.name, field.type) for field in schema}
    return ParquetTable([(name, part) for name, part, _, _ in parts], schema, rows, source, in_memory, is_uniform)


def _open_part(
    name: str, filesystem: fsspec.AbstractFileSystem, keys: list[str], source: SourceSpec, many: bool
) -> tuple[Any, pa.Schema, FooterSizes]:
    """Return one file as a dataset, its schema and sizes; a column of the file wins over a key of its folders."""
    format_name: Any = FORMATS[source.kind]
    try:
        if source.kind == "arrow" and (stream := _read_stream(name, filesystem, source)):
            return pds.dataset(stream), _plain_schema(stream.schema), NO_SIZES
        part = pds.dataset([name], filesystem=filesystem, format=format_name)
        sizes = read_footer(part) if source.kind == "parquet" else NO_SIZES
        limit = max_bytes(source)
        if repeated := [column for column in part.schema.names if sizes.expanded.get(column, 0.0) > limit]:
            options = pds.ParquetReadOptions(dictionary_columns=repeated)
            format_name = pds.ParquetFileFormat(read_options=options)
            part = pds.dataset([name], filesystem=filesystem, format=format_name)
        if new := [key for key in keys if key not in part.schema.names]:
            # keys are text: the folder series=007 is the series 007, not 7
            hive = pds.partitioning(pa.schema([(key, pa.string()) for key in new]), flavor="hive")
            part = pds.dataset([name], filesystem=filesystem, format=format_name, partitioning=hive)
    except (pa.ArrowException, OSError) as broken:
        raise _file_error(name, broken, source, many) from broken
    return part, _plain_schema(part.schema), sizes


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(field.name, plain_type(field.type)) for field in schema])


def _read_stream(name: str, filesystem: fsspec.AbstractFileSystem, source: SourceSpec) -> pa.Table | None:
    """Return the table of a file in Arrow's streaming format, which a dataset does not read; None for other files."""
    with filesystem.open(name, "rb") as file:
        if file.read(len(ARROW_FILE_MAGIC)) == ARROW_FILE_MAGIC:
            return None
        file.seek(0)
        with pa.ipc.open_stream(file) as stream:
            batches, size = [], 0
            for batch in stream:
                size += batch.nbytes
                check_bytes(size, source)
                batches.append(batch)
            return pa.Table.from_batches(batches, stream.schema)


def _shared_type(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    return common_time_type(first, second) or common_type(first, second)


def _unify_schemas(
    schemas: list[tuple[str, pa.Schema]], columns: list[str], optional: Collection[str], source: SourceSpec
) -> pa.Schema:
    """Return a schema that holds every value of every file: int32 and int64 give int64, text and numbers text."""
    first, fields = schemas[0][0], []
    for column in columns:
        unified = None
        for name, schema in schemas:
            indices = schema.get_all_field_indices(column)
            if not indices:
                if column in optional:
                    continue
                other = next(other for other, other_schema in schemas if column in other_schema.names)
                raise source_error(
                    source, f"{short_name(name)}: column {column!r} is missing, and {short_name(other)} has it"
                )
            for kind in (schema.field(index).type for index in indices):
                before, unified = unified, kind if unified is None else _shared_type(unified, kind)
                if unified is None:
                    reason = f"column {column!r} is {kind}, and {before} in {short_name(first)}"
                    raise source_error(source, f"{short_name(name)}: {reason}; {advise_time_types(before, kind)}")
            if len(indices) > 1:
                raise source_error(source, f"{short_name(name)}: column {column!r} occurs {len(indices)} times")
        fields.append(pa.field(column, unified))
    return pa.schema(fields)


def _file_error(name: str, broken: Exception, source: SourceSpec, many: bool) -> Exception:
    if isinstance(broken, FileNotFoundError):
        return broken
    where = f"{short_name(name)}: " if many else ""
    return source_error(source, f"{where}it can't be read as {source.kind}: {str(broken).splitlines()[0]}")
