"""What the other columns of an unknown table are to the target: observed, static, or nothing.

None is taken as known ahead: that is a promise, and only a person can make it.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.profiling.column_types import ColumnProfile, column_name_words
from tasks.profiling.inference import Inference, join_names
from tasks.profiling.target_column import numbers_among
from tasks.profiling.vocabulary import COUNTER
from tasks.sources.dataset import RESERVED_COLUMNS

MOST = 12  # observed covariates that are taken: more columns make a network slower, and seldom better
CATEGORIES = 100
VALUES = 400  # of a column that the calendar may know
CALENDAR = ("minute", "hour", "dayofweek", "day", "dayofyear", "week", "month", "quarter")


class Table(NamedTuple):
    """The table as it is being understood: numbers as numbers, `time` in UTC."""

    frame: pd.DataFrame
    time: str
    ids: str | None
    targets: tuple[str, ...]


class Covariates(NamedTuple):
    observed: tuple[str, ...]
    static: tuple[str, ...]
    findings: tuple[Inference, ...]


def infer_covariates(table: Table, rest: dict[str, ColumnProfile], idle: dict[str, str]) -> Covariates:
    """`rest` are the columns beside time and id, `idle` those that say nothing, and why."""
    frame, _, ids, targets = table
    numeric = numbers_among(rest) + [name for name, told in rest.items() if told.kind == "boolean" and told.typed]
    fit = [name for name in numeric if name not in (*targets, *idle, *RESERVED_COLUMNS) and frame[name].nunique() > 1]
    static = tuple(name for name in rest if name not in targets and _static(frame, name, ids, rest[name]))
    fit = [name for name in fit if name not in static and not _same_all_along(frame, name, ids)]
    observed = _nearest(fit, frame, targets[0]) if len(fit) > MOST else fit
    found = []
    if observed:
        why = "numbers that nobody knows ahead, as far as the table says"
        ahead = _told_ahead(observed, table)
        why += f"; {join_names(ahead)} has values after the last {targets[0]}: known ahead? Move it to features.known" if (
            ahead) else ""  # fmt: skip
        why += f"; {len(fit) - len(observed)} more were left out" if len(fit) > len(observed) else ""
        found.append(Inference("observed", join_names(observed, MOST), "likely", why))
    if static:
        found.append(Inference("static", join_names(static), "sure", "one value a series"))
    used = {*targets, *observed, *static}
    unused = [f"{name} ({idle.get(name) or rest[name].kind})" for name in rest if name not in used]
    found += [Inference("not used", join_names(unused, 12), None, "")] if unused else []
    return Covariates(tuple(observed), static, tuple(found))


def idle_among(rest: dict[str, ColumnProfile], frame: pd.DataFrame, time: str) -> dict[str, str]:
    """Columns of numbers that say nothing, and why: it is one number, counts rows, or the calendar knows it."""
    return {name: why for name in numbers_among(rest) if (why := _idle(frame, name, time))}


def _idle(frame: pd.DataFrame, name: str, time: str) -> str | None:
    values = frame[name]
    if values.nunique() < 2:
        return "it never changes"
    steps = values.diff().dropna()
    if len(steps) > 2 and steps.nunique() == 1 and column_name_words(name) & COUNTER:
        return "it counts the rows"
    word = _calendar(values, frame[time])
    return f"the calendar says it, {word}" if word else None


def _calendar(values: pd.Series, times: pd.Series) -> str | None:
    """The word of which a column is a function, on at least two days each."""
    known = pd.DataFrame({"value": values, "time": times}).dropna()
    if known["value"].nunique() > VALUES:
        return None
    day = known["time"].dt.normalize()
    for word in CALENDAR:
        place = known["time"].dt.isocalendar().week if word == "week" else getattr(known["time"].dt, word)
        groups = known.assign(day=day).groupby(place.astype(int))
        if groups.ngroups > 1 and groups["day"].nunique().median() >= 2 and (groups["value"].nunique() == 1).all():
            return word
    return None


def _nearest(names: list[str], frame: pd.DataFrame, y: str) -> list[str]:
    """The ones that go with the target most, in the order of the table."""
    near = {name: abs(frame[name].astype(float).corr(frame[y].astype(float))) for name in names}
    best = sorted(names, key=lambda name: -np.nan_to_num(near[name]))[:MOST]
    return [name for name in names if name in best]


def _static(frame: pd.DataFrame, name: str, ids: str | None, told: ColumnProfile) -> bool:
    """One value a series, and fewer values than series: else it says no more than the series' name."""
    if ids is None or told.kind == "time" or name in RESERVED_COLUMNS:
        return False
    count = frame[name].nunique()
    if not 1 < count <= min(CATEGORIES, frame[ids].nunique() - 1):
        return False
    return _same_all_along(frame, name, ids)


def _same_all_along(frame: pd.DataFrame, name: str, ids: str | None) -> bool:
    return ids is not None and bool((frame.groupby(ids)[name].nunique() <= 1).all())


def _told_ahead(names: list[str], table: Table) -> list[str]:
    """Covariates with values later than the last target: somebody knows them ahead."""
    frame, time = table.frame, table.time
    last = frame.loc[frame[list(table.targets)].notna().any(axis=1), time].max()
    later = frame[frame[time] > last]
    return [name for name in names if len(later) and later[name].notna().any()]
