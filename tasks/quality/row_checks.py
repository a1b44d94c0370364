"""Structural checks of single rows: types, duplicates, column values."""

import unicodedata

import numpy as np
import pandas as pd

from tasks.quality.violations import Violation
from tasks.sources.cleaning import is_dropped
from tasks.sources.dataset import DatasetSpec
from tasks.sources.values import is_naive, parse_booleans, parse_numbers

CHANGING = "a clock in {} shows it twice or never on the night it is changed; write it with its offset, or in UTC"


def parse_rows(raw: pd.DataFrame, reading: DatasetSpec) -> tuple[pd.DataFrame, list[Violation]]:
    """Ids as text in NFC, times in UTC, numbers as float64; a value that is none becomes missing and a Fault.

    What only the contract speaks of is typed too, where it promises numbers or times: a CSV has nothing but text.
    """
    frame, faults = raw[["row"]].copy(), []
    frame["unique_id"], unnamed = _named(raw["unique_id"])
    frame["ds"] = reading.times(raw["ds"], ids=raw["unique_id"])
    untold = frame["ds"].isna()
    changing = untold & reading.on_a_changing_clock(raw["ds"]) if untold.any() else untold
    series = reading.columns.unique_id or "unique_id"
    offset = reading.contract_column(reading.columns.ds)
    checks = [
        ("unique_id is a name", series, "a series needs a name without control characters", unnamed),
        ("ds is a time", reading.columns.ds, "must be one moment in time", untold & ~changing),
        ("ds is one moment", reading.columns.ds, CHANGING.format(reading.clock), changing),
        ("ds has a zone", reading.columns.ds, "must carry a zone or an offset", is_naive(raw["ds"], offset)),
    ]
    if known := reading.columns.known_at:
        unknown = reading.known(raw["known_at"]).isna()
        checks.append(("known_at is a time", known, "must say at which instant the row became known", unknown))
    promised = (name for name in reading.wanted if reading.kind(name) in ("number", "integer"))
    numeric = dict.fromkeys((*reading.numbers, *promised))
    for name, source in (("y", reading.columns.target), *((name, name) for name in numeric)):
        frame[name], no_number, endless = parse_numbers(raw[name], reading.source.decimal)
        checks.append((f"{name} is a number", source, "must be a number or empty", no_number))
        checks.append((f"{name} is finite", source, "must be finite", endless))
        if reading.kind(source) == "integer":
            checks.append((f"{name} is whole", source, "must be a whole number", frame[name] % 1 > 0))
    for name in reading.wanted:
        if reading.kind(name) == "time":
            frame[name] = reading.times(raw[name], reading.contract_column(name))
            untold = raw[name].notna() & frame[name].isna()
            checks.append((f"{name} is a time", name, "must be one moment in time or empty", untold))
        elif reading.kind(name) == "boolean" and name not in frame:
            frame[name], neither = parse_booleans(raw[name])
            checks.append((f"{name} is true or false", name, "must be true, false or empty", neither))
    for name in reading.features.static:  # after their values are judged: to a model they are text
        frame[name] = raw[name].map(str, na_action="ignore").astype("str")
    for rule, column, reason, at_fault in checks:
        if at_fault.any():
            faults.append(Violation(rule, column, reading.row_faults, reason, raw.loc[at_fault, "row"].tolist()))
    return frame, faults


def find_duplicates(frame: pd.DataFrame, reading: DatasetSpec) -> list[Violation]:
    """Rows that repeat a series and time and are not used; a fault of the data where no policy allows for them."""
    twice = is_dropped(frame, reading.cleaning)
    if not twice.any():
        return []
    columns = reading.columns
    key = f"{columns.unique_id}, {columns.ds}" if columns.unique_id else columns.ds
    policy, rows = reading.cleaning.repeated, frame.loc[twice, "row"].tolist()
    other = "a later" if policy == "last" else "an earlier"
    severity = reading.row_faults if policy == "reject" else "warning"
    return [Violation("one row a series and time", key, severity, f"repeats the key of {other} row", rows)]


def _named(ids: pd.Series) -> tuple[pd.Series, pd.Series]:
    """(names, rows that have none), each name normalised and judged once, however many rows it has."""
    codes, values = pd.factorize(ids)
    names = [unicodedata.normalize("NFC", str(value)) for value in values]
    unfit = [not name.strip() or any(unicodedata.category(letter) == "Cc" for letter in name) for name in names]
    told = pd.Series([*names, None], dtype="str").take(codes).set_axis(ids.index)
    return told, pd.Series(np.array([*unfit, True])[codes], index=ids.index)
