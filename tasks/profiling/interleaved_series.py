"""Finds series in a table in which no time occurs twice, because each series has its rows at times of its own.

time   1  2  3  4  5  6  7 …        shop a on odd days, shop b on even days: two series of step 2,
shop   a  b  a  b  a  b  a …        which would be merged into one of step 1 if only repeated times counted
"""

from collections.abc import Sequence

import pandas as pd

from tasks.profiling.column_types import column_name_words
from tasks.profiling.vocabulary import ID_NAMES, ID_WORDS

MIN_ROWS_OF_SERIES = 8
MIN_REGULAR_SHARE = 0.9  # of the steps of a series that are as long as its most common step
MAX_SERIES_SHARE = 0.1  # series per row
CALENDAR_FIELDS = ("dayofweek", "hour", "month", "quarter", "day", "year")


def find_interleaved_series(
    rows: pd.DataFrame, time: str, candidates: Sequence[str]
) -> tuple[tuple[str, ...], str, str]:
    """Find a column whose values are series of their own although no time occurs twice.

    Args:
        rows: The table, with the time column in UTC and without missing times.
        time: The time column.
        candidates: Columns that may name series, best first.

    Returns:
        The column, or none; the confidence, empty without a candidate; and the evidence. A column with the name
        of an id is taken as the series even if its series follow each other, because merging them would be silent.
    """
    doubtful = ""
    for name in candidates:
        counts = rows[name].value_counts()
        has_id_name = name.lower() in ID_NAMES or bool(column_name_words(name) & ID_WORDS)
        if len(counts) > MAX_SERIES_SHARE * len(rows) or (not has_id_name and _follows_calendar(rows, time, name)):
            continue
        interleaved, regular = _overlap(rows, time, name), _are_regular(rows, time, name)
        long = bool(counts.median() >= MIN_ROWS_OF_SERIES)
        if long and has_id_name and (regular or not interleaved):
            how = "each at times of its own" if interleaved else "one after the other"
            return (name,), "unsure", f"{how}, so no time occurs twice; {_merge_hint(name)}"
        if long and interleaved and regular:
            evidence = "each value has a regular step of its own, so no time occurs twice"
            return (name,), "unsure", f"{evidence}; {_merge_hint(name)}"
        if has_id_name and long:
            doubtful = f"{name!r} has {len(counts)} values and may name series: --id {name}"
    return (), "unsure" if doubtful else "", doubtful


def _merge_hint(name: str) -> str:
    return f"if all rows are one series, remove {name} from columns.unique_id"


def _overlap(rows: pd.DataFrame, time: str, name: str) -> bool:
    """Whether the time spans of most values overlap the span of another."""
    spans = rows.groupby(name)[time].agg(["min", "max"]).sort_values("min")
    latest = spans["max"].cummax().shift()
    return bool((spans["min"] <= latest).sum() >= (len(spans) - 1) / 2)


def _are_regular(rows: pd.DataFrame, time: str, name: str) -> bool:
    """Whether most steps of each series have its most common length."""
    steps = rows.sort_values(time).groupby(name)[time].diff()
    known = steps.notna()
    common = steps[known].groupby(rows.loc[steps[known].index, name]).transform(lambda lengths: lengths.mode().iloc[0])
    return bool(known.any()) and float((steps[known] == common).mean()) >= MIN_REGULAR_SHARE


def _follows_calendar(rows: pd.DataFrame, time: str, name: str) -> bool:
    """Whether a field of the calendar determines the value, as for the name of a weekday."""
    fields = (getattr(rows[time].dt, field) for field in CALENDAR_FIELDS)
    return any(bool((rows[name].groupby(field).nunique() <= 1).all()) for field in fields if field.nunique() > 1)
