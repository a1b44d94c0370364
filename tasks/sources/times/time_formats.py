"""Formats of times in text: the check of `source.format`, and parsing in a known format.

A format is a strptime format or a word of `periods`. Only its date decides: seconds, the time of day and the zone may
be written or missing, because programs leave 00:00 out.

text ──► date + time of day + zone ──► the date in the format ──► wall time, offset from UTC
"""

import re
from typing import NamedTuple

import pandas as pd

from tasks.sources.times.periods import PARSERS
from tasks.sources.times.time_text import SplitTimes, normalize_times, split_times
from tasks.sources.times.written_zones import to_offsets

CLOCK_DIRECTIVES = re.compile(r"[\sT,:_-]*%[HI](?:.?%M)?(?:.?%S)?(?:.?%f)?\s*(?:%p)?")
ZONE_DIRECTIVES = re.compile(r"\s*%[zZ]")
YEAR_DIRECTIVES = ("%Y", "%y", "%G")


class ParsedTimes(NamedTuple):
    """Wall times (naive, microseconds), and the offset from UTC of those that are written with a zone."""

    wall: pd.Series
    offset: pd.Series


def check_format(written: str) -> str:
    """Return `written` if it is a word of `periods` or a strptime format with a year.

    Raises:
        ValueError: It is neither; the message gives examples.
    """
    if written in PARSERS:
        return written
    advice = f"write a strptime format such as %d/%m/%Y %H:%M, or {', '.join(PARSERS)}"
    if "%" not in written:
        raise ValueError(f"{written!r} is not a time format; {advice}")
    try:
        pd.to_datetime(pd.Series(["0"], dtype="str"), format=written, errors="coerce")
    except (ValueError, TypeError, re.error) as wrong:
        raise ValueError(f"{written!r} is not a time format: {wrong}; {advice}") from wrong
    if not any(directive in written for directive in YEAR_DIRECTIVES):
        raise ValueError(f"the time format {written!r} has no year; {advice}")
    return written


def date_format(written: str) -> str:
    """Return a format without its time of day and zone, in the spelling of split dates."""
    date = CLOCK_DIRECTIVES.sub(" ", ZONE_DIRECTIVES.sub("", written)).strip(" ,T")
    date = re.sub(r"%[aA],?\s*", "", date)
    return re.sub(r"[\s.,/_-]+", " ", date.replace("%B", "%b")).strip() if re.search("%[bB]", date) else date


def parse_with_format(text: pd.Series, written: str) -> ParsedTimes:
    """Parse distinct times in a known format.

    Args:
        text: Distinct times.
        written: The format, valid for `check_format`.

    Returns:
        The times; NaT for text that the format does not read.
    """
    if written in ("excel", "steps"):
        return _without_zone(PARSERS[written](normalize_times(text)))
    wall = _without_times(text)
    if written not in PARSERS and not re.search("%[zZ]", written):
        wall = parse_strptime(text.str.strip(), written)
    offset = pd.Series(pd.NaT, index=text.index, dtype="timedelta64[us]")
    others = wall.isna() & text.notna()
    if others.any():
        format_of_date = date_format(written) if written not in PARSERS else written
        parsed = combine(split_times(normalize_times(text[others])), format_of_date)
        wall = wall.where(~others, parsed.wall.reindex(text.index))
        offset = offset.where(~others, parsed.offset.reindex(text.index))
    return ParsedTimes(wall, offset)


def combine(parts: SplitTimes, format_of_date: str | None) -> ParsedTimes:
    """Parse the dates of split times, as ISO 8601 if the format is None, and add time of day and zone."""
    dates = parse_dates(parts.date, format_of_date)
    clock = pd.to_timedelta(parts.clock.fillna(0).astype("int64"), unit="us").astype("timedelta64[us]")
    wall = (dates + clock).where(parts.valid)
    offset = to_offsets(wall, parts.zones)
    return ParsedTimes(wall.mask(parts.zones.name.notna() & offset.isna()), offset.where(wall.notna()))


def parse_dates(dates: pd.Series, format_of_date: str | None) -> pd.Series:
    """Parse the text of dates in one format; None is ISO 8601 with a day. NaT for other text."""
    if format_of_date is None:
        full = dates.where(dates.str.fullmatch(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{8}", na=False))
        return pd.to_datetime(full, errors="coerce", format="ISO8601").astype("datetime64[us]")
    if format_of_date in PARSERS:
        return PARSERS[format_of_date](dates)
    return parse_strptime(dates, format_of_date)


def parse_iso_dates(text: pd.Series) -> pd.Series:
    """Parse the wall times of ISO 8601, without their offsets; NaT for other text."""
    plain = text.str.replace(
        r"(?<=\d)(?:[Zz]|(?<=:\d\d)[+-]\d\d(?::?\d\d)?|(?<=\.\d{3})[+-]\d\d:?\d\d)$", "", regex=True
    )
    try:
        times = pd.to_datetime(plain, errors="coerce", format="ISO8601")
    except (ValueError, OverflowError):
        return _without_times(text)
    return times if pd.api.types.is_datetime64_dtype(times) else _without_times(text)


def parse_strptime(text: pd.Series, written: str) -> pd.Series:
    """Parse text in a strptime format as naive times with microseconds; NaT for other text."""
    times = pd.to_datetime(text, errors="coerce", format=written)
    return times.astype("datetime64[us]") if pd.api.types.is_datetime64_dtype(times) else _without_times(text)


def _without_times(text: pd.Series) -> pd.Series:
    return pd.Series(pd.NaT, index=text.index, dtype="datetime64[us]")


def _without_zone(wall: pd.Series) -> ParsedTimes:
    return ParsedTimes(wall, pd.Series(pd.NaT, index=wall.index, dtype="timedelta64[us]"))
