"""Infers times that several columns hold: a date and a time of day, or year, month, day and hour."""

from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from tasks.profiling.column_types import MIN_MATCHING_SHARE, ColumnProfile, column_name_words, parse_times
from tasks.profiling.inference import Hints, resolve_column
from tasks.profiling.vocabulary import AUDIT_WORDS, HOUR_WORDS, QUARTER_WORDS, TIME_PART_WORDS, WEEK_WORDS
from tasks.sources.spec import SourceSpec
from tasks.sources.times.column_text import text_to_arrow
from tasks.sources.times.month_names import MONTHS, translate_months
from tasks.sources.times.time_columns import join_columns, joint_name

CLOCK = r"\s*(?:\d{4}-\d\d-\d\d[ T]|0 days )?\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?:\s?[AaPp]\.?[Mm]\.?)?(?:\s*[-–].*)?\s*"
MIN_TIMES_PER_DATE = 1.5  # distinct times for each distinct date, before a time of day belongs to the date
MAX_SAMPLED_ROWS = 20_000
LIMITS = {"year": (1500, 2500), "month": (1, 12), "day": (1, 31), "hour": (0, 24), "minute": (0, 59)}
MIN_HOURS_WITHOUT_NAME = 20  # distinct hours in a column that is not named hour


class JointTime(NamedTuple):
    """The table with its joint time, the profiles without the parts, and the hints that name it, if it was joined."""

    table: pa.Table
    profiles: dict[str, ColumnProfile]
    hints: Hints
    parts: tuple[str, ...] = ()


def join_time_columns(
    table: pa.Table, profiles: dict[str, ColumnProfile], source: SourceSpec, hints: Hints
) -> JointTime:
    """Append the time that several columns hold together.

    Args:
        table: The whole table.
        profiles: The columns of the table by name.
        source: How the table is read.
        hints: What the user states; `time` may list columns, separated by commas.

    Returns:
        The table with the joint column, and hints that name it; everything unchanged if a single column is the time.

    Raises:
        SpecError: A hint names a column that the table does not have.
    """
    parts = _hinted_parts(profiles, source, hints) or (() if hints.time else _infer_parts(table, profiles, source))
    if not parts:
        return JointTime(table, profiles, hints)
    name = joint_name(parts)
    text = text_to_arrow(join_columns([table[part] for part in parts], parts))
    others = {column: profile for column, profile in profiles.items() if column not in parts}
    joined = {name: ColumnProfile(name, "time", 1.0, False), **others}
    return JointTime(table.append_column(name, text), joined, hints.model_copy(update={"time": name}), parts)


def _hinted_parts(profiles: dict[str, ColumnProfile], source: SourceSpec, hints: Hints) -> tuple[str, ...]:
    if not hints.time or hints.time in profiles or "," not in hints.time:
        return ()
    names = (name.strip() for name in hints.time.split(","))
    return tuple(resolve_column(name, profiles, "--time", source.label) for name in names)


def _infer_parts(table: pa.Table, profiles: dict[str, ColumnProfile], source: SourceSpec) -> tuple[str, ...]:
    sample = table.slice(0, MAX_SAMPLED_ROWS)
    calendar = _calendar_parts(sample, profiles)
    dates = [
        name
        for name, profile in profiles.items()
        if profile.kind == "time" and name not in calendar and not column_name_words(name) & AUDIT_WORDS
    ]
    if not dates:
        return calendar
    for date in dates:
        for clock in _clock_columns(sample, profiles):
            if clock != date and _belongs(sample, date, clock, source):
                return date, clock
    return ()


def _calendar_parts(sample: pa.Table, profiles: dict[str, ColumnProfile]) -> tuple[str, ...]:
    """Return the columns of year, month, day, hour and minute as far as the table has them, or of year and week."""
    parts: list[str] = []
    for part, words in TIME_PART_WORDS.items():
        name = next((name for name in profiles if name not in parts and _is_part(sample, name, part, words)), None)
        if name is None:
            break
        parts.append(name)
    if len(parts) == 1:
        for words, high in ((WEEK_WORDS, 53), (QUARTER_WORDS, 4)):
            period = next((name for name in profiles if column_name_words(name) & words), None)
            if period and _is_within(sample, period, 1, high):
                return parts[0], period
    return tuple(parts) if len(parts) > 1 else ()


def _is_part(sample: pa.Table, name: str, part: str, words: frozenset[str]) -> bool:
    if not column_name_words(name) & words:
        return False
    low, high = LIMITS[part]
    if part == "month" and _are_month_names(_as_text(sample[name])):
        return True
    return _is_within(sample, name, low, high)


def _are_month_names(text: pd.Series) -> bool:
    return len(text) > 0 and bool(translate_months(text).isin(MONTHS).mean() >= MIN_MATCHING_SHARE)


def _is_within(sample: pa.Table, name: str, low: int, high: int) -> bool:
    text = _as_text(sample[name])
    numbers = pd.to_numeric(text.str.lstrip("QqWw") if high in (4, 53) else text, errors="coerce")
    return len(text) > 0 and bool((numbers.between(low, high) & (numbers % 1 == 0)).mean() >= MIN_MATCHING_SHARE)


def _clock_columns(sample: pa.Table, profiles: dict[str, ColumnProfile]) -> list[str]:
    """Return columns that hold times of day: text with colons first, then hours by name and value."""
    with_colons, hours = [], []
    for name, profile in profiles.items():
        arrow_type = sample[name].type
        text = _as_text(sample[name])
        if pa.types.is_time(arrow_type) or (len(text) and text.str.fullmatch(CLOCK).mean() >= MIN_MATCHING_SHARE):
            with_colons.append(name)
        elif profile.kind == "integer" and _is_within(sample, name, 0, 2400):
            words = column_name_words(name)
            many = words & HOUR_WORDS and text.nunique() >= MIN_HOURS_WITHOUT_NAME
            hours += [name] if words & TIME_PART_WORDS["hour"] or many else []
    return with_colons + hours


def _belongs(sample: pa.Table, date: str, clock: str, source: SourceSpec) -> bool:
    """Whether the dates have no time of day of their own, and each has several times with the clock."""
    text = _as_text(sample[date])
    if text.str.contains(r"\d:\d\d", na=False).mean() > 0.1 and not _are_midnights(sample[date], source):
        return False
    joined = join_columns([sample[date], sample[clock]], [date, clock]).dropna()
    times = parse_times(joined, source)
    plain = _as_text(sample[clock]).nunique()
    readable = len(joined) > 0 and float(times.notna().mean()) >= MIN_MATCHING_SHARE
    return readable and plain > 1 and times.nunique() >= MIN_TIMES_PER_DATE * text.nunique()


def _are_midnights(values: pa.ChunkedArray, source: SourceSpec) -> bool:
    times = parse_times(_as_text(values), source).dropna()
    return len(times) > 0 and bool((times == times.dt.normalize()).all())


def _as_text(values: pa.ChunkedArray) -> pd.Series:
    arrow_type = values.type
    plain = values.cast(arrow_type.value_type) if pa.types.is_dictionary(arrow_type) else values
    text = plain.to_pandas().dropna().map(str).astype("str").str.strip()
    return text.str.replace(r"^(-?\d+)\.0+$", r"\1", regex=True)[text != ""]
