"""Rows of Python values, as a database driver gives them, as Arrow columns of the types that all sources share."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

LARGEST = 1 << 63
ZONED, NAIVE = pa.timestamp("us", "UTC"), pa.timestamp("us")


def column(values: Sequence[Any]) -> pa.Array:
    """One column: whole numbers int64, other numbers float64, times in UTC or naive, dates, booleans, else text.

    A column of mixed kinds, which only untyped databases have, is text.
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
    return pa.array([_text(value) for value in values], pa.string())


def table(batches: list[list[pa.Array]], names: list[str]) -> pa.Table:
    """The batches, one list of columns each, as one table: a type that holds what all of them hold."""
    columns = [_chunked([batch[place] for batch in batches]) for place in range(len(names))]
    return pa.table(columns, names=names)


def _chunked(chunks: list[pa.Array]) -> pa.ChunkedArray:
    kinds = {chunk.type for chunk in chunks if not pa.types.is_null(chunk.type)}
    if not kinds:
        return pa.chunked_array(chunks, pa.null())
    if len(kinds) > 1:
        kinds = {pa.float64()} if kinds <= {pa.int64(), pa.float64()} else {pa.string()}
    kind = kinds.pop()
    return pa.chunked_array([chunk.cast(kind, safe=False) for chunk in chunks], kind)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if -LARGEST <= value < LARGEST else "float"
    if isinstance(value, float | Decimal):
        return "float"
    if isinstance(value, datetime):
        return "zoned" if value.tzinfo else "naive"
    return "date" if isinstance(value, date) else "text"


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, default=str)
    return value.isoformat() if isinstance(value, date) else str(value)
