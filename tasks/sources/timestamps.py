"""Parse the times of a source: ISO 8601, the common local formats and Unix epochs; an ambiguous value becomes NaT."""

import re
import warnings
from datetime import date
from typing import NamedTuple

import pandas as pd
from pandas.tseries.api import guess_datetime_format

OFFSET = r"(?:[Zz]|[Tt ]\d[^-+]*[+-]\d\d(?::?\d\d)?)\s*$"  # a time of day with its offset: Z, +02, -05:00
TAIL = r"(?:[Zz]|[+-]\d\d(?::?\d\d)?)\s*$"  # the offset alone


class TimestampParser(NamedTuple):
    """Converts the values of one column to UTC.

    `zone` applies to naive times (None: UTC), `epoch` is the unit of numbers, `format` a strptime format for text.
    With `calendar_steps` the values are dates, kept as midnight UTC: a time with an offset keeps the date that is
    written, or gets its date in `zone` if there is one.
    """

    zone: str | None
    epoch: str | None = None
    format: str | None = None
    calendar_steps: bool = False

    def parse(self, values: pd.Series, ids: pd.Series | None = None) -> pd.Series:
        """Convert `values` to timestamps.

        Args:
            values: Text, dates, timestamps or, with `epoch`, numbers.
            ids: The series of each value. A wall time that occurs twice in a series, in the night in which clocks are
                set back, is then first the summer time and second the winter time. Without `ids` it is NaT.

        Returns:
            Timestamps in UTC with microsecond precision, on the index of `values`. A value that cannot be parsed, that
            the clock of `zone` never shows, or that is ambiguous is NaT.
        """
        if self.is_epoch(values):
            return self._to_utc(parse_epoch(values, str(self.epoch)), ids)
        if not pd.api.types.is_string_dtype(values):
            return self._to_utc(parse_datetimes(values), ids)
        if self.format:
            utc = "%z" in self.format
            times = pd.to_datetime(values.str.strip(), errors="coerce", format=self.format, utc=utc)
            return self._to_utc(times, ids)
        aware = has_offset(values)  # offsets may differ, as on the two sides of a change of clocks
        naive, with_offset = parse_text(values.where(~aware), utc=False), values.where(aware)
        if self.calendar_steps and not self.zone:
            instants = parse_text(with_offset.str.replace(TAIL, "", regex=True), utc=False)
        else:
            instants = parse_text(with_offset, utc=True)
        return self._to_utc(naive, ids).where(~aware, self._to_utc(instants, ids))

    def is_epoch(self, values: pd.Series) -> bool:
        """Return whether `values` are numbers since 1970; one column holds either those or timestamps."""
        return self.epoch is not None and not pd.api.types.is_datetime64_any_dtype(values)

    def _to_utc(self, times: pd.Series, ids: pd.Series | None) -> pd.Series:
        if self.calendar_steps:
            if times.dt.tz is not None:
                times = (times.dt.tz_convert(self.zone) if self.zone else times).dt.tz_localize(None)
            times = times.dt.tz_localize("UTC")
        elif times.dt.tz is None:
            times = localize(times, self.zone or "UTC", ids)
        return times.dt.tz_convert("UTC").astype("datetime64[us, UTC]")


class FormatPattern(NamedTuple):
    """Pattern of all text in the format of one time: for SQLite's GLOB, and as a regular expression."""

    glob: str
    regex: str


def same_format_pattern(text: str) -> FormatPattern:
    """Return the pattern of text with digits where `text` has digits, and its separators and offset.

    Such text sorts as its times do.
    """
    tail = re.search(TAIL, text) if re.search(OFFSET, text) else None  # the -01 of 2024-03-01 is not an offset
    end = tail.start() if tail else len(text)
    digits = [index < end and letter in "0123456789" for index, letter in enumerate(text)]
    pairs = list(zip(text, digits, strict=True))
    glob = "".join("[0-9]" if digit else f"[{letter}]" if letter in "*?[" else letter for letter, digit in pairs)
    return FormatPattern(glob, f"^{''.join('[0-9]' if digit else re.escape(letter) for letter, digit in pairs)}$")


def has_offset(values: pd.Series) -> pd.Series:
    """Return which text ends with a UTC offset; a missing value has none."""
    return values.str.contains(OFFSET, na=False)


def localize(times: pd.Series, zone: str, ids: pd.Series | None) -> pd.Series:
    """Interpret naive times as wall times of `zone`.

    Args:
        times: Naive timestamps.
        zone: Name of the time zone.
        ids: The series of each time, or None; see `TimestampParser.parse`.

    Returns:
        Timestamps in `zone`; NaT for a time that the clock never shows, or shows twice and `ids` does not resolve.
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
    occurrence, size = times[twice].groupby(key).cumcount(), times[twice].groupby(key).transform("size")
    resolved = first.mask(twice & (occurrence.reindex(times.index) == 1), second)
    return resolved.mask(twice & (size.reindex(times.index) != 2))


def parse_epoch(values: pd.Series, unit: str) -> pd.Series:
    """Convert Unix times, as numbers or text, to UTC timestamps with microsecond precision; NaT for other values."""
    counts = pd.to_numeric(values, errors="coerce", dtype_backend="numpy_nullable")
    return pd.to_datetime(counts, errors="coerce", unit=unit, utc=True).astype("datetime64[us, UTC]")


def parse_text(text: pd.Series, utc: bool) -> pd.Series:
    """Parse ISO 8601 times, and the others in the one format that fits most of them: 13/2 and 2/13 are not mixed.

    Args:
        text: Times as text.
        utc: Whether to convert offsets to UTC; otherwise the text must be naive.

    Returns:
        Timestamps, in UTC or naive; NaT for text that cannot be parsed.
    """
    times = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=utc)
    others = text[times.isna() & text.notna()]
    if others.empty:
        return times
    with warnings.catch_warnings(action="ignore"):  # pandas warns that 13/2 must be day first, which is the question
        first = str(others.iloc[0]).strip()
        formats = dict.fromkeys(guess_datetime_format(first, dayfirst=day_first) for day_first in (False, True))
    parsed = [pd.to_datetime(others.str.strip(), errors="coerce", format=name, utc=utc) for name in formats if name]
    return times.fillna(max(parsed, key=lambda candidate: candidate.notna().sum())) if parsed else times


def parse_datetimes(values: pd.Series) -> pd.Series:
    """Return timestamps and dates as timestamps; NaT for numbers, because neither unit nor epoch is known."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return values
    dates = [value if isinstance(value, date) else None for value in values]
    return pd.to_datetime(pd.Series(dates, index=values.index, dtype=object), errors="coerce")
