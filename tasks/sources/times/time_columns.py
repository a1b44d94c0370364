"""Times that several columns hold: a date and a time of day, or year, month, day and hour, joined to one text column.

Date        Time           Date + Time               year  month  day  hour     year + month + day + hour
31.01.2024  13:00    ──►   31.01.2024 13:00          2024      1    5    13  ──►  2024-01-05 13:00
"""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from tasks.sources.times.column_text import numbers_to_text, text_to_arrow

JOINT = " + "
MAX_PARTS = 6  # year to second
YEAR = r"(?:1[5-9]|2[0-4])\d\d"
MIN_YEAR_SHARE = 0.9  # of the first column, before it is a year rather than a date
MIDNIGHT = r"(?:[ T]0?0:00(?::00(?:\.0+)?)?|[ T]12:00(?::00)? ?AM)$"  # what a date carries as a timestamp
WEEK_WORDS = frozenset(("week", "isoweek", "weekofyear", "wk", "kw", "woche", "semaine", "semana"))
QUARTER_WORDS = frozenset(("quarter", "qtr", "quartal", "trimester", "trimestre", "trim", "q"))
DAY_S = 86_400


def joint_name(columns: Sequence[str]) -> str:
    """Return the name of the time that the columns hold together: Date + Time.

    Raises:
        ValueError: There are too few or too many columns, or a name repeats, is empty or holds the separator.
    """
    if not 2 <= len(columns) <= MAX_PARTS:
        raise ValueError(f"list 2 to {MAX_PARTS} columns, [date, time] or [year, month, day, hour], or name one column")
    if len(set(columns)) < len(columns) or any(not name or JOINT in name for name in columns):
        raise ValueError(f"name each column once; a name must not be empty or contain {JOINT!r}")
    return JOINT.join(columns)


def parts_of(name: str) -> tuple[str, ...]:
    """Return the columns of a joint time; empty for the name of a single column."""
    return tuple(name.split(JOINT)) if JOINT in name else ()


def with_joint_column(table: pa.Table, name: str) -> pa.Table:
    """Append the joint time of a table.

    Args:
        table: The table of the source.
        name: The name of the time; for a single column nothing is appended.

    Returns:
        The table with a text column `name`, unless the table has it or lacks a part of it.
    """
    parts = parts_of(name)
    if not parts or name in table.column_names or any(table.column_names.count(part) != 1 for part in parts):
        return table
    joined = join_columns([table[part] for part in parts], parts)
    return table.append_column(name, text_to_arrow(joined))


def join_columns(columns: Sequence[pa.ChunkedArray], names: Sequence[str]) -> pd.Series:
    """Join the parts of times as text; a time with a missing part is missing.

    Args:
        columns: A date and a time of day, or year, month, day, hour, minute and second in this order.
        names: Their names, which distinguish weeks and quarters from months.

    Returns:
        Text that the parser of times reads.
    """
    texts = [_to_text(values) for values in columns]
    if not _are_years(texts[0]):
        date, clock = texts[0].str.replace(MIDNIGHT, "", regex=True), _clock(texts[1])
        for smaller in texts[2:]:
            clock = clock.str.replace(r"(?<=^\d\d):00$", "", regex=True) + ":" + smaller.str.zfill(2)
        return date + " " + clock
    words = {word for word in re.split(r"[\W_\d]+", names[1].lower()) if word}
    if len(texts) == 2 and (words & QUARTER_WORDS or bool(texts[1].dropna().str.fullmatch(r"[Qq][1-4]").all())):
        return texts[0] + "-Q" + texts[1].str.removeprefix("Q").str.removeprefix("q")
    if len(texts) <= 3 and (words & WEEK_WORDS or (len(texts) == 2 and _exceeds(texts[1], 12))):
        week = texts[0] + "-W" + texts[1].str.lstrip("Ww").str.zfill(2)
        return week if len(texts) == 2 else week + "-" + texts[2]
    date = texts[0]
    for part in texts[1:3]:
        date = date + "-" + part.str.zfill(2)
    if len(texts) < 4:
        return date
    clock = _clock(texts[3])
    for index, smaller in enumerate(texts[4:]):
        clock = (
            (clock.str.replace(r"(?<=^\d\d):00$", "", regex=True) if index == 0 else clock) + ":" + smaller.str.zfill(2)
        )
    return date + " " + clock


def _to_text(values: pa.ChunkedArray) -> pd.Series:
    arrow_type = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    plain = values.cast(arrow_type)
    if pa.types.is_timestamp(arrow_type) or pa.types.is_date(arrow_type):
        return plain.to_pandas().astype("str").str.replace(MIDNIGHT, "", regex=True)
    series = plain.to_pandas()
    if pa.types.is_decimal(arrow_type):
        series = series.astype("float64")
    text = numbers_to_text(series).map(str, na_action="ignore").astype("str").str.strip()
    return text.str.replace(r"^(-?\d+)\.0+$", r"\1", regex=True).mask(text == "")


def _are_years(text: pd.Series) -> bool:
    return bool(text.dropna().str.fullmatch(YEAR).mean() >= MIN_YEAR_SHARE)


def _exceeds(text: pd.Series, limit: int) -> bool:
    return bool((pd.to_numeric(text.drop_duplicates(), errors="coerce") > limit).any())


def _clock(text: pd.Series) -> pd.Series:
    """Write times of day as HH:MM or HH:MM:SS: hours 0 to 24, 1330, 133000, fractions of a day, or text with colons."""
    distinct = pd.Series(text.dropna().unique(), dtype="str")
    plain = distinct.str.replace(r"^(?:\d{4}-\d\d-\d\d|0 days)[ T]", "", regex=True)  # of Excel and of timedeltas
    plain = plain.str.replace(r"^(\d\d?:\d\d(?::\d\d)?)\s*[-–—].*$", r"\1", regex=True)  # 13:00-14:00
    plain = plain.str.replace(r"^[hH](\d{1,2})$", r"\1", regex=True)
    plain = plain.str.replace(r"^(\d{1,2})[.hH](\d\d)$", r"\1:\2", regex=True) if not _are_fractions(plain) else plain
    plain = plain.str.replace(r"^(\d{1,2})\s?[hH]$", r"\1:00", regex=True)
    written = dict(zip(distinct, _clock_of_numbers(plain), strict=True))
    return text.map(written).astype("str")


def _are_fractions(text: pd.Series) -> bool:
    numbers = pd.to_numeric(text.str.replace(",", ".", regex=False), errors="coerce")
    return bool(numbers.between(0, 1).all() and (numbers % 1 > 0).any())


def _clock_of_numbers(text: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(text.str.replace(",", ".", regex=False), errors="coerce")
    if numbers.isna().mean() > 1 - MIN_YEAR_SHARE:
        return text
    if _are_fractions(text):
        seconds = (numbers * DAY_S).round()
    elif numbers.max() <= 24:
        seconds = numbers * 3600
    elif numbers.max() <= 2400:
        seconds = (numbers // 100) * 3600 + (numbers % 100) * 60 + np.where(numbers % 100 < 60, 0, np.nan)
    else:
        seconds = (numbers // 10_000) * 3600 + (numbers // 100 % 100) * 60 + numbers % 100
    known = seconds.notna() & (seconds % 1 == 0) & (seconds <= DAY_S)
    whole = seconds.where(known, 0).astype("int64")
    clock = [
        f"{value // 3600:02}:{value // 60 % 60:02}" + (f":{value % 60:02}" if value % 60 else "") for value in whole
    ]
    return text.where(~known, pd.Series(clock, index=text.index, dtype="str"))
