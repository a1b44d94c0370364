"""Times as sources write them: which moments they are, in any of the usual ways of writing, and nothing guessed."""

import re
import warnings
from datetime import date
from typing import NamedTuple

import pandas as pd
from pandas.tseries.api import guess_datetime_format

OFFSET = r"(?:[Zz]|[Tt ]\d[^-+]*[+-]\d\d(?::?\d\d)?)\s*$"  # at the end of a time: Z, +02, -05:00

TAIL = r"(?:[Zz]|[+-]\d\d(?::?\d\d)?)\s*$"  # the offset alone


class FormatPattern(NamedTuple):
    """Text that is written like one time, as SQLite's pattern and as a regular expression."""

    glob: str
    regex: str


def same_format_pattern(text: str) -> FormatPattern:
    """What has digits where `text` has them, and its very signs and offset: of such text, times sort as it does."""
    tail = re.search(TAIL, text) if re.search(OFFSET, text) else None  # the -01 of 2024-03-01 is none
    end = tail.start() if tail else len(text)
    digits = [place < end and letter in "0123456789" for place, letter in enumerate(text)]
    pairs = list(zip(text, digits, strict=True))
    glob = "".join("[0-9]" if digit else f"[{letter}]" if letter in "*?[" else letter for letter, digit in pairs)
    return FormatPattern(glob, f"^{''.join('[0-9]' if digit else re.escape(letter) for letter, digit in pairs)}$")


def localize(times: pd.Series, zone: str, ids: pd.Series | None) -> pd.Series:
    """Times of a wall clock as those of `zone`; NaT for one that it never shows, or shows twice on an autumn night.

    With `ids` such a one that stands twice in a series is first the summer's and then the winter's.
    """
    if zone == "UTC":
        return times.dt.tz_localize("UTC")
    summer = pd.Series(True, index=times.index)
    first = times.dt.tz_localize(zone, ambiguous=summer.to_numpy(), nonexistent="NaT")
    second = times.dt.tz_localize(zone, ambiguous=~summer.to_numpy(), nonexistent="NaT")
    twice = (first != second) & first.notna()
    if not twice.any():
        return first
    if ids is None:
        return first.mask(twice)
    key = [ids[twice].astype("str"), times[twice]]
    place, size = times[twice].groupby(key).cumcount(), times[twice].groupby(key).transform("size")
    return first.mask(twice & (place.reindex(times.index) == 1), second).mask(twice & (size.reindex(times.index) != 2))


def parse_epoch(values: pd.Series, unit: str) -> pd.Series:
    """Counts of s, ms, us or ns since 1970, as numbers or as text, in UTC with microseconds; NaT for what is none."""
    counts = pd.to_numeric(values, errors="coerce", dtype_backend="numpy_nullable")
    return pd.to_datetime(counts, errors="coerce", unit=unit, utc=True).astype("datetime64[us, UTC]")


def to_instants(values: pd.Series, zone: str | None) -> pd.Series:
    """The instants that `values` are, in UTC with microseconds; what is none, or no single one, becomes NaT.

    A time without an offset is one of `zone`; a date is its midnight there.
    """
    if not pd.api.types.is_string_dtype(values):
        return _in_utc(parse_datetimes(values), zone)
    zoned = values.str.contains(OFFSET, na=False)  # offsets may differ, as on the two sides of a DST night
    naive, told = parsed(values.where(~zoned), utc=False), parsed(values.where(zoned), utc=True)
    return _in_utc(naive, zone).where(~zoned, _in_utc(told, zone))


def _in_utc(times: pd.Series, zone: str | None) -> pd.Series:
    if times.dt.tz is None:
        times = localize(times, zone or "UTC", None)
    return times.dt.tz_convert("UTC").astype("datetime64[us, UTC]")


def parsed(text: pd.Series, utc: bool) -> pd.Series:
    """ISO times and, for the others, the one way of writing that reads most of them: 13/2 and 2/13 don't mix."""
    times = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=utc)
    others = text[times.isna() & text.notna()]
    if others.empty:
        return times
    with warnings.catch_warnings(action="ignore"):  # pandas warns that 13/2 must be day first, which is what we ask
        first = str(others.iloc[0]).strip()
        styles = dict.fromkeys(guess_datetime_format(first, dayfirst=day_first) for day_first in (False, True))
    read = [pd.to_datetime(others.str.strip(), errors="coerce", format=s, utc=utc) for s in styles if s]
    return times.fillna(max(read, key=lambda one: one.notna().sum())) if read else times


def parse_datetimes(values: pd.Series) -> pd.Series:
    """Times and dates as they are; a number is no time, for nobody says in which unit, or since when."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return values
    dates = [value if isinstance(value, date) else None for value in values]
    return pd.to_datetime(pd.Series(dates, index=values.index, dtype=object), errors="coerce")
