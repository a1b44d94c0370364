"""Rows that are no observation: which rule of the house each one breaks, and the values as numbers and times."""

import unicodedata
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tasks._cleaning import unused
from tasks.ingestion import Reading

LONGEST = 60  # letters of one value in a message
MISSING = {"", "na", "n/a", "nan", "none", "null"}


class Fault(NamedTuple):
    """One broken rule and the rows at fault, by their number in the source; no rows: the table as a whole."""

    rule: str
    column: str
    severity: str
    reason: str
    rows: list[int]


def typed(raw: pd.DataFrame, reading: Reading) -> tuple[pd.DataFrame, list[Fault]]:
    """Ids as text in NFC, times in UTC, numbers as float64; a value that is none becomes missing and a Fault.

    What only the contract speaks of is typed too, where it promises numbers: a CSV has nothing but text.
    """
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
    promised = (name for name in reading.wanted if reading.kind(name) in ("number", "integer"))
    numeric = dict.fromkeys((*reading.numbers, *(name for name in promised if name not in reading.features.static)))
    for name, source in (("y", reading.columns.y), *((name, name) for name in numeric)):
        frame[name], no_number, endless = _numbers(raw[name])
        checks.append((f"{name} is a number", source, "must be a number or empty", no_number))
        checks.append((f"{name} is finite", source, "must be finite", endless))
        if reading.kind(source) == "integer":
            checks.append((f"{name} is whole", source, "must be a whole number", frame[name] % 1 > 0))
    for name in reading.features.static:
        frame[name] = raw[name].map(str, na_action="ignore").astype("str")
    for rule, column, reason, at_fault in checks:
        if at_fault.any():
            faults.append(Fault(rule, column, severity, reason, raw.loc[at_fault, "row"].tolist()))
    return frame, faults


def repeated(frame: pd.DataFrame, reading: Reading) -> list[Fault]:
    """Rows that repeat a series and time and are not used; a fault of the data where no policy allows for them."""
    twice = unused(frame, reading.cleaning)
    if not twice.any():
        return []
    columns = reading.columns
    key = f"{columns.unique_id}, {columns.ds}" if columns.unique_id else columns.ds
    severity = reading.contract.row_faults if reading.contract else "error"
    policy, rows = reading.cleaning.repeated, frame.loc[twice, "row"].tolist()
    other = "a later" if policy == "last" else "an earlier"
    severity = severity if policy == "reject" else "warning"
    return [Fault("one row a series and time", key, severity, f"repeats the key of {other} row", rows)]


def sentence(fault: Fault, raw: pd.DataFrame) -> str:
    """What is wrong, where, with which values: column, series, rows, first values."""
    if not fault.rows:
        return f"rule {fault.rule!r}, column {fault.column!r}: {fault.reason}"
    at_fault = raw[raw["row"].isin(fault.rows)]
    series = [_shown(name) for name in at_fault["unique_id"].drop_duplicates().head(4)]
    more = at_fault["unique_id"].nunique(dropna=False) - len(series)
    first = at_fault.iloc[0]
    many = "s" if len(fault.rows) > 1 else ""
    return (
        f"rule {fault.rule!r}, column {fault.column!r}: {fault.reason}; {len(fault.rows):,} row{many} at fault, "
        f"series {', '.join(series)}{f' and {more} more' if more > 0 else ''}, "
        f"row{many} {', '.join(str(row) for row in fault.rows[:5])}{' …' if len(fault.rows) > 5 else ''}; "
        f"{'the first: ' if many else ''}ds {_shown(first['ds'])}, y {_shown(first['y'])}"
    )


def _shown(value: Any) -> str:
    """A value as a person may read it: text in quotes and without line breaks, a number plain, nothing endless."""
    if isinstance(value, str):
        return repr(value if len(value) <= LONGEST else f"{value[:LONGEST]}…")
    return "nothing" if pd.isna(value) else str(value)[:LONGEST]


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
        text = values.map(str, na_action="ignore").astype("str").str.strip()
        nothing = text.isna() | text.str.lower().isin(MISSING)
        fit = pd.to_numeric(text.mask(nothing), errors="coerce").notna()
        numbers = pd.Series(np.nan, index=values.index)
        numbers[fit] = text[fit].map(float)  # pandas' own parser is off by a bit in one of four numbers
    endless = pd.Series(np.isinf(numbers.to_numpy()), index=values.index)
    return numbers.mask(endless), numbers.isna() & ~nothing, endless
