"""Infers the time column: which column it is, how its values are written, and the times in UTC.

choose a column ──► epoch numbers? count since 1970
                └─► text, dates: parse ──► day or month first? ──► times in UTC
"""

from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from data_contracts.contract import Column
from tasks.profiling.column_types import (
    MIN_MATCHING_SHARE,
    ColumnProfile,
    EpochUnit,
    column_name_words,
    detect_epoch_unit,
    parse_times,
)
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference, format_percent, join_names, resolve_column
from tasks.profiling.vocabulary import AUDIT_WORDS, TIME_WORDS
from tasks.sources.spec import SourceSpec

DAY_FIRST_FORMATS = (  # regular expression, strptime format, contract format; the month could stand first as well
    (r"\d{1,2}/\d{1,2}/\d{4}", "%d/%m/%Y", "dd/MM/yyyy"),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", "%d.%m.%Y", "dd.MM.yyyy"),
    (r"\d{1,2}-\d{1,2}-\d{4}", "%d-%m-%Y", "dd-MM-yyyy"),
)
CLOCK_FORMATS = (
    ("", "", ""),
    (r" \d{1,2}:\d\d", " %H:%M", " HH:mm"),
    (r" \d{1,2}:\d\d:\d\d", " %H:%M:%S", " HH:mm:ss"),
)
MIN_REGULARITY_GAIN = 4  # how many times more regular the day-first reading must be
MAX_RANKED_ROWS = 100_000


class TimeColumn(NamedTuple):
    """The time column, its values in UTC (NaT if a value cannot be parsed), and the evidence."""

    column: str
    values: pd.Series
    inference: Inference
    format: str | None = None
    """The format in the contract's notation, if the values could be read in more than one."""
    epoch: EpochUnit | None = None
    """The unit of Unix timestamps, if the values are numbers."""


def infer_time_column(
    table: pa.Table, profiles: dict[str, ColumnProfile], source: SourceSpec, hints: Hints
) -> TimeColumn:
    """Choose the time column and parse it.

    Args:
        table: The whole table.
        profiles: The columns of the table by name.
        source: How the table is read.
        hints: What the user states.

    Returns:
        The column with its times, on the rows of the table.

    Raises:
        SpecError: A hint names a column that the table does not have.
        CannotInferPipeline: No column holds times, or the chosen column cannot be parsed.
    """
    name = _choose_column(table, profiles, source, hints)
    values = to_pandas(table[name])
    if profiles[name].kind == "epoch":
        return _parse_epoch(name, values, source, hints)
    times = parse_times(values, source)
    share = float(times.notna().mean()) if len(times) else 0.0
    if share < MIN_MATCHING_SHARE:
        raise CannotInferPipeline(_unreadable_message(name, values, times, source))
    day_first = day_first_format(values, times)
    if day_first:
        times = parse_times(values, source, column=contract_time_column(name, day_first))
    return TimeColumn(name, times, _inference(name, times, (share, day_first), profiles, hints), day_first)


def to_pandas(values: pa.ChunkedArray) -> pd.Series:
    """Convert a column to pandas, with dictionary values decoded."""
    arrow_type = values.type
    return (values.cast(arrow_type.value_type) if pa.types.is_dictionary(arrow_type) else values).to_pandas()


def _choose_column(table: pa.Table, profiles: dict[str, ColumnProfile], source: SourceSpec, hints: Hints) -> str:
    if hints.time:
        return resolve_column(hints.time, profiles, "--time", source.label)
    candidates = [profile.name for profile in profiles.values() if profile.kind == "time"]
    candidates = candidates or [profile.name for profile in profiles.values() if profile.kind == "epoch"]
    if not candidates:
        columns = join_names([repr(name) for name in table.column_names], 12)
        raise CannotInferPipeline(
            f"{source.label} has no time column among its {table.num_columns} columns: {columns}. Each row needs a "
            "time such as 2024-01-31 or 2024-01-31 13:00: add such a column, or name it with --time."
        )
    return min(candidates, key=lambda name: _rank(name, table, profiles))


