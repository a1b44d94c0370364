"""Infers the series column: the column that distinguishes the rows of one time."""

import itertools

import numpy as np
import pandas as pd

from tasks.profiling.column_types import MIN_MATCHING_SHARE, ColumnProfile, column_name_words
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference, format_percent, resolve_column
from tasks.profiling.vocabulary import HOUR_WORDS, ID_NAMES, ID_WORDS

MIN_ROWS_PER_STEP = 0.3  # share of the steps of a series that have a row
MIN_ROWS_PER_STEP_OF_ID = 0.05  # the same for a column with the name of an id
MAX_REMAINING_SHARE = 0.05  # of rows that repeat a time even with the series column
MAX_REPEATED_SHARE = 0.5  # of rows that repeat a time without a series column: a higher share needs another layout


def infer_series_column(
    frame: pd.DataFrame, time: str, profiles: dict[str, ColumnProfile], hints: Hints, table: str
) -> tuple[str | None, Inference]:
    """Choose the series column.

    Args:
        frame: The table as read, with the time column in UTC.
        time: The time column.
        profiles: The columns of the table by name.
        hints: What the user states.
        table: The table, named in errors.

    Returns:
        The column, or None for one series, and the evidence.

    Raises:
        SpecError: A hint names a column that the table does not have.
        CannotInferPipeline: No column distinguishes the rows of one time.
    """
    rows, ids = frame[frame[time].notna()], None
    repeated = int(rows.duplicated([time]).sum())
    if hints.id:
        ids = resolve_column(hints.id, profiles, "--id", table)
    elif repeated:
        ids = _distinguishing_column(rows, time, profiles, hints, repeated)
    else:
        constant = (name for name in profiles if name.lower() in ID_NAMES and rows[name].nunique() == 1)
        ids = next((name for name in constant if _is_mostly_filled(rows[name])), None)
    remaining = int(rows.duplicated([ids, time] if ids else [time]).sum())
    if ids is None:
        if remaining > MAX_REPEATED_SHARE * len(rows) and hints.repeated is None:
            raise CannotInferPipeline(_explain_layout(rows, time, profiles, remaining, table))
        evidence = "no column distinguishes the rows of one time" if repeated else "each time occurs once"
        return None, Inference("id", "none, one series", "likely" if repeated else "sure", evidence)
    evidence = f"{rows[ids].nunique():,} series"
    if repeated:
        without, with_ids = (format_percent(count / len(rows)) for count in (repeated, remaining))
        evidence += f"; {without} of rows repeat a time, {with_ids} repeat a series and time"
    return ids, Inference("id", ids, "given" if hints.id else "likely" if remaining else "sure", evidence)


def _distinguishing_column(
    rows: pd.DataFrame, time: str, profiles: dict[str, ColumnProfile], hints: Hints, repeated: int
) -> str | None:
    """Return the column with which each time occurs once per series.

    The series of the column must be long; otherwise every category would be one.

    Returns:
        The column that leaves the fewest repeated rows, one with the name of an id first; None if no column does.
    """
    step = rows[time].rank(method="dense").astype(np.int64)
    redundant = _has_equal_rows(rows, time, profiles)
    candidates: dict[str, tuple[int, int]] = {}
    for name in _candidate_columns(rows, time, profiles, hints):
        remaining = int(rows.duplicated([time, name]).sum())
        has_id_name = bool(column_name_words(name) & ID_WORDS)
        distinguishes = remaining <= MAX_REMAINING_SHARE * len(rows) or remaining <= MAX_REMAINING_SHARE * repeated
        if not distinguishes or (redundant and not has_id_name):
            continue
        spans = step.groupby(rows[name]).agg(["min", "max", "nunique"])
        rows_per_step = float(spans["nunique"].sum() / (spans["max"] - spans["min"] + 1).sum())
        if rows_per_step >= (MIN_ROWS_PER_STEP_OF_ID if has_id_name else MIN_ROWS_PER_STEP):
            candidates[name] = (remaining, int(rows[name].nunique()))
    return min(candidates, key=lambda name: (name.lower() not in ID_NAMES, candidates[name])) if candidates else None


def _has_equal_rows(rows: pd.DataFrame, time: str, profiles: dict[str, ColumnProfile]) -> bool:
    """Whether rows of one time mostly have the same numbers: then they repeat one observation and are not series."""
    numeric = [name for name, profile in profiles.items() if profile.kind in ("integer", "number") and name != time]
    repeated = rows[rows.duplicated([time], keep=False)]
    return bool(numeric) and bool((repeated.groupby(time)[numeric].nunique() <= 1).all(axis=1).mean() > 0.5)


def _candidate_columns(rows: pd.DataFrame, time: str, profiles: dict[str, ColumnProfile], hints: Hints) -> list[str]:
    """Return text columns, and integers with the name of an id, that do not follow from the time."""
    candidates = []
    for name, profile in profiles.items():
        fits = profile.kind == "text" or (profile.kind == "integer" and column_name_words(name) & ID_WORDS)
        if name in (time, hints.target) or not fits or rows[name].nunique() < 2:
            continue
        few = rows[name].nunique() <= len(rows) / 3
        if few and _is_mostly_filled(rows[name]) and rows.groupby(time)[name].nunique().max() > 1:
            candidates.append(name)
    return candidates


def _is_mostly_filled(values: pd.Series) -> bool:
    return bool((values.notna() & values.astype(str).str.strip().ne("")).mean() >= MIN_MATCHING_SHARE)


def _explain_layout(
    rows: pd.DataFrame, time: str, profiles: dict[str, ColumnProfile], remaining: int, table: str
) -> str:
    """Explain why no single column distinguishes the rows: a key of two columns, an hour of its own, or events."""
    problem = (
        f"{remaining:,} of {len(rows):,} rows of {table} repeat a {time!r}, and no single column distinguishes them"
    )
    names = [
        name
        for name, profile in profiles.items()
        if profile.kind in ("text", "integer") and 1 < rows[name].nunique() <= len(rows) / 3
    ]
    id_like = [name for name in names if column_name_words(name) & ID_WORDS or profiles[name].kind == "text"]
    for pair in itertools.combinations(id_like, 2):
        if rows.duplicated([time, *pair]).sum() <= MAX_REMAINING_SHARE * len(rows):
            first, second = (f"table[{name!r}].astype(str)" for name in pair)
            return (
                f"{problem}; {pair[0]!r} and {pair[1]!r} together do. A pipeline has one series column: add one to the "
                f"table, with pandas as table['series'] = {first} + '/' + {second}."
            )
    hour = next((name for name in names if column_name_words(name) & HOUR_WORDS), None)
    if hour:
        return (
            f"{problem}; {hour!r} looks like the hour of {time!r}. Make one column of both, with pandas as "
            f"pd.to_datetime(table[{time!r}]) + pd.to_timedelta(table[{hour!r}], unit='h'). Or make each hour a series "
            f"of its own with --id {hour}, or sum up the rows of one time with --repeated sum."
        )
    return (
        f"{problem}. If the rows are events, sum or average them with --repeated sum or mean; otherwise name the "
        "series column with --id."
    )
