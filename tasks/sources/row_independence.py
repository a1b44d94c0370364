"""Whether a value of a source is parsed without the other values, so that a table can be read and checked in parts.

Text is not: its format is recognised from all values of the column. Timestamps are, but for wall times that occur twice
in the night in which clocks are set back, which the other times of their series decide.
"""

import pyarrow as pa

from tasks.sources.dataset import DatasetSpec


def are_rows_independent(schema: pa.Schema, reading: DatasetSpec) -> bool:
    """Return whether every value can be parsed without any other row.

    Args:
        schema: The source or the raw table; a column is looked up by its name in the source, or its canonical name.
        reading: How the source is read.

    Returns:
        True for a table in the long form with typed columns, whose times need no other time.
    """
    return are_series_independent(schema, reading) and all(
        _is_instant(kind) or reading.timestamp_parser().zone in (None, "UTC") or reading.calendar_steps
        for kind in _time_types(schema, reading)
    )


def are_series_independent(schema: pa.Schema, reading: DatasetSpec) -> bool:
    """Return whether every value can be parsed without the rows of another series.

    Args:
        schema: The source or the raw table, as for `are_rows_independent`.
        reading: How the source is read.

    Returns:
        True for a table in the long form with typed columns, unless naive midnights in a zone may be UTC.
    """
    columns = reading.columns
    if not isinstance(columns.y, str) or columns.time_parts or not columns.id_columns:
        return False
    numbers = [_type_of(schema, "y", columns.y), *(_type_of(schema, name) for name in reading.numeric_covariates)]
    promised = [(reading.column_type(name), _type_of(schema, name)) for name in reading.additional_columns]
    numbers += [kind for promise, kind in promised if promise in ("number", "integer")]
    flags = [kind for promise, kind in promised if promise == "boolean"]
    zone = reading.timestamp_parser().zone
    return (
        all(kind is not None and _is_number(kind) for kind in numbers)
        and all(kind is not None and pa.types.is_boolean(kind) for kind in flags)
        and all(_is_time(kind, reading) for kind in _time_types(schema, reading))
        # naive midnights of all rows together decide whether they are UTC
        and all(_is_instant(kind) or not reading.calendar_steps or not zone for kind in _time_types(schema, reading))
    )


def _time_types(schema: pa.Schema, reading: DatasetSpec) -> list[pa.DataType | None]:
    columns = reading.columns
    kinds = [_type_of(schema, "ds", columns.ds)]
    kinds += [_type_of(schema, "known_at", columns.known_at)] if columns.known_at else []
    return kinds + [
        _type_of(schema, name) for name in reading.additional_columns if reading.column_type(name) == "time"
    ]


def _type_of(schema: pa.Schema, canonical: str, name: str | None = None) -> pa.DataType | None:
    """Return the type of a column that has its canonical name or that of the source; None without it."""
    for candidate in (name, canonical):
        if candidate in schema.names:
            kind = schema.field(candidate).type
            return kind.value_type if pa.types.is_dictionary(kind) else kind
    return None


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _is_instant(kind: pa.DataType | None) -> bool:
    return kind is not None and (pa.types.is_integer(kind) or (pa.types.is_timestamp(kind) and kind.tz is not None))


def _is_time(kind: pa.DataType | None, reading: DatasetSpec) -> bool:
    if kind is None:
        return False
    if pa.types.is_integer(kind):
        return reading.source.epoch is not None and reading.source.format is None
    return pa.types.is_timestamp(kind) or (pa.types.is_date(kind) and reading.source.format is None)
