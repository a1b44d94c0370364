"""Parquet files as one table, in batches and within limits; files that differ are unified safely or refused by name."""

from collections.abc import Callable
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.dataset as pds

from tasks.sources import limits
from tasks.sources.filesystem import hive_keys, list_source_files, open_file
from tasks.sources.limits import check_limit, source_error
from tasks.sources.spec import SourceSpec


def read_parquet(source: SourceSpec, choose: Callable[[list[str]], list[str]]) -> pa.Table:
    """The columns of `choose`; no rows where one of them is in no file. Raises SourceUnreadable with the file."""
    filesystem, path = open_file(source)
    names = list_source_files(filesystem, path)
    keys = list(dict.fromkeys(key for name in names for key in hive_keys(name, path)))
    parts = [(name, *_part(name, filesystem, keys, source, len(names) > 1)) for name in names]
    every = list(dict.fromkeys(column for _, _, schema in parts for column in schema.names))
    columns = list(dict.fromkeys(choose(every)))
    if set(columns) - set(every):
        return pa.table([pa.array([], pa.null())] * len(every), names=every)
    schema = _unified([(name, found) for name, _, found in parts], columns, source)
    rows = sum(part.count_rows() for _, part, _ in parts)
    check_limit(rows * len(columns), limits.MAX_VALUES, "values", source)
    batches, size = [], 0
    for name, part, _ in parts:
        try:
            for batch in part.scanner(columns=columns).to_batches():
                size += batch.nbytes
                check_limit(size, limits.MAX_BYTES, "bytes", source)
                batches.append(batch.cast(schema))
        except (pa.ArrowException, OSError) as broken:
            raise _refused(name, broken, source, len(names) > 1) from broken
    return pa.Table.from_batches(batches, schema)


def _part(
    name: str, filesystem: fsspec.AbstractFileSystem, keys: list[str], source: SourceSpec, many: bool
) -> tuple[Any, pa.Schema]:
    """One file as a dataset of its own, and what its footer says; a key of its folders that it holds too is its own.

    Keys are text: the folder `series=007` is the series 007, not 7.
    """
    try:
        part = pds.dataset([name], filesystem=filesystem, format="parquet")
        if new := [key for key in keys if key not in part.schema.names]:
            hive = pds.partitioning(pa.schema([(key, pa.string()) for key in new]), flavor="hive")
            part = pds.dataset([name], filesystem=filesystem, format="parquet", partitioning=hive)
    except (pa.ArrowException, OSError) as broken:
        raise _refused(name, broken, source, many) from broken
    return part, pa.schema([_plain(field) for field in part.schema])


def _plain(field: pa.Field) -> pa.Field:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    kind = pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind
    return pa.field(field.name, kind)


def _unified(schemas: list[tuple[str, pa.Schema]], columns: list[str], source: SourceSpec) -> pa.Schema:
    """One schema in which no value of any file is lost: int32 and int64 are int64; text and numbers don't mix."""
    first, fields = schemas[0][0], []
    for column in columns:
        field = None
        for name, schema in schemas:
            here = schema.get_all_field_indices(column)
            if not here:
                holder = next(other for other, one in schemas if column in one.names)
                raise source_error(source, f"{_short(name)}: column {column!r} is missing, and {_short(holder)} has it")
            for place in here:
                found = schema.field(place)
                try:
                    pair = [pa.schema([one]) for one in (field, found) if one is not None]
                    field = pa.unify_schemas(pair, promote_options="permissive").field(0)
                except pa.ArrowException as differ:
                    before = field.type if field is not None else "nothing"
                    told = f"column {column!r} is {found.type}, and {before} in {_short(first)}"
                    raise source_error(source, f"{_short(name)}: {told}; write them as one type") from differ
            if len(here) > 1:
                raise source_error(source, f"{_short(name)}: column {column!r} stands {len(here)} times")
        fields.append(field)
    return pa.schema(fields)


def _refused(name: str, broken: Exception, source: SourceSpec, many: bool) -> Exception:
    if isinstance(broken, FileNotFoundError):
        return broken
    where = f"{_short(name)}: " if many else ""
    return source_error(source, f"{where}it can't be read as parquet: {str(broken).splitlines()[0]}")


def _short(name: str) -> str:
    return "/".join(name.rsplit("/", 2)[-2:])