def _rank(name: str, table: pa.Table, profiles: dict[str, ColumnProfile]) -> tuple[object, ...]:
    """Rank a candidate, lowest is best: not an audit column, most distinct times, a time type, a name of a time."""
    words = column_name_words(name)
    distinct = table[name].slice(0, MAX_RANKED_ROWS).unique()
    count = len(distinct) - bool(distinct.null_count)
    return (bool(words & AUDIT_WORDS), -count, not profiles[name].typed, not words & TIME_WORDS)


def _parse_epoch(name: str, values: pd.Series, source: SourceSpec, hints: Hints) -> TimeColumn:
    unit = detect_epoch_unit(pd.to_numeric(values, errors="coerce").dropna(), name) or "s"
    times = parse_times(values, source.model_copy(update={"epoch": unit}))
    evidence = f"Unix timestamps in {unit}, from {times.min():%Y-%m-%d %H:%M} to {times.max():%Y-%m-%d %H:%M}"
    return TimeColumn(name, times, Inference("time", name, "given" if hints.time else "likely", evidence), epoch=unit)


def day_first_format(text: pd.Series, times: pd.Series) -> str | None:
    """Detect dates with the day before the month.

    Read month first, the first days of twelve months would be the first twelve days of a year. So the day-first
    reading is taken if it parses every value and is clearly more regular.

    Args:
        text: The values of the column.
        times: The same values parsed month first, in UTC.

    Returns:
        The format in the contract's notation; None if the month comes first or the values have another format.
    """
    if not pd.api.types.is_string_dtype(text) or text.empty:
        return None
    stripped = text.dropna().str.strip()
    for date_pattern, date_strptime, date_word in DAY_FIRST_FORMATS:
        for clock_pattern, clock_strptime, clock_word in CLOCK_FORMATS:
            if len(stripped) and stripped.str.fullmatch(date_pattern + clock_pattern).all():
                day_first = pd.to_datetime(stripped, format=date_strptime + clock_strptime, errors="coerce")
                gained = MIN_REGULARITY_GAIN * _irregularity(day_first) < _irregularity(times[stripped.index])
                return date_word + clock_word if day_first.notna().all() and gained else None
    return None


def _irregularity(times: pd.Series) -> float:
    """Return the longest step divided by the median step; 1 if all steps are equal."""
    steps = pd.Series(times.dropna().unique()).sort_values().diff().dropna()
    return float(steps.max() / steps.median()) if len(steps) else 1.0


def contract_time_column(name: str, format_: str | None) -> Column | None:
    """Return the time column as the contract will promise it, or None if no format has to be promised."""
    if format_ is None:
        return None
    strptime = {
        date_word + clock[2]: date_strptime + clock[1]
        for _, date_strptime, date_word in DAY_FIRST_FORMATS
        for clock in CLOCK_FORMATS
    }
    return Column(name=name, kind="time", format=strptime[format_])


def _inference(
    name: str, times: pd.Series, parsed: tuple[float, str | None], profiles: dict[str, ColumnProfile], hints: Hints
) -> Inference:
    """Describe the choice; `parsed` is the share of values that were parsed, and the day-first format if detected."""
    share, day_first = parsed
    others = [profile.name for profile in profiles.values() if profile.kind == "time" and profile.name != name]
    evidence = f"{'is a time' if profiles[name].typed else 'parses'} in {format_percent(share)} of rows"
    evidence += ", sorted" if times.dropna().is_monotonic_increasing else ""
    evidence += f"; other time columns: {join_names(others)}, choose with --time" if others else ""
    evidence += f"; {day_first}, because month first would give uneven steps" if day_first else ""
    certain = share == 1 and not others and not day_first
    return Inference("time", name, "given" if hints.time else "sure" if certain else "likely", evidence)


def _unreadable_message(name: str, values: pd.Series, times: pd.Series, source: SourceSpec) -> str:
    unreadable = values[times.isna()]
    first = repr(unreadable.iloc[0]) if len(unreadable) else "nothing"
    return (
        f"column {name!r} of {source.label} does not hold times: {len(unreadable):,} of {len(values):,} rows cannot be "
        f"parsed, the first is {first}. Write times as 2024-01-31 13:00, or name another column with --time."
    )
