"""Infers the role of the remaining columns: known ahead, observed, static, or not used.

A column with values after the last target is a plan, such as a price or a promotion: it is known ahead.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tasks.profiling.column_types import ColumnProfile, column_name_words
from tasks.profiling.inference import Inference, join_names
from tasks.profiling.parsed_table import ParsedTable
from tasks.profiling.target_column import numeric_columns
from tasks.profiling.vocabulary import ROW_NUMBER_WORDS
from tasks.sources.columns_spec import RESERVED_COLUMNS

MAX_OBSERVED = 12  # more columns make a network slower, and seldom better
MAX_CATEGORIES = 100  # of a static column
MAX_CALENDAR_VALUES = 400  # of a column that may be a function of the calendar
CALENDAR_FIELDS = ("minute", "hour", "dayofweek", "day", "dayofyear", "week", "month", "quarter")


class CovariateColumns(NamedTuple):
    """The covariate columns by role, how many steps the known ones reach ahead, and the evidence."""

    known: tuple[str, ...]
    steps_ahead: int | None
    observed: tuple[str, ...]
    static: tuple[str, ...]
    inferences: tuple[Inference, ...]

    @property
    def columns_by_role(self) -> dict[str, Any]:
        """The columns by the names of their roles."""
        return {"known": self.known, "observed": self.observed, "static": self.static}


def infer_covariates(
    table: ParsedTable, targets: tuple[str, ...], others: dict[str, ColumnProfile], redundant: dict[str, str]
) -> CovariateColumns:
    """Choose known, observed and static covariates.

    Args:
        table: The parsed table.
        targets: The target columns.
        others: The columns except time and series.
        redundant: The columns without information of their own, with the reason.

    Returns:
        The columns by role, in the order of the table. Known are those with values after the last target of the table;
        of the others at most 12 are observed, those most correlated with the target.
    """
    frame, series = table.frame, table.series
    numeric = numeric_columns(others)
    numeric += [name for name, profile in others.items() if profile.kind == "boolean"]
    excluded = {*targets, *redundant, *RESERVED_COLUMNS}
    static = tuple(name for name in others if name not in targets and _is_static(frame, name, series, others[name]))
    candidates = [
        name
        for name in numeric
        if name not in excluded and name not in static and frame[name].nunique() > 1
        and not _is_constant_by_series(frame, name, series)
    ]  # fmt: skip
    ahead = count_steps_ahead(table, targets, candidates)
    known = tuple(ahead)
    candidates = [name for name in candidates if name not in ahead]
    observed = _most_correlated(candidates, frame, targets[0]) if len(candidates) > MAX_OBSERVED else candidates
    inferences = []
    if known:
        steps = ", ".join(f"{name} for {count:,} steps" for name, count in list(ahead.items())[:MAX_OBSERVED])
        evidence = (
            f"values after the last {targets[0]}: {steps}. If they are not known in advance, move them to observed"
        )
        inferences.append(Inference("known", join_names(known, MAX_OBSERVED), "likely", evidence))
    if observed:
        left_out = len(candidates) - len(observed)
        evidence = "numeric; the table has no values after the last target, so they are known up to the cutoff only"
        evidence += f"; {left_out} more were left out" if left_out else ""
        inferences.append(Inference("observed", join_names(observed, MAX_OBSERVED), "likely", evidence))
    if static:
        inferences.append(Inference("static", join_names(static), "sure", "one value per series"))
    used = {*targets, *known, *observed, *static}
    unused = [f"{name} ({redundant.get(name) or others[name].kind})" for name in others if name not in used]
    inferences += [Inference("not used", join_names(unused, 12), None, "")] if unused else []
    return CovariateColumns(known, min(ahead.values(), default=None), tuple(observed), static, tuple(inferences))


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


def _is_static(frame: pd.DataFrame, name: str, series: pd.Series | None, profile: ColumnProfile) -> bool:
    """Whether a column has one value per series, and fewer values than series: otherwise it only repeats the name."""
    if series is None or profile.kind == "time" or name in RESERVED_COLUMNS:
        return False
    count = frame[name].nunique()
    if not 1 < count <= min(MAX_CATEGORIES, series.nunique() - 1):
        return False
    return _is_constant_by_series(frame, name, series)


def _is_constant_by_series(frame: pd.DataFrame, name: str, series: pd.Series | None) -> bool:
    return series is not None and bool((frame[name].groupby(series).nunique() <= 1).all())


def count_steps_ahead(table: ParsedTable, targets: tuple[str, ...], names: list[str]) -> dict[str, int]:
    """Count how many times after the last target have values of a covariate.

    Args:
        table: The parsed table.
        targets: The target columns.
        names: The covariates.

    Returns:
        The steps of each covariate that has any: those from the first time after the last target up to the first time
        without a value, in the median series.
    """
    frame, time = table.frame, table.time
    last = frame.loc[frame[list(targets)].notna().any(axis=1), time].max()
    later = frame[frame[time] > last].sort_values(time)
    if later.empty or not names:
        return {}
    series = table.series.loc[later.index] if table.series is not None else pd.Series("one", index=later.index)
    filled = later[names].notna().groupby(series).cummin()
    steps = filled.groupby(series).sum().median()
    return {name: int(steps[name]) for name in names if steps[name] >= 1}
