"""Infers the series columns: one column, or several together, that distinguish the rows of one time."""

import itertools

import numpy as np
import pandas as pd

from tasks.profiling.column_types import MIN_MATCHING_SHARE, ColumnProfile, column_name_words
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference, format_percent, resolve_column
from tasks.profiling.interleaved_series import find_interleaved_series
from tasks.profiling.vocabulary import HOUR_WORDS, ID_NAMES, ID_WORDS

MIN_ROWS_PER_STEP = 0.3  # share of the steps of a series that have a row
MIN_ROWS_PER_STEP_OF_ID = 0.05  # the same for a column with the name of an id
MAX_REMAINING_SHARE = 0.05  # of rows that repeat a time even with the series column
MAX_REPEATED_SHARE = 0.5  # of rows that repeat a time without a series column: a higher share needs another layout
MAX_KEY_COLUMNS = 3  # that together name a series
MAX_KEY_CANDIDATES = 8  # columns whose combinations are tried


def infer_series_columns(
    frame: pd.DataFrame, time: str, profiles: dict[str, ColumnProfile], hints: Hints, table: str
) -> tuple[tuple[str, ...], Inference]:
    """Choose the columns that name a series.

    Args:
        frame: The table as read, with the time column in UTC.
        time: The time column.
        profiles: The columns of the table by name.
        hints: What the user states.
        table: The table, named in errors.

    Returns:
        The columns, none for one series, and the evidence.

    Raises:
        SpecError: A hint names a column that the table does not have.
        CannotInferPipeline: No columns distinguish the rows of one time.
    """
    rows = frame[frame[time].notna()]
    repeated = int(rows.duplicated([time]).sum())
    if hints.id:
        ids, confidence, note = _hinted_columns(hints.id, profiles, table), "given", ""
    elif repeated:
        ids, confidence, note = _distinguishing_columns(rows, time, profiles, hints, repeated)
    else:
        ids, confidence, note = _columns_without_repeats(rows, time, profiles, hints)
    remaining = int(rows.duplicated([*ids, time]).sum())
    if not ids:
        if remaining > MAX_REPEATED_SHARE * len(rows) and hints.repeated is None:
            raise CannotInferPipeline(_explain_layout(rows, time, profiles, remaining, table))
        evidence = "no column distinguishes the rows of one time" if repeated else "each time occurs once"
        confidence = confidence or ("likely" if repeated else "sure")
        return (), Inference("id", "none, one series", confidence, "; ".join(filter(None, [evidence, note])))
    evidence = f"{rows.groupby(list(ids), sort=False).ngroups:,} series"
    if repeated:
        without, with_ids = (format_percent(count / len(rows)) for count in (repeated, remaining))
        evidence += f"; {without} of rows repeat a time, {with_ids} repeat a series and time"
    confidence = confidence or ("likely" if remaining else "sure")
    return ids, Inference("id", ", ".join(ids), confidence, "; ".join(filter(None, [evidence, note])))


def _hinted_columns(hint: str, profiles: dict[str, ColumnProfile], table: str) -> tuple[str, ...]:
    """Return the columns of `--id`: one name, which may contain commas, or names separated by commas."""
    names = [hint] if hint in profiles else [name.strip() for name in hint.split(",") if name.strip()]
    return tuple(dict.fromkeys(resolve_column(name, profiles, "--id", table) for name in names))


def _columns_without_repeats(
    rows: pd.DataFrame, time: str, profiles: dict[str, ColumnProfile], hints: Hints
) -> tuple[tuple[str, ...], str, str]:
    """Choose the columns if no time occurs twice: a constant id, or series whose times lie between each other's."""
    constant = (name for name in profiles if name.lower() in ID_NAMES and rows[name].nunique() == 1)
    if name := next((name for name in constant if _is_mostly_filled(rows[name])), None):
        return (name,), "", ""
    candidates = [name for name in _candidate_columns(rows, time, profiles, hints, repeated=False) if name != time]
    return find_interleaved_series(rows, time, candidates)


