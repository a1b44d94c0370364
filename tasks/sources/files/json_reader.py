"""Read JSON lines, one object a line, or a JSON array of objects, compressed or not, with the types of the values."""

import json
from collections.abc import Callable, Collection
from typing import Any

import pyarrow as pa
import pyarrow.json as pjson

from tasks.sources import arrow_columns
from tasks.sources.files.concatenation import concatenate
from tasks.sources.files.csv_dialect import as_utf8
from tasks.sources.files.filesystem import decompress, hive_keys, list_source_files, open_file, short_name
from tasks.sources.files.text_limits import MAX_LINE_BYTES, find_deep_line, find_long_line
from tasks.sources.limits import check_bytes, check_columns, check_rows, check_same_table, max_bytes, source_error
from tasks.sources.spec import SourceSpec


def read_json(
    source: SourceSpec, choose: Callable[[list[str]], list[str]], optional: Collection[str] | None = ()
) -> pa.Table:
    """Read one file, or several as one table whose columns are matched by name.

    Args:
        source: The source, with its secrets resolved; of kind json.
        choose: Picks among the column names.
        optional: Columns that a file may lack, whose values are then missing; None for all.

    Returns:
        The chosen columns; text that looks like a time stays text. No rows if a chosen column is in no file. Raises
        SourceUnreadable, with the file, for a file that cannot be read.
    """
    filesystem, path = open_file(source)
    tables, size, rows = {}, 0, 0
    for name in list_source_files(filesystem, path, source.kind):
        with filesystem.open(name, "rb") as file:
            data = decompress(file, max_bytes(source) + 1, source)
        size += len(data)
        check_bytes(size, source)
        table = _read_file(as_utf8(data, source, f"{short_name(name)}: "), short_name(name), source)
        for key, value in hive_keys(name, path).items():
            if key not in table.column_names:
                table = table.append_column(key, pa.array([value] * table.num_rows, pa.string()))
        rows += table.num_rows
        check_rows(rows, table.num_columns, source)
        tables[short_name(name)] = table
    if optional is None:
        check_same_table({name: table.column_names for name, table in tables.items()}, source)
    return concatenate(tables, choose, optional, source)


def _read_file(data: bytes, name: str, source: SourceSpec) -> pa.Table:
    if not data.strip():
        raise source_error(source, f"{name}: the file is empty")
    try:
        if data.lstrip().startswith(b"["):
            return _from_objects(json.loads(data), source)
        if deep := find_deep_line(data):
            raise source_error(source, f"{name}: {deep}")
        try:
            return _from_lines(data)
        except pa.ArrowInvalid:  # values of several types in one column
            return _from_objects([json.loads(line) for line in data.splitlines() if line.strip()], source)
    except (ValueError, TypeError, RecursionError) as broken:
        reason = find_long_line(data) if "straddling" in str(broken) else None
        reason = reason or (str(broken).splitlines() or [type(broken).__name__])[0]
        raise source_error(
            source, f"{name}: it can't be read as json: {reason}; write one JSON object a line"
        ) from broken


def _from_objects(rows: Any, source: SourceSpec) -> pa.Table:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TypeError("it is not a list of objects")
    names = list(dict.fromkeys(key for row in rows for key in row))
    check_columns(len(names), source)
    check_rows(len(rows), len(names), source)
    return pa.table([arrow_columns.column([row.get(name) for row in rows]) for name in names], names=names)


def _from_lines(data: bytes) -> pa.Table:
    """Parse with pyarrow, and again for columns that it takes for times: it drops their offsets."""
    reading = pjson.ReadOptions(block_size=MAX_LINE_BYTES)
    table = pjson.read_json(pa.BufferReader(data), read_options=reading)
    times = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
    if not times:
        return table
    text = pa.schema([(name, pa.string()) for name in times])
    parsing = pjson.ParseOptions(explicit_schema=text, unexpected_field_behavior="infer")
    return pjson.read_json(pa.BufferReader(data), read_options=reading, parse_options=parsing).select(
        table.column_names
    )
