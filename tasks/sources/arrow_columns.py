"""Convert rows of Python values, as database drivers return them, to Arrow columns of a few common types."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.sources.names import format_name, names_as_text
from tasks.sources.schemas import MAX_EXACT_INTEGER

INT64_LIMIT = 1 << 63
ZONED, NAIVE = pa.timestamp("us", "UTC"), pa.timestamp("us")


def column(values: Sequence[Any]) -> pa.Array:
    """Convert one column of Python values.

    Args:
        values: Numbers, booleans, times, dates or anything else; None is missing.

    Returns:
        int64, float64, bool, timestamp[us] (UTC or naive), date32 or text. A column of mixed types, which only untyped
        databases have, is text, and so are integers that a float64 would change: two names must not become one.
    """
    kinds = {_kind(value) for value in values if value is not None}
    if not kinds:
        return pa.nulls(len(values))
    if kinds == {"int"}:
        return pa.array(values, pa.int64())
    if kinds <= {"int", "float"} and not _would_change(values):
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
    if len(types) < 2:
        kind = next(iter(types), pa.null())
        return pa.chunked_array([chunk.cast(kind) for chunk in chunks], kind)
    if types <= {pa.int64(), pa.float64()} and not any(_exceeds_float(chunk) for chunk in chunks):
        return pa.chunked_array([chunk.cast(pa.float64()) for chunk in chunks])
    return pa.chunked_array([part for chunk in chunks for part in names_as_text(chunk).chunks], pa.string())


def _exceeds_float(chunk: pa.Array) -> bool:
    limits = pc.min_max(chunk) if pa.types.is_integer(chunk.type) else None
    return limits is not None and any(abs(limits[end].as_py() or 0) > MAX_EXACT_INTEGER for end in ("min", "max"))


def _would_change(values: Sequence[Any]) -> bool:
    """Return whether a float64 would change one of the integers; fractions may lose digits."""
    exact: list[Any] = [value for value in values if isinstance(value, int | Decimal)]
    large = [value for value in exact if Decimal(value).is_finite() and abs(value) > MAX_EXACT_INTEGER]
    return any(value == int(value) and int(float(value)) != value for value in large)


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
    return value.isoformat() if isinstance(value, date) else format_name(value)
