"""Names of series and categories as text: one text for one name, whatever type the column has tonight."""

import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

WHOLE = re.compile(r"-?(?:0|[1-9]\d*)(\.0)?")


def names_as_text(values: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert a column of names to text, each distinct value once.

    pandas makes floats of integers and objects of booleans where a value is missing, and databases give decimals: the
    name must not change with the type.

    Args:
        values: A column of any type.

    Returns:
        Text on the rows of `values`: `101` for 101, 101.0 and Decimal("101.00"); ISO 8601 for dates and times; `true`
        and `false`; the text of UTF-8 bytes. Missing for NaN, infinity, other bytes and nested values. Text stays as it
        is, except for whole numbers of which some are written 101.0, as pandas does in a column with missing values.
    """
    column = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(kind) or pa.types.is_nested(kind):
        return pa.chunked_array([pa.nulls(len(column), pa.string())])
    if pa.types.is_integer(kind):
        return column.cast(kind).cast(pa.string())
    if _is_text(kind):
        text = column.cast(kind).cast(pa.string())
        return _without_float_artifacts(text)
    return _map_distinct(column, kind)


def format_name(value: Any, *, fixed_size: bool = False) -> str | None:
    """Return one value as a name; None if it has no text.

    Args:
        value: A Python value.
        fixed_size: Whether the value is from a column of bytes of one size, which are padded with zero bytes.

    Returns:
        The name.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    if isinstance(value, bytes | bytearray | memoryview):
        return _decode_bytes(bytes(value), fixed_size)
    if isinstance(value, float | np.floating | Decimal):
        return _format_number(value)
    if isinstance(value, datetime) and value.tzinfo is None and value.time() == time():
        return value.date().isoformat()  # the first moment of a date is the date
    return value.isoformat(*[" "] * isinstance(value, datetime)) if isinstance(value, date | time) else str(value)


def _decode_bytes(value: bytes, fixed_size: bool) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text.rstrip("\0") if fixed_size else text


def _format_number(value: Any) -> str | None:
    if isinstance(value, Decimal):
        if not value.is_finite():
            return None
        return str(int(value)) if value == value.to_integral_value() else f"{value.normalize():f}"
    if not np.isfinite(value):
        return None
    return str(int(value)) if value == np.floor(value) else np.format_float_positional(value, trim="-")


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _map_distinct(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    fixed_size = pa.types.is_fixed_size_binary(kind)
    try:
        encoded = pc.dictionary_encode(column) if not pa.types.is_dictionary(column.type) else column
    except pa.ArrowNotImplementedError:  # extension types such as UUID
        return pa.chunked_array([pa.array([format_name(value) for value in column.to_pylist()], pa.string())])
    chunks = []
    for chunk in encoded.chunks:
        names = [format_name(value, fixed_size=fixed_size) for value in _to_python(chunk.dictionary)]
        chunks.append(pa.array(names, pa.string()).take(chunk.indices))
    return pa.chunked_array(chunks, pa.string())


def _to_python(values: pa.Array) -> list[Any]:
    """Return the values as Python objects; nanoseconds, which Python's datetime lacks, as text without them if zero."""
    if pa.types.is_timestamp(values.type) and values.type.unit == "ns":
        try:
            return list(values.cast(pa.timestamp("us", values.type.tz)).to_pylist())
        except pa.ArrowInvalid:
            return [None if value is None else str(value) for value in values.to_pylist()]
    if pa.types.is_floating(values.type):
        return list(values.to_numpy(zero_copy_only=False))  # a float32 keeps its short text
    return list(values.to_pylist())


def _without_float_artifacts(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return whole numbers without .0, if only some are written with it or a name is missing; other text as it is."""
    float_like = pc.ends_with(text, ".0")
    if not pc.any(float_like, skip_nulls=True).as_py():
        return text
    distinct = [value for value in text.unique().to_pylist() if value]
    matches = [WHOLE.fullmatch(value) for value in distinct]
    if not all(matches):
        return text
    has_gap = text.null_count > 0 or pc.any(pc.equal(text, ""), skip_nulls=True).as_py()
    if has_gap or not all(match and match[1] for match in matches):
        return pc.if_else(float_like, pc.utf8_slice_codeunits(text, 0, -2), text)
    return text
