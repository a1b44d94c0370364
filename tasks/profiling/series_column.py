"""Which column names the series of an unknown table."""

import itertools

import numpy as np
import pandas as pd

from tasks.profiling.column_types import MOSTLY, ColumnProfile, column_name_words
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference, format_percent, resolve_column
from tasks.profiling.vocabulary import HOURS, ID, ID_NAMES

FULL, NAMED_FULL = 0.3, 0.05  # least share of a series' steps that have a row; less under the name of an id
ALONE = 0.05  # share of repeated rows that an id may leave
TOO_MANY = 0.5  # share of rows that repeat a time: then the table has another shape


def infer_series_column(
    frame: pd.DataFrame, time: str, kinds: dict[str, ColumnProfile], hints: Hints, where: str
) -> tuple[str | None, Inference]:
    """(the column, what was found); `frame` has every column as it is, and `time` in UTC.

    Raises SpecError for a hint that is no column, Unguessable where the rows of one time can't be told apart.
    """
    rows, ids = frame[frame[time].notna()], None
    twice = int(rows.duplicated([time]).sum())
    if hints.id:
        ids = resolve_column(hints.id, kinds, "--id", where)
    elif twice:
        ids = _told_apart(rows, time, kinds, hints, twice)
    else:
        exact = (name for name in kinds if name.lower() in ID_NAMES and rows[name].nunique() == 1)
        ids = next((name for name in exact if _named(rows[name])), None)
    left = int(rows.duplicated([ids, time] if ids else [time]).sum())
    if ids is None and left > TOO_MANY * len(rows) and hints.repeated is None:
        raise CannotInferPipeline(_another_shape(rows, time, kinds, left, where))
    if ids is None:
        why = "no time stands twice" if not twice else "no column tells the rows of one time apart"
        return None, Inference("id", "none, one series", "likely" if twice else "sure", why)
    why = f"{rows[ids].nunique():,} series"
    why += (
        f"; {format_percent(twice / len(rows))} of rows repeat a time, with it {format_percent(left / len(rows))}"
        if twice
        else ""
    )
    return ids, Inference("id", ids, "given" if hints.id else "likely" if left else "sure", why)


def _told_apart(rows: pd.DataFrame, time: str, kinds: dict[str, ColumnProfile], hints: Hints, twice: int) -> str | None:
    """The column with which a time stands once a series: its series must be long, or each category would be one."""
    place = rows[time].rank(method="dense").astype(np.int64)
    alike = _say_the_same(rows, time, kinds)
    found: dict[str, tuple[int, int]] = {}
    for name in _candidates(rows, time, kinds, hints):
        left = int(rows.duplicated([time, name]).sum())
        named = bool(column_name_words(name) & ID)
        if (left > ALONE * len(rows) and left > ALONE * twice) or (alike and not named):
            continue
        spans = place.groupby(rows[name]).agg(["min", "max", "nunique"])
        full = float(spans["nunique"].sum() / (spans["max"] - spans["min"] + 1).sum())
        if full >= (NAMED_FULL if named else FULL):
            found[name] = (left, int(rows[name].nunique()))
    return min(found, key=lambda name: (name.lower() not in ID_NAMES, found[name])) if found else None


def _say_the_same(rows: pd.DataFrame, time: str, kinds: dict[str, ColumnProfile]) -> bool:
    """Whether the rows of one time mostly have the same numbers: then they are one thing that is told twice."""
    numeric = [name for name, kind in kinds.items() if kind.kind in ("integer", "number") and name != time]
    again = rows[rows.duplicated([time], keep=False)]
    return bool(numeric) and bool((again.groupby(time)[numeric].nunique() <= 1).all(axis=1).mean() > 0.5)


def _candidates(rows: pd.DataFrame, time: str, kinds: dict[str, ColumnProfile], hints: Hints) -> list[str]:
    """Names and codes: text, and whole numbers whose name says that they are one; nothing that the time tells."""
    told = []
    for name, kind in kinds.items():
        fit = kind.kind == "text" or (kind.kind == "integer" and column_name_words(name) & ID)
        if name in (time, hints.target) or not fit or rows[name].nunique() < 2:
            continue
        few = rows[name].nunique() <= len(rows) / 3
        if few and _named(rows[name]) and rows.groupby(time)[name].nunique().max() > 1:
            told.append(name)
    return told


def _named(values: pd.Series) -> bool:
    return bool((values.notna() & values.astype(str).str.strip().ne("")).mean() >= MOSTLY)


def _another_shape(rows: pd.DataFrame, time: str, kinds: dict[str, ColumnProfile], left: int, where: str) -> str:
    """Why the rows of one time can't be told apart: a key of several columns, an hour of its own, or events."""
    begun = f"{left:,} of {len(rows):,} rows of {where} repeat a {time!r}, and no single column tells them apart"
    names = [
        name
        for name, kind in kinds.items()
        if kind.kind in ("text", "integer") and 1 < rows[name].nunique() <= len(rows) / 3
    ]
    for pair in itertools.combinations(
        [name for name in names if column_name_words(name) & ID or kinds[name].kind == "text"], 2
    ):
        if rows.duplicated([time, *pair]).sum() <= ALONE * len(rows):
            first, second = (f"table[{name!r}].astype(str)" for name in pair)
            return (
                f"{begun}; {pair[0]!r} and {pair[1]!r} together do. A pipeline names one column: add one to it, "
                f"with pandas as table['series'] = {first} + '/' + {second}."
            )
    hour = next((name for name in names if column_name_words(name) & HOURS), None)
    if hour:
        return (
            f"{begun}; {hour!r} looks like the hour of {time!r}. Make one column of both, with pandas as "
            f"pd.to_datetime(table[{time!r}]) + pd.to_timedelta(table[{hour!r}], unit='h'), or take them as series of "
            f"their own with --id {hour}, or one row a time with --repeated sum."
        )
    return (
        f"{begun}. Are they events? Then count or add them up with --repeated sum or mean; else name the column: --id."
    )
