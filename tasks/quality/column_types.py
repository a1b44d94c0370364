"""Types of whole columns: whether the source has the types that its contract promises.

A text column, such as every column of a CSV, is checked by its values.
"""

from typing import Any

import pandas as pd
import pyarrow as pa

from data_contracts.column_types import ColumnType, kind_of
from data_contracts.contract import Column
from tasks.quality import wide_tables
from tasks.quality.violations import Violation
from tasks.sources.dataset import DatasetSpec
from tasks.sources.numbers import as_text, parse_numbers
from tasks.sources.values import format_value, parse_booleans

COMPATIBLE_TYPES: dict[ColumnType, tuple[ColumnType, ...]] = {
    "number": ("number", "integer"),
    "integer": ("integer", "number"),  # a gap turns integers into floats; the row checks test that each is whole
    "string": ("string",),
    "boolean": ("boolean",),
    "time": ("time",),
    "clock": ("clock", "string"),
}
MIN_VALUES = 2  # a single unreadable value is a violating row and not a changed type


def check_column_types(raw: pd.DataFrame, reading: DatasetSpec) -> list[Violation]:
    """Find columns whose type differs from the contract; each stops the night, because no row can be parsed."""
    if reading.contract is None:
        return []
    violations = []
    for column in reading.contract.columns:
        actual = _type_mismatch(_source_values(column.name, raw, reading), column, reading)
        if actual:
            reason = f"the contract promises {column.promised}, the source has {actual}"
            violations.append(Violation("type of the column", column.name, "error", reason, []))
    return violations


def _source_values(name: str, raw: pd.DataFrame, reading: DatasetSpec) -> pd.Series:
    """Return a column of the source from the raw table, which has canonical names."""
    columns = reading.columns
    if name in reading.select_targets([name]):
        return raw["y"] if isinstance(columns.y, str) else raw.loc[raw["target"] == name, "y"]
    if name == columns.unique_id and not isinstance(columns.y, str):
        return wide_tables.strip_targets(raw["unique_id"], raw["target"])
    canonical = {columns.series_column: "unique_id", columns.ds: "ds", columns.known_at: "known_at"}
    return raw[canonical.get(name, name)]


def _type_mismatch(values: pd.Series, column: Column, reading: DatasetSpec) -> str | None:
    """Describe the type of `values` if it differs from the promised type of `column`; otherwise return None."""
    if column.kind == "any" or values.notna().sum() == 0:
        return None
    arrow_type = _arrow_type(values)
    kind = kind_of(arrow_type) if arrow_type is not None else "string"
    if column.kind == "boolean" and kind in ("integer", "number"):
        return None if values.dropna().isin([0, 1]).all() else str(arrow_type)
    if column.kind == "time" and kind in ("integer", "number") and (reading.source.epoch or reading.source.format):
        return None
    if kind == "string" and column.kind not in ("string", "clock"):
        return _text_mismatch(values, column, reading)
    if kind not in COMPATIBLE_TYPES[column.kind]:
        return str(arrow_type)
    return _zone_mismatch(arrow_type, column) if kind == "time" else None


def _arrow_type(values: pd.Series) -> pa.DataType | None:
    """Return the Arrow type of a column, or None for mixed values, which are checked one by one."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.cat.categories.to_series()
    try:
        arrow_type = pa.Array.from_pandas(values if values.dtype == object else values.head(0)).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None
    return pa.string() if pa.types.is_large_string(arrow_type) else arrow_type


def _text_mismatch(values: pd.Series, column: Column, reading: DatasetSpec) -> str | None:
    """Describe a text column none of whose values can be parsed; a few unreadable values are violating rows."""
    present = values[~reading.source.number_format.is_missing(as_text(values))]
    if len(present) < MIN_VALUES or not _is_unreadable(present, column, reading).all():
        return None
    advice = f"; {text}" if column.name == reading.columns.ds and (text := reading.advise_time(present)) else ""
    first = format_value(present.iloc[0])
    return f"text: none of its {len(present):,} values can be parsed, the first is {first}{advice}"


def _is_unreadable(text: pd.Series, column: Column, reading: DatasetSpec) -> pd.Series:
    if column.kind == "boolean":
        return parse_booleans(text)[1]
    if column.kind == "time":
        return reading.parse_times(text, column).isna()
    return parse_numbers(text, reading.source.number_format)[1]


def _zone_mismatch(arrow_type: Any, column: Column) -> str | None:
    """Describe timestamps with a zone where none is promised, or without one: either would silently shift by hours."""
    zoned = pa.types.is_timestamp(arrow_type) and arrow_type.tz is not None
    promised = column.zoned if column.zoned is not None else (", " in (column.arrow or "")) or None
    if promised is None or promised == zoned or not pa.types.is_timestamp(arrow_type):
        return None
    return f"{arrow_type}, {'with' if zoned else 'without'} a time zone"
