"""Infers the role of the remaining columns: observed covariate, static, or not used.

No covariate is taken as known ahead: that is a promise about the future, which only the user can make.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.profiling.column_types import ColumnProfile, column_name_words
from tasks.profiling.inference import Inference, join_names
from tasks.profiling.target_column import numeric_columns
from tasks.profiling.vocabulary import ROW_NUMBER_WORDS
from tasks.sources.dataset import RESERVED_COLUMNS

MAX_OBSERVED = 12  # more columns make a network slower, and seldom better
MAX_CATEGORIES = 100  # of a static column
MAX_CALENDAR_VALUES = 400  # of a column that may be a function of the calendar
CALENDAR_FIELDS = ("minute", "hour", "dayofweek", "day", "dayofyear", "week", "month", "quarter")


class ParsedTable(NamedTuple):
    """The table with numbers as float64 and `time` in UTC, and its main columns."""

    frame: pd.DataFrame
    time: str
    ids: str | None
    targets: tuple[str, ...]


class CovariateColumns(NamedTuple):
    """The covariate columns by role, and the evidence."""

    observed: tuple[str, ...]
    static: tuple[str, ...]
    inferences: tuple[Inference, ...]


def infer_covariates(
    table: ParsedTable, others: dict[str, ColumnProfile], redundant: dict[str, str]
) -> CovariateColumns:
    """Choose observed and static covariates.

    Args:
        table: The parsed table.
        others: The columns except time and series.
        redundant: The columns without information of their own, with the reason.

    Returns:
        The columns by role, in the order of the table; at most 12 observed ones, those most correlated with the target.
    """
    frame, _, ids, targets = table
    numeric = numeric_columns(others)
    numeric += [name for name, profile in others.items() if profile.kind == "boolean"]
    excluded = {*targets, *redundant, *RESERVED_COLUMNS}
    static = tuple(name for name in others if name not in targets and _is_static(frame, name, ids, others[name]))
    candidates = [
        name
        for name in numeric
        if name not in excluded and name not in static and frame[name].nunique() > 1
        and not _is_constant_by_series(frame, name, ids)
    ]  # fmt: skip
    observed = _most_correlated(candidates, frame, targets[0]) if len(candidates) > MAX_OBSERVED else candidates
    inferences = []
    if observed:
        evidence = "numeric; the table does not show whether they are known ahead"
        if ahead := _with_future_values(observed, table):
            evidence += (
                f"; {join_names(ahead)} has values after the last {targets[0]}: if it is known ahead, move it to "
            )
            evidence += "features.known"
        left_out = len(candidates) - len(observed)
        evidence += f"; {left_out} more were left out" if left_out else ""
        inferences.append(Inference("observed", join_names(observed, MAX_OBSERVED), "likely", evidence))
    if static:
        inferences.append(Inference("static", join_names(static), "sure", "one value per series"))
    used = {*targets, *observed, *static}
    unused = [f"{name} ({redundant.get(name) or others[name].kind})" for name in others if name not in used]
    inferences += [Inference("not used", join_names(unused, 12), None, "")] if unused else []
    return CovariateColumns(tuple(observed), static, tuple(inferences))


def find_redundant(others: dict[str, ColumnProfile], frame: pd.DataFrame, time: str) -> dict[str, str]:
    """Find numeric columns without information of their own: constants, row numbers and fields of the calendar.

    Args:
        others: The columns except time and series.
        frame: The table with numeric columns as numbers and the time column in UTC.
        time: The time column.

    Returns:
        The reason by column name.
    """
    reasons = {name: _redundancy_reason(frame, name, time) for name in numeric_columns(others)}
    return {name: reason for name, reason in reasons.items() if reason}


def _redundancy_reason(frame: pd.DataFrame, name: str, time: str) -> str | None:
    values = frame[name]
    if values.nunique() < 2:
        return "constant"
    steps = values.diff().dropna()
    if len(steps) > 2 and steps.nunique() == 1 and column_name_words(name) & ROW_NUMBER_WORDS:
        return "counts the rows"
    field = _calendar_field(values, frame[time])
    return f"follows from the calendar: {field}" if field else None


def _calendar_field(values: pd.Series, times: pd.Series) -> str | None:
    """Return the calendar field that determines a column; each value of the field must occur on at least two days."""
    known = pd.DataFrame({"value": values, "time": times}).dropna()
    if known["value"].nunique() > MAX_CALENDAR_VALUES:
        return None
    day = known["time"].dt.normalize()
    for field in CALENDAR_FIELDS:
        field_values = known["time"].dt.isocalendar().week if field == "week" else getattr(known["time"].dt, field)
        groups = known.assign(day=day).groupby(field_values.astype(int))
        if groups.ngroups > 1 and groups["day"].nunique().median() >= 2 and (groups["value"].nunique() == 1).all():
            return field
    return None


def _most_correlated(names: list[str], frame: pd.DataFrame, y: str) -> list[str]:
    """Return the columns with the highest absolute correlation with the target, in the order of the table."""
    correlation = {name: abs(frame[name].astype(float).corr(frame[y].astype(float))) for name in names}
    best = sorted(names, key=lambda name: -np.nan_to_num(correlation[name]))[:MAX_OBSERVED]
    return [name for name in names if name in best]


def _is_static(frame: pd.DataFrame, name: str, ids: str | None, profile: ColumnProfile) -> bool:
    """Whether a column has one value per series, and fewer values than series: otherwise it only repeats the name."""
    if ids is None or profile.kind == "time" or name in RESERVED_COLUMNS:
        return False
    count = frame[name].nunique()
    if not 1 < count <= min(MAX_CATEGORIES, frame[ids].nunique() - 1):
        return False
    return _is_constant_by_series(frame, name, ids)


def _is_constant_by_series(frame: pd.DataFrame, name: str, ids: str | None) -> bool:
    return ids is not None and bool((frame.groupby(ids)[name].nunique() <= 1).all())


def _with_future_values(names: list[str], table: ParsedTable) -> list[str]:
    """Return the covariates with values after the last target, which suggests that they are known ahead."""
    frame, time = table.frame, table.time
    last = frame.loc[frame[list(table.targets)].notna().any(axis=1), time].max()
    later = frame[frame[time] > last]
    return [name for name in names if len(later) and later[name].notna().any()]
