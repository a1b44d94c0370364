"""Read Parquet files as one table, in batches and within limits; schemas are unified without loss, or an error."""

from collections.abc import Callable
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.dataset as pds

from tasks.sources import limits
from tasks.sources.filesystem import hive_keys, list_source_files, open_file
from tasks.sources.limits import check_limit, source_error
from tasks.sources.spec import SourceSpec
from tasks.sources.time_types import advise_time_types, common_time_type


def read_parquet(source: SourceSpec, choose: Callable[[list[str]], list[str]]) -> pa.Table:
    """Read one file, or several as one table.

    Args:
        source: The source, with its secrets resolved.
        choose: Picks among the column names of all files.

    Returns:
        The chosen columns; no rows if one of them is in no file. Raises SourceUnreadable, with the file, for a file
        that cannot be read, lacks a column that other files have, or has another type in it.
    """
    filesystem, path = open_file(source)
    names = list_source_files(filesystem, path)
    keys = list(dict.fromkeys(key for name in names for key in hive_keys(name, path)))
    parts = [(name, *_open_part(name, filesystem, keys, source, len(names) > 1)) for name in names]
    available = list(dict.fromkeys(column for _, _, schema in parts for column in schema.names))
    columns = list(dict.fromkeys(choose(available)))
    if set(columns) - set(available):
        return pa.table([pa.array([], pa.null())] * len(available), names=available)
    schema = _unify_schemas([(name, part_schema) for name, _, part_schema in parts], columns, source)
    rows = sum(part.count_rows() for _, part, _ in parts)
    check_limit(rows * len(columns), limits.MAX_VALUES, "values", source)
    return _read_parts([(name, part) for name, part, _ in parts], columns, schema, source)


def _read_parts(parts: list[tuple[str, Any]], columns: list[str], schema: pa.Schema, source: SourceSpec) -> pa.Table:
    batches, size = [], 0
    for name, part in parts:
        try:
            for batch in part.scanner(columns=columns).to_batches():
                size += batch.nbytes
                check_limit(size, limits.MAX_BYTES, "bytes", source)
                batches.append(batch.cast(schema))
        except (pa.ArrowException, OSError) as broken:
            raise _file_error(name, broken, source, len(parts) > 1) from broken
    return pa.Table.from_batches(batches, schema)


def _open_part(
    name: str, filesystem: fsspec.AbstractFileSystem, keys: list[str], source: SourceSpec, many: bool
) -> tuple[Any, pa.Schema]:
    """Return one file as a dataset, and its schema; a column of the file wins over a key of its folders."""
    try:
        part = pds.dataset([name], filesystem=filesystem, format="parquet")
        if new := [key for key in keys if key not in part.schema.names]:
            # keys are text: the folder series=007 is the series 007, not 7
            hive = pds.partitioning(pa.schema([(key, pa.string()) for key in new]), flavor="hive")
            part = pds.dataset([name], filesystem=filesystem, format="parquet", partitioning=hive)
    except (pa.ArrowException, OSError) as broken:
        raise _file_error(name, broken, source, many) from broken
    return part, pa.schema([_decode_field(field) for field in part.schema])


def _decode_field(field: pa.Field) -> pa.Field:
    value_type = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_large_string(value_type) or pa.types.is_string_view(value_type):
        value_type = pa.string()
    return pa.field(field.name, value_type)


def _unify_schemas(schemas: list[tuple[str, pa.Schema]], columns: list[str], source: SourceSpec) -> pa.Schema:
    """Return a schema that holds every value of every file: int32 and int64 give int64, text and numbers an error."""
    first, fields = schemas[0][0], []
    for column in columns:
        unified = None
        for name, schema in schemas:
            indices = schema.get_all_field_indices(column)
            if not indices:
                other = next(other for other, other_schema in schemas if column in other_schema.names)
                raise source_error(
                    source, f"{_short_name(name)}: column {column!r} is missing, and {_short_name(other)} has it"
                )
            for index in indices:
                field = schema.field(index)
                try:
                    pair = [pa.schema([item]) for item in (unified, field) if item is not None]
                    shared = common_time_type(unified.type, field.type) if unified is not None else None
                    unified = (
                        pa.field(column, shared)
                        if shared
                        else pa.unify_schemas(pair, promote_options="permissive").field(0)
                    )
                except pa.ArrowException as differ:
                    before = unified.type if unified is not None else "nothing"
                    reason = f"column {column!r} is {field.type}, and {before} in {_short_name(first)}"
                    advice = advise_time_types(before, field.type) if unified is not None else "write them as one type"
                    raise source_error(source, f"{_short_name(name)}: {reason}; {advice}") from differ
            if len(indices) > 1:
                raise source_error(source, f"{_short_name(name)}: column {column!r} occurs {len(indices)} times")
        fields.append(unified)
    return pa.schema(fields)


def _file_error(name: str, broken: Exception, source: SourceSpec, many: bool) -> Exception:
    if isinstance(broken, FileNotFoundError):
        return broken
    where = f"{_short_name(name)}: " if many else ""
    return source_error(source, f"{where}it can't be read as parquet: {str(broken).splitlines()[0]}")


def _short_name(name: str) -> str:
    return "/".join(name.rsplit("/", 2)[-2:])
