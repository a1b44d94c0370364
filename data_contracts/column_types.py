"""Column types: the type names of a contract, of Arrow and of common databases."""

import re
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa

from data_contracts.frequency_words import modern_frequency, suggest_alias

ColumnType = Literal["string", "number", "integer", "boolean", "time", "clock", "any"]


class PropertyRef(NamedTuple):
    """A property of a schema: the source column and the kind of its values."""

    column: str
    kind: ColumnType


KINDS: dict[str | None, ColumnType] = {
    "string": "string",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
    "date": "time",
    "timestamp": "time",
    "time": "clock",
    None: "any",
}

ARROW: dict[str, pa.DataType] = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "date32": pa.date32(),
    "timestamp[us, UTC]": pa.timestamp("us", "UTC"),
}

DEFAULT_ARROW_TYPE: dict[ColumnType, str] = {
    "string": "string",
    "number": "float64",
    "integer": "int64",
    "boolean": "bool",
    "time": "timestamp[us, UTC]",
    "clock": "string",
}
"""Arrow type of a column whose contract gives only the kind."""

UNSIZED_SQL_TYPES: dict[str, ColumnType] = {
    "decimal": "number",
    "numeric": "number",
    "number": "number",
    "money": "number",
    "time": "clock",
}

DATABASES = {
    "string": "varchar char character nvarchar nchar varchar2 nvarchar2 text ntext clob uuid character-varying utf8",
    "bool": "boolean bit",
    "int8": "tinyint byteint",
    "int16": "smallint int2",
    "int32": "integer int int4 mediumint serial",
    "int64": "bigint long bigserial",
    "float32": "real float4",
    "float64": "double double-precision float float8",
    "date32": "date",
    "timestamp[us]": "timestamp timestamp-without-time-zone timestamp_ntz datetime datetime2 smalldatetime",
    "timestamp[us, UTC]": "timestamptz timestamp-with-time-zone timestamp_tz timestamp_ltz datetimeoffset",
}
ALIASES = {alias: arrow for arrow, aliases in DATABASES.items() for alias in aliases.split()}

STAMP = re.compile(r"timestamp\[(s|ms|us|ns)(?:, ?(?:tz=)?([^\]]+))?\]")


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type of a name that `physical` returned."""
    if stamp := STAMP.fullmatch(name):
        return pa.timestamp(*stamp.groups())
    return ARROW[name]


def physical(written: str | None) -> tuple[ColumnType, str | None]:
    """Resolve a physicalType.

    Arrow names take precedence over database names, so int8 has eight bits. Database names may carry sizes, as in
    varchar(20).

    Returns:
        The kind and the name of the Arrow type; ('any', None) if the name is not known.

    Raises:
        ValueError: The type is a timestamp in a time zone that does not exist.
    """
    if written is None:
        return "any", None
    if stamp := STAMP.fullmatch(written):
        unit, zone = stamp.groups()
        if zone:
            known_zone(zone)
        return "time", f"timestamp[{unit}, {zone}]" if zone else f"timestamp[{unit}]"
    plain = re.sub(r"\s*\([^)]*\)", "", written.strip().lower())
    name = written if written in ARROW else ALIASES.get("-".join(plain.split()), plain)
    if name in UNSIZED_SQL_TYPES:
        return UNSIZED_SQL_TYPES[name], None
    return (kind_of(arrow_type(name)), name) if name in ARROW or STAMP.fullmatch(name) else ("any", None)


def kind_of(arrow: pa.DataType) -> ColumnType:
    """Return the kind of values of an Arrow type; 'any' for nested and binary types."""
    tests: tuple[tuple[bool, ColumnType], ...] = (
        (pa.types.is_boolean(arrow), "boolean"),
        (pa.types.is_integer(arrow), "integer"),
        (pa.types.is_floating(arrow) or pa.types.is_decimal(arrow), "number"),
        (pa.types.is_timestamp(arrow) or pa.types.is_date(arrow), "time"),
        (pa.types.is_time(arrow), "clock"),
        (pa.types.is_string(arrow) or pa.types.is_large_string(arrow) or pa.types.is_string_view(arrow), "string"),
    )
    return next((kind for matches, kind in tests if matches), "any")


def known_frequency(freq: str) -> str:
    """Return `freq` in the words of pandas today if it has a positive step; raises ValueError for any other."""
    from pandas.tseries.frequencies import to_offset  # imported here: a contract is compiled without pandas

    examples = "write one such as h, 30min, D, B, W-MON, MS"
    modern = modern_frequency(freq)
    try:
        steps = to_offset(modern).n
    except (ValueError, OverflowError) as unknown:
        alias = suggest_alias(freq)
        raise ValueError(f"{freq!r} is not a pandas frequency; {f'write {alias}' if alias else examples}") from unknown
    if steps < 1:
        raise ValueError(f"{freq!r} must be a positive frequency; {examples}")
    return modern


def known_zone(zone: str) -> str:
    """Return `zone` if it is an IANA time zone.

    Raises:
        ValueError: The time zone does not exist.
    """
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as unknown:
        raise ValueError(f"{zone!r} is not a time zone. Write an IANA name such as Europe/Berlin") from unknown
    return zone
