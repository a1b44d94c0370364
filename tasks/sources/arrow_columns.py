"""Convert rows of Python values, as database drivers return them, to Arrow columns of a few common types."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

INT64_LIMIT = 1 << 63
ZONED, NAIVE = pa.timestamp("us", "UTC"), pa.timestamp("us")


def column(values: Sequence[Any]) -> pa.Array:
    """Convert one column of Python values.

    Args:
        values: Numbers, booleans, times, dates or anything else; None is missing.

    Returns:
        int64, float64, bool, timestamp[us] (UTC or naive), date32 or text. A column of mixed types, which only untyped
        databases have, is text.
    """
    kinds = {_kind(value) for value in values if value is not None}
    if not kinds:
        return pa.nulls(len(values))
    if kinds == {"int"}:
        return pa.array(values, pa.int64())
    if kinds <= {"int", "float"}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    types = {"bool": pa.bool_(), "zoned": ZONED, "naive": NAIVE, "date": pa.date32()}
    if len(kinds) == 1 and (kind := next(iter(kinds))) in types:
        return pa.array(values, types[kind])
    return pa.array([_to_text(value) for value in values], pa.string())


def table(batches: list[list[pa.Array]], names: list[str]) -> pa.Table:
    """Concatenate batches, each a list of columns, to a table in which every column has one type."""
    columns = [_concatenate([batch[index] for batch in batches]) for index in range(len(names))]
    return pa.table(columns, names=names)


def _concatenate(chunks: list[pa.Array]) -> pa.ChunkedArray:
    types = {chunk.type for chunk in chunks if not pa.types.is_null(chunk.type)}
    if not types:
        return pa.chunked_array(chunks, pa.null())
    if len(types) > 1:
        types = {pa.float64()} if types <= {pa.int64(), pa.float64()} else {pa.string()}
    common = types.pop()
    return pa.chunked_array([chunk.cast(common, safe=False) for chunk in chunks], common)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if -INT64_LIMIT <= value < INT64_LIMIT else "float"
    if isinstance(value, float | Decimal):
        return "float"
    if isinstance(value, datetime):
        return "zoned" if value.tzinfo else "naive"
    return "date" if isinstance(value, date) else "text"


def _to_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, default=str)
    return value.isoformat() if isinstance(value, date) else str(value)
