"""Structural checks of single rows: names, times, numbers and booleans that can be parsed, and duplicates."""

import unicodedata

import numpy as np
import pandas as pd

from tasks.quality.violations import Violation
from tasks.sources.cleaning import is_dropped
from tasks.sources.dataset import DatasetSpec
from tasks.sources.names import format_name
from tasks.sources.number_formats import describe_invalid_numbers
from tasks.sources.numbers import parse_numbers
from tasks.sources.values import is_naive, parse_booleans

Check = tuple[str, str, str, pd.Series]  # rule, column, reason, which rows are at fault

MAX_UNREADABLE_SHARE = 0.1  # of the times: with more, the column rather than a row is at fault
CLOCK_CHANGE = "occurs twice or never in {} on a night when clocks change; write it with its offset, or in UTC"


def parse_rows(raw: pd.DataFrame, reading: DatasetSpec) -> tuple[pd.DataFrame, list[Violation]]:
    """Parse every value, and report values that cannot be parsed.

    Columns that only the contract names are parsed too if it promises numbers, times or booleans: a CSV has text only.

    Args:
        raw: The rows as read, under canonical names, with `row`, which numbers them.
        reading: How the source is read.

    Returns:
        The parsed rows on the index of `raw` (unique_id as NFC text, ds in UTC, numbers as float64, an unreadable
        value as missing), and the violations.
    """
    frame = raw[["row"]].copy()
    checks = [  # each of these adds its columns to `frame`
        *_parse_ids(raw, frame, reading),
        *_parse_times(raw, frame, reading),
        *_parse_numbers(raw, frame, reading),
        *_parse_contract_columns(raw, frame, reading),
    ]
    for name in reading.text_columns:  # after their values are checked: models read static columns as text
        is_text = isinstance(raw[name].dtype, pd.StringDtype)
        frame[name] = raw[name] if is_text else raw[name].map(str, na_action="ignore").astype("str")
    return frame, [
        Violation(rule, column, reading.row_faults, reason, raw.loc[at_fault, "row"].tolist())
        for rule, column, reason, at_fault in checks
        if at_fault.any()
    ]


def _parse_ids(raw: pd.DataFrame, frame: pd.DataFrame, reading: DatasetSpec) -> list[Check]:
    frame["unique_id"], unnamed = _normalize_names(raw["unique_id"])
    column = reading.columns.series
    return [("unique_id is a name", column, "a series needs a name without control characters", unnamed)]


def _parse_times(raw: pd.DataFrame, frame: pd.DataFrame, reading: DatasetSpec) -> list[Check]:
    frame["ds"] = reading.parse_times(raw["ds"], ids=raw["unique_id"])
    column, unreadable = reading.columns.ds, frame["ds"].isna()
    ambiguous = unreadable & reading.find_clock_changes(raw["ds"]) if unreadable.any() else unreadable
    naive = is_naive(raw["ds"], reading.contract_column(column))
    mostly = unreadable.any() and unreadable.mean() > MAX_UNREADABLE_SHARE
    advice = f"; {text}" if mostly and (text := reading.advise_time(raw["ds"])) else ""
    checks: list[Check] = [
        ("ds is a time", column, f"must be a valid time{advice}", unreadable & ~ambiguous),
        ("ds is one moment", column, CLOCK_CHANGE.format(reading.naive_time_zone), ambiguous),
        ("ds has a zone", column, "must have a time zone or an offset", naive),
    ]
    known_at = reading.columns.known_at
    if known_at:
        unknown = reading.parse_known_at(raw["known_at"]).isna()
        checks.append(("known_at is a time", known_at, "must be the time at which the row became known", unknown))
    return checks


def _parse_numbers(raw: pd.DataFrame, frame: pd.DataFrame, reading: DatasetSpec) -> list[Check]:
    """Parse the target, the numeric covariates, and columns for which only the contract promises numbers."""
    checks: list[Check] = []
    promised = (name for name in reading.additional_columns if reading.column_type(name) in ("number", "integer"))
    numeric = dict.fromkeys((*reading.numeric_covariates, *promised))
    for name, column in (("y", reading.columns.target), *((name, name) for name in numeric)):
        frame[name], invalid, infinite = parse_numbers(raw[name], reading.source.number_format)
        reason = describe_invalid_numbers(raw[name], invalid, reading.source.number_format)
        checks.append((f"{name} is a number", column, reason, invalid))
        checks.append((f"{name} is finite", column, "must be finite", infinite))
        if reading.column_type(column) == "integer":
            checks.append((f"{name} is whole", column, "must be a whole number", frame[name] % 1 > 0))
    return checks


def _parse_contract_columns(raw: pd.DataFrame, frame: pd.DataFrame, reading: DatasetSpec) -> list[Check]:
    """Parse columns for which the contract promises times or booleans."""
    checks: list[Check] = []
    for name in reading.additional_columns:
        if reading.column_type(name) == "time":
            frame[name] = reading.parse_times(raw[name], reading.contract_column(name))
            unreadable = raw[name].notna() & frame[name].isna()
            checks.append((f"{name} is a time", name, "must be a valid time or empty", unreadable))
        elif reading.column_type(name) == "boolean" and name not in frame:
            frame[name], unreadable = parse_booleans(raw[name])
            checks.append((f"{name} is true or false", name, "must be true, false or empty", unreadable))
    return checks


def find_duplicates(frame: pd.DataFrame, reading: DatasetSpec) -> list[Violation]:
    """Find unused rows that repeat a series and time; only a warning if the pipeline has a policy for them."""
    dropped = is_dropped(frame, reading.cleaning)
    if not dropped.any():
        return []
    columns = reading.columns
    key = ", ".join((*columns.id_columns, columns.ds))
    policy, rows = reading.cleaning.repeated, frame.loc[dropped, "row"].tolist()
    other = "a later" if policy == "last" else "an earlier"
    severity = reading.row_faults if policy == "reject" else "warning"
    return [Violation("one row a series and time", key, severity, f"repeats the key of {other} row", rows)]


def _normalize_names(ids: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the names in NFC, as sorted categories, and which rows have no usable name; each name is checked once."""
    codes, values = _factorize(ids)
    names = [unicodedata.normalize("NFC", format_name(value) or "") for value in values]
    unfit = [not name.strip() or any(unicodedata.category(letter) == "Cc" for letter in name) for name in names]
    distinct = sorted({names[code] for code in np.unique(codes[codes >= 0])})
    rank = {name: index for index, name in enumerate(distinct)}
    index = np.array([*(rank.get(name, -1) for name in names), -1], dtype=np.int32)
    categories = pd.Index(distinct, dtype="str")
    normalized = pd.Categorical.from_codes(index[codes], categories=categories)
    at_fault = np.array([*unfit, True])[codes]
    return pd.Series(normalized, index=ids.index), pd.Series(at_fault, index=ids.index)


def _factorize(ids: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Return the code of each value, -1 for a missing one, and the distinct values."""
    if isinstance(ids.dtype, pd.CategoricalDtype):
        return ids.cat.codes.to_numpy(), ids.cat.categories
    return pd.factorize(ids)
