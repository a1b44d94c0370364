"""Rows that are no observation: which rule of the house each one breaks, and the values as numbers and times."""

import unicodedata
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks._cleaning import unused
from tasks._values import numbers, shown, truths, zoneless
from tasks.ingestion import Reading

CHANGING = "a clock in {} shows it twice or never on the night it is changed; write it with its offset, or in UTC"


class Fault(NamedTuple):
    """One broken rule and the rows at fault, by their number in the source; no rows: the table as a whole.

    `severity` is error (the night stops), series (their series are set aside), warning (they go to quarantine), or
    info (they are used, and it is told).
    """

    rule: str
    column: str
    severity: str
    reason: str
    rows: list[int]


def typed(raw: pd.DataFrame, reading: Reading) -> tuple[pd.DataFrame, list[Fault]]:
    """Ids as text in NFC, times in UTC, numbers as float64; a value that is none becomes missing and a Fault.

    What only the contract speaks of is typed too, where it promises numbers or times: a CSV has nothing but text.
    """
    frame, faults = raw[["row"]].copy(), []
    frame["unique_id"], unnamed = _named(raw["unique_id"])
    frame["ds"] = reading.times(raw["ds"], ids=raw["unique_id"])
    untold = frame["ds"].isna()
    changing = untold & reading.on_a_changing_clock(raw["ds"]) if untold.any() else untold
    series = reading.columns.unique_id or "unique_id"
    offset = reading.promised(reading.columns.ds)
    checks = [
        ("unique_id is a name", series, "a series needs a name without control characters", unnamed),
        ("ds is a time", reading.columns.ds, "must be one moment in time", untold & ~changing),
        ("ds is one moment", reading.columns.ds, CHANGING.format(reading.clock), changing),
        ("ds has a zone", reading.columns.ds, "must carry a zone or an offset", zoneless(raw["ds"], offset)),
    ]
    if known := reading.columns.known_at:
        unknown = reading.known(raw["known_at"]).isna()
        checks.append(("known_at is a time", known, "must say at which instant the row became known", unknown))
    promised = (name for name in reading.wanted if reading.kind(name) in ("number", "integer"))
    numeric = dict.fromkeys((*reading.numbers, *promised))
    for name, source in (("y", reading.columns.target), *((name, name) for name in numeric)):
        frame[name], no_number, endless = numbers(raw[name], reading.source.decimal)
        checks.append((f"{name} is a number", source, "must be a number or empty", no_number))
        checks.append((f"{name} is finite", source, "must be finite", endless))
        if reading.kind(source) == "integer":
            checks.append((f"{name} is whole", source, "must be a whole number", frame[name] % 1 > 0))
    for name in reading.wanted:
        if reading.kind(name) == "time":
            frame[name] = reading.times(raw[name], reading.promised(name))
            untold = raw[name].notna() & frame[name].isna()
            checks.append((f"{name} is a time", name, "must be one moment in time or empty", untold))
        elif reading.kind(name) == "boolean" and name not in frame:
            frame[name], neither = truths(raw[name])
            checks.append((f"{name} is true or false", name, "must be true, false or empty", neither))
    for name in reading.features.static:  # after their values are judged: to a model they are text
        frame[name] = raw[name].map(str, na_action="ignore").astype("str")
    for rule, column, reason, at_fault in checks:
        if at_fault.any():
            faults.append(Fault(rule, column, reading.row_faults, reason, raw.loc[at_fault, "row"].tolist()))
    return frame, faults


def repeated(frame: pd.DataFrame, reading: Reading) -> list[Fault]:
    """Rows that repeat a series and time and are not used; a fault of the data where no policy allows for them."""
    twice = unused(frame, reading.cleaning)
    if not twice.any():
        return []
    columns = reading.columns
    key = f"{columns.unique_id}, {columns.ds}" if columns.unique_id else columns.ds
    policy, rows = reading.cleaning.repeated, frame.loc[twice, "row"].tolist()
    other = "a later" if policy == "last" else "an earlier"
    severity = reading.row_faults if policy == "reject" else "warning"
    return [Fault("one row a series and time", key, severity, f"repeats the key of {other} row", rows)]


def rows_of(faults: list[Fault]) -> set[int]:
    """The rows of all of them, by their number in the source."""
    return {row for fault in faults for row in fault.rows}


def set_aside(frame: pd.DataFrame, faults: list[Fault]) -> tuple[tuple[str, ...], list[Fault]]:
    """(series that are not used this night, faults of their other rows), by the faults whose severity is series.

    A row that names no series is its own: nothing tells to which it belongs.
    """
    names: set[str] = set()
    others = []
    for fault in faults:
        if fault.severity == "series":
            at_fault = frame["row"].isin(fault.rows)
            series = set(frame.loc[at_fault, "unique_id"].dropna())
            rest = frame.loc[frame["unique_id"].isin(series) & ~at_fault, "row"].tolist()
            others.append(fault._replace(reason=f"another row of the series is at fault: {fault.reason}", rows=rest))
            names |= series
    return tuple(sorted(names)), others


def sentence(fault: Fault, raw: pd.DataFrame) -> str:
    """What is wrong, where, with which values: column, series, rows, first values."""
    if not fault.rows:
        return f"rule {fault.rule!r}, column {fault.column!r}: {fault.reason}"
    at_fault = raw[raw["row"].isin(fault.rows)]
    rows = at_fault["source_row"].tolist() if "source_row" in raw else fault.rows
    series = [shown(name) for name in at_fault["unique_id"].drop_duplicates().head(4)]
    more = at_fault["unique_id"].nunique(dropna=False) - len(series)
    first = at_fault.iloc[0]
    many = "s" if len(fault.rows) > 1 else ""
    return (
        f"rule {fault.rule!r}, column {fault.column!r}: {fault.reason}; {len(rows):,} row{many} at fault, "
        f"series {', '.join(series)}{f' and {more} more' if more > 0 else ''}, "
        f"row{many} {', '.join(str(row) for row in rows[:5])}{' …' if len(rows) > 5 else ''}; "
        f"{'the first: ' if many else ''}ds {shown(first['ds'])}, y {shown(first['y'])}"
        f"{'; not forecast tonight' if fault.severity == 'series' else ''}"
    )


def _named(ids: pd.Series) -> tuple[pd.Series, pd.Series]:
    """(names, rows that have none), each name normalised and judged once, however many rows it has."""
    codes, values = pd.factorize(ids)
    names = [unicodedata.normalize("NFC", str(value)) for value in values]
    unfit = [not name.strip() or any(unicodedata.category(letter) == "Cc" for letter in name) for name in names]
    told = pd.Series([*names, None], dtype="str").take(codes).set_axis(ids.index)
    return told, pd.Series(np.array([*unfit, True])[codes], index=ids.index)
