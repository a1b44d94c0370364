"""Rows that are no observation: which rule of the house each one breaks, and the values as numbers and times."""

import unicodedata
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.ingestion import Reading

MISSING = {"", "na", "n/a", "nan", "none", "null"}


class Fault(NamedTuple):
    """One broken rule and the rows at fault, by their number in the source; no rows: the table as a whole."""

    rule: str
    column: str
    severity: str
    reason: str
    rows: list[int]


def typed(raw: pd.DataFrame, reading: Reading) -> tuple[pd.DataFrame, list[Fault]]:
    """Ids as text in NFC, times in UTC, numbers as float64; a value that is none becomes missing and a Fault."""
    severity = reading.contract.row_faults if reading.contract else "error"
    frame, faults = raw[["row"]].copy(), []
    frame["unique_id"] = raw["unique_id"].map(_name, na_action="ignore").astype("str")
    unnamed = frame["unique_id"].isna() | frame["unique_id"].map(_unfit, na_action="ignore").eq(True)
    frame["ds"] = reading.times(raw["ds"])
    series = reading.columns.unique_id or "unique_id"
    checks = [
        ("unique_id is a name", series, "a series needs a name without control characters", unnamed),
        ("ds is a time", reading.columns.ds, "must be one moment in time", frame["ds"].isna()),
    ]
    for name, source in (("y", reading.columns.y), *((name, name) for name in reading.numbers)):
        frame[name], no_number, endless = _numbers(raw[name])
        checks.append((f"{name} is a number", source, "must be a number or empty", no_number))
        checks.append((f"{name} is finite", source, "must be finite", endless))
    for name in reading.features.static:
        frame[name] = raw[name].map(str, na_action="ignore").astype("str")
    for rule, column, reason, at_fault in checks:
        if at_fault.any():
            faults.append(Fault(rule, column, severity, reason, raw.loc[at_fault, "row"].tolist()))
    return frame, faults


def repeated(frame: pd.DataFrame, reading: Reading) -> list[Fault]:
    """Rows that repeat a series and time that an earlier row has."""
    twice = frame.duplicated(["unique_id", "ds"]) & frame["ds"].notna() & frame["unique_id"].notna()
    if not twice.any():
        return []
    columns = reading.columns
    key = f"{columns.unique_id}, {columns.ds}" if columns.unique_id else columns.ds
    severity = reading.contract.row_faults if reading.contract else "error"
    rows = frame.loc[twice, "row"].tolist()
    return [Fault("one row a series and time", key, severity, "repeats the key of an earlier row", rows)]


def sentence(fault: Fault, raw: pd.DataFrame) -> str:
    """What is wrong, where, with which values: column, series, rows, first values."""
    if not fault.rows:
        return f"rule {fault.rule!r}, column {fault.column!r}: {fault.reason}"
    at_fault = raw[raw["row"].isin(fault.rows)]
    series = [repr(name) for name in at_fault["unique_id"].drop_duplicates().head(4)]
    more = at_fault["unique_id"].nunique(dropna=False) - len(series)
    first = at_fault.iloc[0]
    return (
        f"rule {fault.rule!r}, column {fault.column!r}: {fault.reason}; {len(fault.rows):,} rows at fault, "
        f"series {', '.join(series)}{f' and {more} more' if more > 0 else ''}, "
        f"rows {', '.join(str(row) for row in fault.rows[:5])}{' …' if len(fault.rows) > 5 else ''}; "
        f"the first: ds {first['ds']}, y {first['y']!r}"
    )


def _name(value: object) -> str:
    return unicodedata.normalize("NFC", str(value))


def _unfit(name: str) -> bool:
    return not name.strip() or any(unicodedata.category(letter) == "Cc" for letter in name)


def _numbers(values: pd.Series) -> tuple[pd.Series, pd.Series, pd.Series]:
    """(numbers, rows that are text, rows that are infinite), each of the length of `values`."""
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        numbers = values.astype("float64")
        nothing = numbers.isna()
    else:
        nothing = values.isna() | values.astype("str").str.strip().str.lower().isin(MISSING)
        numbers = pd.to_numeric(values.where(~nothing, None), errors="coerce").astype("float64")
    endless = pd.Series(np.isinf(numbers.to_numpy()), index=values.index)
    return numbers.mask(endless), numbers.isna() & ~nothing, endless
