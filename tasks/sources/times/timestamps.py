"""Parse the times of a source: ISO 8601, the formats of `time_formats` and Unix epochs; an ambiguous value is NaT."""

import re
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.sources.times.column_text import map_distinct, numbers_to_text
from tasks.sources.times.local_midnight import are_utc_midnights
from tasks.sources.times.time_formats import ParsedTimes, parse_with_format
from tasks.sources.times.time_recognition import parse_unformatted
from tasks.sources.times.time_text import are_hour_intervals
from tasks.sources.times.written_zones import has_written_zone

OFFSET = r"(?:[Zz]|[Tt ]\d[^-+]*[+-]\d\d(?::?\d\d)?)\s*$"  # a time of day with its offset: Z, +02, -05:00
TAIL = r"(?:[Zz]|[+-]\d\d(?::?\d\d)?)\s*$"  # the offset alone
CLOCK_OF_PANDAS = ("now", "today")  # pandas reads these as the time of the read
TIME_OF_DAY = r":|\d{9,}|\d[T ]\d{1,2}$"  # what a text has that is more than a date
MAX_SAMPLED_OFFSETS = 1000
MISSING = np.iinfo(np.int64).min  # NaT as an integer


class TimestampParser(NamedTuple):
    """Converts the values of one column to UTC.

    `zone` applies to naive times (None: UTC), `epoch` is the unit of numbers, `format` a format of
    `time_formats.check_format`, which applies to text and numbers; without it the format is recognized on the values.
    With `calendar_steps` the values are dates, kept as midnight UTC: a time with an offset keeps the date that is
    written, or gets its date in `zone` if there is one; so does a naive time if all are midnights of `zone` in UTC.
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
        if self.format and not pd.api.types.is_datetime64_any_dtype(values):
            values = numbers_to_text(values)
        if not pd.api.types.is_string_dtype(values):
            return self._to_utc(parse_datetimes(values), ids, values)
        codes, distinct = pd.factorize(values)
        texts = pd.Series(distinct, dtype="str")
        times = _spread(self._parse_text(texts, None, codes), codes, values.index)
        if ids is None or self.calendar_steps or self.zone in (None, "UTC"):
            return times
        unresolved = (codes >= 0) & times.isna().to_numpy()
        if not unresolved.any():
            return times
        iso = parse_iso(texts.mask(texts.isin(CLOCK_OF_PANDAS) | has_offset(texts)), utc=False)
        naive = _spread(iso, codes, values.index)[unresolved]
        if self.format or naive.isna().any():
            return self._parse_text(values, ids, np.arange(len(values)))
        resolved = self._to_utc(naive, ids[unresolved], values[unresolved])  # wall times that occur twice
        return times.where(~unresolved, resolved.reindex(times.index))

    def _parse_text(self, values: pd.Series, ids: pd.Series | None, rows: np.ndarray) -> pd.Series:
        """Parse text; `rows` has the index in `values` of each row of the column, and -1 for a missing value."""
        if self.format:
            written = self.format
            return self._from_wall(map_distinct(values, lambda text: parse_with_format(text, written)), values, ids)
        values = values.mask(values.isin(CLOCK_OF_PANDAS))
        rows = rows[np.append(values.notna(), False)[rows]]
        aware = has_offset(values)  # offsets may differ, as on the two sides of a change of clocks
        if aware.any():
            ending = rows[aware.to_numpy()[rows]]
            if are_hour_intervals(values.iloc[ending[:: 1 + len(ending) // MAX_SAMPLED_OFFSETS]]):
                values, aware = values.str.replace(TAIL, "", regex=True), aware & False
        naive, with_offset = parse_iso(values.where(~aware), utc=False), values.where(aware)
        if self.calendar_steps and not self.zone:
            instants = parse_iso(with_offset.str.replace(TAIL, "", regex=True), utc=False)
        else:
            instants = parse_iso(with_offset, utc=True)
        others = values.notna() & naive.isna() & instants.isna()
        times = self._to_utc(naive, ids, values).where(~aware, self._to_utc(instants, ids))
        if not others.any():
            return times
        share = float(others.to_numpy()[rows].sum() / len(rows))
        parsed = map_distinct(values[others], lambda text: parse_unformatted(text, share))
        ids = ids[others] if ids is not None else None
        return times.where(~others, self._from_wall(parsed, values[others], ids).reindex(times.index))

    def is_epoch(self, values: pd.Series) -> bool:
        """Return whether `values` are numbers since 1970; one column holds either those or timestamps."""
        return self.epoch is not None and not pd.api.types.is_datetime64_any_dtype(values)

    def _from_wall(self, parsed: ParsedTimes, values: pd.Series, ids: pd.Series | None) -> pd.Series:
        """Convert wall times, some of them with their offset from UTC."""
        aware = parsed.offset.notna()
        naive = self._to_utc(parsed.wall.mask(aware), ids, values)
        if not aware.any():
            return naive
        if self.calendar_steps and not self.zone:
            return naive.where(~aware, self._to_utc(parsed.wall.where(aware), None))
        instants = (parsed.wall - parsed.offset).where(aware).dt.tz_localize("UTC")
        return naive.where(~aware, self._to_utc(instants, None))

    def _to_utc(self, times: pd.Series, ids: pd.Series | None, values: pd.Series | None = None) -> pd.Series:
        """Convert parsed times; `values` are the values of the source, which distinguish a date from a midnight."""
        if self.calendar_steps:
            if times.dt.tz is None and self.zone and are_utc_midnights(times, self.zone):
                times = times.dt.tz_localize("UTC")
            if times.dt.tz is not None:
                times = (times.dt.tz_convert(self.zone) if self.zone else times).dt.tz_localize(None)
            times = times.dt.tz_localize("UTC")
        elif times.dt.tz is None:
            naive, times = times, localize(times, self.zone or "UTC", ids)
            unresolved = times.isna() & naive.notna()
            if values is not None and unresolved.any():
                dates = unresolved & (naive == naive.dt.normalize()) & are_dates(values)
                first = naive[dates].dt.tz_localize(str(self.zone), ambiguous=[True] * int(dates.sum()),
                                                    nonexistent="shift_forward")  # fmt: skip
                times = times.where(~dates, first.reindex(times.index))
        return times.dt.tz_convert("UTC").astype("datetime64[us, UTC]")


def _spread(times: pd.Series, codes: np.ndarray, index: pd.Index) -> pd.Series:
    """Return the time of each row, NaT for the code -1."""
    instants = np.append(times.array.asi8, MISSING)[codes].view(f"datetime64[{times.dt.unit}]")
    naive = pd.Series(instants, index=index)
    return naive if times.dt.tz is None else naive.dt.tz_localize("UTC").dt.tz_convert(times.dt.tz)


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


def has_zone(values: pd.Series) -> pd.Series:
    """Return which text ends with a UTC offset or with a zone in letters, such as UTC or CET."""
    aware = has_offset(values)
    return aware if aware.all() else aware | has_written_zone(values)


def are_dates(values: pd.Series) -> pd.Series:
    """Return which values are dates without a time of day, whose instant is the first moment of the day.

    Args:
        values: Text, dates or timestamps.
    """
    if pd.api.types.is_string_dtype(values):
        return ~values.str.strip().str.contains(TIME_OF_DAY, na=False)
    if pd.api.types.is_datetime64_any_dtype(values):
        return pd.Series(False, index=values.index)
    return values.map(lambda value: type(value) is date).astype(bool)


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


def parse_iso(text: pd.Series, utc: bool) -> pd.Series:
    """Parse ISO 8601 times.

    Args:
        text: Times as text.
        utc: Whether to convert offsets to UTC; otherwise the text must be naive.

    Returns:
        Timestamps, in UTC or naive; NaT for text that cannot be parsed.
    """
    try:
        times = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=utc)
    except (ValueError, OverflowError):  # pandas raises for a few texts although errors are coerced
        times = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us]")
    if not pd.api.types.is_datetime64_any_dtype(times) or (not utc and times.dt.tz is not None):
        times = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us]")
    return times.dt.tz_localize("UTC") if utc and times.dt.tz is None else times


def parse_datetimes(values: pd.Series) -> pd.Series:
    """Return timestamps and dates as timestamps; NaT for numbers, because neither unit nor epoch is known."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return values
    dates = pd.Series([value if isinstance(value, date) else None for value in values], values.index, dtype=object)
    try:
        times = pd.to_datetime(dates, errors="coerce")
    except ValueError:  # zones differ
        times = pd.to_datetime(dates, errors="coerce", utc=True)
    return times if pd.api.types.is_datetime64_any_dtype(times) else pd.to_datetime(dates, errors="coerce", utc=True)
