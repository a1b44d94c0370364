"""Whole columns: whether the source has the types that its contract promises. CSV is text, and judged by value."""

from typing import Any

import pandas as pd
import pyarrow as pa

from data_contracts.column_types import ColumnType, kind_of
from data_contracts.contract import Column
from tasks.quality import wide_tables
from tasks.quality.violations import Violation
from tasks.sources.dataset import DatasetSpec
from tasks.sources.values import MISSING, format_value, parse_booleans, parse_numbers

FITS: dict[ColumnType, tuple[ColumnType, ...]] = {
    "number": ("number", "integer"),
    "integer": ("integer", "number"),  # a gap makes a float of it; each value must be whole
    "string": ("string",),
    "boolean": ("boolean",),
    "time": ("time",),
    "clock": ("clock", "string"),
}
FEWEST = 2  # one wrong value is a row at fault, not a retyped column


def check_column_types(raw: pd.DataFrame, reading: DatasetSpec) -> list[Violation]:
    """Columns that are not what the contract promises: each stops the night, for no row of it can be read."""
    if reading.contract is None:
        return []
    faults = []
    for column in reading.contract.columns:
        reason = _type_mismatch(_values_of(column.name, raw, reading), column, reading)
        if reason:
            told = f"is promised as {column.promised} and found as {reason}"
            faults.append(Violation("type of the column", column.name, "error", told, []))
    return faults


def _values_of(name: str, raw: pd.DataFrame, reading: DatasetSpec) -> pd.Series:
    """A column of the source, under whichever name the raw table has it."""
    columns = reading.columns
    if name in reading.targets([name]):
        return raw["y"] if isinstance(columns.y, str) else raw.loc[raw["target"] == name, "y"]
    if name == columns.unique_id and not isinstance(columns.y, str):
        return wide_tables.ids(raw["unique_id"], raw["target"])
    ours = {columns.unique_id: "unique_id", columns.ds: "ds", columns.known_at: "known_at"}
    return raw[ours.get(name, name)]


def _type_mismatch(values: pd.Series, column: Column, reading: DatasetSpec) -> str | None:
    """What `values` are, where they are not what `column` promises."""
    if column.kind == "any" or values.notna().sum() == 0:
        return None
    found = _arrow(values)
    kind = kind_of(found) if found is not None else "string"
    if column.kind == "boolean" and kind in ("integer", "number"):
        return None if values.dropna().isin([0, 1]).all() else str(found)
    if column.kind == "time" and kind in ("integer", "number") and reading.source.epoch:
        return None
    if kind == "string" and column.kind not in ("string", "clock"):
        return _as_text(values, column, reading)
    if kind not in FITS[column.kind]:
        return str(found)
    return _in_another_zone(found, column) if kind == "time" else None


def _arrow(values: pd.Series) -> pa.DataType | None:
    """The Arrow type of a column; None for a mixture, which is judged value by value."""
    try:
        found = pa.Array.from_pandas(values).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None
    return pa.string() if pa.types.is_large_string(found) else found


def _as_text(values: pd.Series, column: Column, reading: DatasetSpec) -> str | None:
    told = values[values.notna() & ~values.map(str).str.strip().str.lower().isin(MISSING)]
    if len(told) < FEWEST or not _unread(told, column, reading).all():
        return None
    return f"text: none of its {len(told):,} values is one, the first is {format_value(told.iloc[0])}"


def _unread(told: pd.Series, column: Column, reading: DatasetSpec) -> pd.Series:
    if column.kind == "boolean":
        return parse_booleans(told)[1]
    if column.kind == "time":
        return reading.times(told, column).isna()
    return parse_numbers(told, reading.source.decimal)[1]


def _in_another_zone(found: Any, column: Column) -> str | None:
    """Times without a zone where one is promised shift by hours in silence, and the other way round."""
    zoned = pa.types.is_timestamp(found) and found.tz is not None
    promised = column.zoned if column.zoned is not None else (", " in (column.arrow or "")) or None
    if promised is None or promised == zoned or not pa.types.is_timestamp(found):
        return None
    return f"{found}, which carries {'a' if zoned else 'no'} zone"