def _distinguishing_columns(
    rows: pd.DataFrame, time: str, profiles: dict[str, ColumnProfile], hints: Hints, repeated: int
) -> tuple[tuple[str, ...], str, str]:
    """Return the columns with which each time occurs once per series, the confidence if it is known, and a note.

    The series must be long; otherwise every category would be one. A single column comes before several, a column with
    the name of an id before one without, and codes without such a name are unsure.
    """
    step = rows[time].rank(method="dense").astype(np.int64)
    redundant = _has_equal_rows(rows, time, profiles)
    columns = _candidate_columns(rows, time, profiles, hints)
    for size in range(1, MAX_KEY_COLUMNS + 1):
        candidates: dict[tuple[str, ...], tuple[int, int]] = {}
        for names in itertools.combinations(columns[:MAX_KEY_CANDIDATES] if size > 1 else columns, size):
            remaining = int(rows.duplicated([time, *names]).sum())
            has_id_names = all(column_name_words(name) & ID_WORDS for name in names)
            distinguishes = remaining <= MAX_REMAINING_SHARE * len(rows) or remaining <= MAX_REMAINING_SHARE * repeated
            if not distinguishes or (redundant and not has_id_names):
                continue
            groups = rows.groupby(list(names), sort=False).ngroup()
            spans = step[groups >= 0].groupby(groups[groups >= 0]).agg(["min", "max", "nunique"])
            rows_per_step = float(spans["nunique"].sum() / (spans["max"] - spans["min"] + 1).sum())
            if rows_per_step >= (MIN_ROWS_PER_STEP_OF_ID if has_id_names else MIN_ROWS_PER_STEP):
                candidates[names] = (remaining, len(spans))
        if candidates:
            best = min(candidates, key=lambda names: (_name_rank(names), candidates[names]))
            codes = [name for name in best if _is_unnamed_code(name, profiles)]
            if codes:
                return best, "unsure", f"{', '.join(codes)} may be a code or a number: if a number, choose with --id"
            return best, "likely" if size > 1 else "", "these columns together name a series" if size > 1 else ""
    return (), "", ""


def _name_rank(names: tuple[str, ...]) -> int:
    """Rank by names, lowest is best: the name of an id, words of an id or any text, codes."""
    if all(name.lower() in ID_NAMES for name in names):
        return 0
    return 1


def _is_unnamed_code(name: str, profiles: dict[str, ColumnProfile]) -> bool:
    return profiles[name].kind in ("integer", "number") and not column_name_words(name) & ID_WORDS


def _has_equal_rows(rows: pd.DataFrame, time: str, profiles: dict[str, ColumnProfile]) -> bool:
    """Whether rows of one time mostly have the same numbers: then they repeat one observation and are not series."""
    numeric = [name for name, profile in profiles.items() if profile.kind in ("integer", "number") and name != time]
    repeated = rows[rows.duplicated([time], keep=False)]
    return bool(numeric) and bool((repeated.groupby(time)[numeric].nunique() <= 1).all(axis=1).mean() > 0.5)


def _candidate_columns(
    rows: pd.DataFrame, time: str, profiles: dict[str, ColumnProfile], hints: Hints, *, repeated: bool = True
) -> list[str]:
    """Return the columns that may name series: text, whole numbers named like ids, then whole numbers of few values."""
    text: list[str] = []
    named: list[str] = []
    codes: list[str] = []
    for name, profile in profiles.items():
        if name in (time, hints.target) or not 2 <= rows[name].nunique() <= len(rows) / 3:
            continue
        is_id = bool(column_name_words(name) & ID_WORDS)
        whole = profile.kind == "integer" or (profile.kind == "number" and bool((rows[name].dropna() % 1 == 0).all()))
        varies = not repeated or rows.groupby(time)[name].nunique().max() > 1
        if not varies or not _is_mostly_filled(rows[name]):
            continue
        if profile.kind == "text":
            (named if is_id else text).append(name)
        elif whole and is_id:
            named.append(name)
        elif profile.kind == "integer" and repeated and _is_code(rows, time, name):
            codes.append(name)
    return named + text + codes


def _is_code(rows: pd.DataFrame, time: str, name: str) -> bool:
    """Whether whole numbers may be codes of series: most values occur at most times. A column of hours is not."""
    if column_name_words(name) & HOUR_WORDS:
        return False
    counts = rows.groupby(name)[time].nunique()
    return bool(counts.median() >= MIN_ROWS_PER_STEP * rows[time].nunique())


def _is_mostly_filled(values: pd.Series) -> bool:
    return bool((values.notna() & values.astype(str).str.strip().ne("")).mean() >= MIN_MATCHING_SHARE)


def _explain_layout(
    rows: pd.DataFrame, time: str, profiles: dict[str, ColumnProfile], remaining: int, table: str
) -> str:
    """Explain why no columns distinguish the rows: an hour of its own, or events."""
    problem = f"{remaining:,} of {len(rows):,} rows of {table} repeat a {time!r}, and no columns distinguish them"
    names = [
        name
        for name, profile in profiles.items()
        if profile.kind in ("text", "integer") and 1 < rows[name].nunique() <= len(rows) / 3
    ]
    hour = next((name for name in names if column_name_words(name) & HOUR_WORDS), None)
    if hour:
        return (
            f"{problem}; {hour!r} looks like the hour of {time!r}. Make one column of both, with pandas as "
            f"pd.to_datetime(table[{time!r}]) + pd.to_timedelta(table[{hour!r}], unit='h'). Or make each hour a series "
            f"of its own with --id {hour}, or sum up the rows of one time with --repeated sum."
        )
    return (
        f"{problem}. If the rows are events, sum or average them with --repeated sum or mean; otherwise name the "
        "series columns with --id, several as --id store,item."
    )
