"""Parse times without a format, in the format that most of them have, and find that format for a pipeline."""

import re

import pandas as pd

from tasks.sources.times.column_text import numbers_to_text
from tasks.sources.times.date_recognition import MIN_SHARE_OF_FORMAT, RecognizedFormat, recognize
from tasks.sources.times.periods import PARSERS
from tasks.sources.times.time_formats import ParsedTimes, combine, parse_iso_dates, parse_strptime
from tasks.sources.times.time_text import MICROSECONDS, SplitTimes, normalize_times, split_times

MAX_SAMPLED_TIMES = 5_000  # of which the format is recognized, if a column has more distinct times


def parse_unformatted(text: pd.Series, share: float) -> ParsedTimes:
    """Parse distinct times that are not plain ISO 8601, in the format that `recognize` finds.

    Args:
        text: Distinct times.
        share: Their share of all values of the column.

    Returns:
        The times; NaT for text that is not a time, and for all if the dates contradict each other.
    """
    if len(text) > MAX_SAMPLED_TIMES and (parsed := _parse_like_sample(text, share)):
        return parsed
    parts = split_times(normalize_times(text))
    iso = combine(parts, None)
    rest = iso.wall.isna() & parts.date.notna()
    if not rest.any():
        return iso
    remaining = parts.select(rest)
    format_of_date = recognize(remaining, share * float(rest.mean())).format
    if format_of_date is None:
        return iso
    parsed = combine(remaining, format_of_date)
    return ParsedTimes(iso.wall.where(~rest, parsed.wall.reindex(text.index)),
                       iso.offset.where(~rest, parsed.offset.reindex(text.index)))  # fmt: skip


def _parse_like_sample(text: pd.Series, share: float) -> ParsedTimes | None:
    """Parse many distinct times in the format of a sample; None if a tenth of them do not have it."""
    sample = text.iloc[:: len(text) // MAX_SAMPLED_TIMES + 1]
    parts = split_times(normalize_times(sample))
    endings = [value[len(before) :] for value, before in zip(sample, parts.zones.text, strict=True)]
    if parts.zones.minutes.notna().all() and len(set(endings)) == 1 and endings[0]:  # all end with UTC
        wall = pd.to_datetime(text.where(text.str.endswith(endings[0])).str.removesuffix(endings[0]), errors="coerce",
                              format="ISO8601")  # fmt: skip
        if pd.api.types.is_datetime64_dtype(wall) and wall.notna().mean() >= MIN_SHARE_OF_FORMAT:
            offset = pd.Series(pd.to_timedelta(parts.zones.minutes.iloc[0], unit="m"), text.index)
            return _with_others(
                ParsedTimes(wall.astype("datetime64[us]"), offset.astype("timedelta64[us]")), text, None
            )
    recognized = recognize(parts, share)
    if recognized.format is None or recognized.format in PARSERS:
        return None
    whole = recognized.format + describe_clock(parts, sample)
    wall = parse_strptime(text.str.strip(), whole)
    if wall.notna().mean() < MIN_SHARE_OF_FORMAT:
        return None
    offset = pd.Series(pd.NaT, index=text.index, dtype="timedelta64[us]")
    return _with_others(ParsedTimes(wall, offset), text, recognized.format)


def _with_others(parsed: ParsedTimes, text: pd.Series, format_of_date: str | None) -> ParsedTimes:
    """Parse the few times that are written in another way than most."""
    others = parsed.wall.isna()
    if not others.any():
        return parsed
    rest = combine(split_times(normalize_times(text[others])), format_of_date)
    return ParsedTimes(parsed.wall.where(~others, rest.wall.reindex(text.index)),
                       parsed.offset.where(~others, rest.offset.reindex(text.index)))  # fmt: skip


def recognize_column(values: pd.Series) -> RecognizedFormat | None:
    """Find the format that a night needs to parse a column as it is parsed now.

    Args:
        values: Text or numbers, with missing values.

    Returns:
        The whole format, with the time of day; None if the values are typed times, or text that is read without a
        format or in several formats.
    """
    numbers = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    text = numbers_to_text(values) if numbers else values
    if not pd.api.types.is_string_dtype(text):
        return None
    distinct = pd.Series(text.dropna().unique(), dtype="str")
    distinct = normalize_times(distinct.iloc[:: len(distinct) // (4 * MAX_SAMPLED_TIMES) + 1])
    plain = parse_iso_dates(distinct).notna() & (not numbers)
    others = distinct[~plain & distinct.ne("")]
    if others.empty:
        return None
    parts = split_times(others)
    if not numbers:
        rest = combine(parts, None).wall.isna()
        plain, parts, others = plain | ~rest.reindex(plain.index, fill_value=True), parts.select(rest), others[rest]
    if others.empty:
        return None
    recognized = recognize(parts, len(others) / len(distinct))
    if recognized.format is None or recognized.format in PARSERS:
        return recognized
    if len(others) < MIN_SHARE_OF_FORMAT * len(distinct):
        return recognized._replace(format=None)
    clock = describe_clock(parts, others)
    compact = re.fullmatch(r"(?:%[a-zA-Z])+", recognized.format) and not others.str.contains("[ T:]").any()
    return recognized._replace(format=recognized.format + (re.sub("[ :]", "", clock) if compact else clock))


def describe_clock(parts: SplitTimes, text: pd.Series) -> str:
    """Return the strptime format of the times of day, with a leading space; empty if the text has none."""
    if not parts.has_clock.any():
        return ""
    written = text[parts.has_clock]
    seconds = "%S" if bool((parts.clock[parts.has_clock] % (60 * MICROSECONDS) > 0).any()) else ""
    seconds = "%S" if seconds or bool(written.str.contains(r"\d:\d\d:\d\d", na=False).any()) else ""
    half = bool(written.str.contains(r"\d\s?[AaPp]\.?\s?[Mm]\b", na=False).any())
    return f" %{'I' if half else 'H'}:%M{':' if seconds else ''}{seconds}{' %p' if half else ''}"
