"""Recognize the format of times on many of them: the format that reads most, with the order of day and month.

dates of one shape ──► 13/2 excludes an order ──► regular steps ──► the default of the separator
"""

import re
from typing import NamedTuple

import pandas as pd

from tasks.sources.times.periods import PARSERS, are_excel_days
from tasks.sources.times.time_formats import parse_strptime
from tasks.sources.times.time_text import SplitTimes

MIN_YEAR, MAX_YEAR = 1500, 2500  # of dates that are digits alone
MIN_SHARE_OF_DIGITS = 0.9  # of all values of a column, before digits alone are dates
MIN_CONTRADICTIONS = 3  # dates that only day first and that only month first can read
MIN_CONTRADICTING_SHARE = 0.05
MIN_SHARE_OF_FORMAT = 0.9  # of the values that are not plain ISO 8601: with less, a night must not be held to it
MIN_REGULARITY_GAIN = 4  # how many times more regular another order of day and month must be to replace the default


class DateFamily(NamedTuple):
    """Dates of one shape: the pattern, and the strptime formats that may read it, the default first."""

    pattern: str
    formats: tuple[str, ...]
    digits: bool = False


def _numeric_families() -> list[DateFamily]:
    families = []
    for separator in ("/", "-", ".", " "):
        mark = re.escape(separator)
        day_first = separator == "."  # 1.2.2024 is written in countries with the day first
        orders = ("%d %m %Y", "%m %d %Y") if day_first else ("%m %d %Y", "%d %m %Y")
        short = ("%d %m %y", "%m %d %y", "%y %m %d") if day_first else ("%m %d %y", "%d %m %y", "%y %m %d")
        for pattern, formats in (
            (rf"\d{{1,2}}{mark}\d{{1,2}}{mark}\d{{4}}", orders),
            (rf"\d{{1,2}}{mark}\d{{1,2}}{mark}\d{{2}}", short),
            (rf"\d{{4}}{mark}\d{{1,2}}{mark}\d{{1,2}}", ("%Y %m %d",)),
            (rf"\d{{1,2}}{mark}\d{{4}}", ("%m %Y",)),
            (rf"\d{{4}}{mark}\d{{1,2}}", ("%Y %m",)),
        ):
            families.append(DateFamily(pattern, tuple(name.replace(" ", separator) for name in formats)))
    return families


FAMILIES = (
    *_numeric_families(),
    DateFamily(r"\d{4}-\d{3}", ("%Y-%j",)),
    DateFamily(r"\d{1,2} ?[A-Z][a-z]{2} ?\d{4}", ("%d %b %Y", "%d%b%Y")),
    DateFamily(r"\d{1,2} ?[A-Z][a-z]{2} ?\d{2}", ("%d %b %y", "%d%b%y")),
    DateFamily(r"[A-Z][a-z]{2} \d{1,2} \d{4}", ("%b %d %Y",)),
    DateFamily(r"[A-Z][a-z]{2} \d{1,2} \d{2}", ("%b %d %y",)),
    DateFamily(r"\d{4} ?[A-Z][a-z]{2} ?\d{1,2}", ("%Y %b %d", "%Y%b%d")),
    DateFamily(r"[A-Z][a-z]{2} ?\d{4}", ("%b %Y", "%b%Y")),
    DateFamily(r"\d{4} ?[A-Z][a-z]{2}", ("%Y %b", "%Y%b")),
    DateFamily(r"[A-Z][a-z]{2} \d{2}", ("%b %y",)),
    DateFamily(r"\d{2} [A-Z][a-z]{2}", ("%y %b",)),
    DateFamily(r"\d{8}", ("%Y%m%d", "%d%m%Y", "%m%d%Y"), digits=True),
    DateFamily(r"\d{7}", ("%Y%j",), digits=True),
    DateFamily(r"\d{6}", ("%Y%m", "%y%m%d", "%d%m%y", "%m%d%y"), digits=True),
    DateFamily(r"\d{4}", ("%Y",), digits=True),
)
WORDS = ("quarter", "month", "week", "half")


class RecognizedFormat(NamedTuple):
    """The format that reads most dates of a column, and what decided the order of day, month and year."""

    format: str | None
    example: str = ""
    """A date that only this order can read."""
    uneven: str = ""
    """The default order, if it was rejected because its steps would be uneven."""
    alternatives: tuple[str, ...] = ()
    """Other formats that read every date as well."""
    contradiction: str = ""
    """Two dates of which each excludes the order of the other, if both orders are common."""


def recognize(parts: SplitTimes, share: float = 1.0) -> RecognizedFormat:
    """Find the format that reads most dates.

    Args:
        parts: Split times.
        share: Their share of all values of the column. Digits alone are dates only if they are nearly all of it.

    Returns:
        The format, None if no known one reads a date.
    """
    dates = parts.date[parts.valid].dropna().drop_duplicates()
    if dates.empty:
        return RecognizedFormat(None)
    if share >= MIN_SHARE_OF_DIGITS and not parts.has_clock.any() and are_excel_days(dates):
        return RecognizedFormat("excel")
    best, count = RecognizedFormat(None), 0
    for family in FAMILIES:
        matching = dates[dates.str.fullmatch(family.pattern, na=False)]
        if len(matching) <= count or (family.digits and len(matching) * share < MIN_SHARE_OF_DIGITS * len(dates)):
            continue
        candidate, parsed = _choose_order(matching, family)
        if parsed > count or candidate.contradiction:
            best, count = candidate, max(parsed, count)
    for word in WORDS if count < len(dates) else ():
        if (parsed := int(PARSERS[word](dates).notna().sum())) > count:
            best, count = RecognizedFormat(word), parsed
    return best


def _choose_order(dates: pd.Series, family: DateFamily) -> tuple[RecognizedFormat, int]:
    """Choose the format of a family by the dates that only it can read, then by the regularity of the steps."""
    parsed = {name: _plausible(parse_strptime(dates, name), family.digits) for name in family.formats}
    counts = {name: int(times.notna().sum()) for name, times in parsed.items()}
    best = max(counts, key=lambda name: (counts[name], pd.notna(parsed[name].iloc[0])))
    rivals = [name for name in family.formats if counts[name] == counts[best]]
    if contradiction := _find_contradiction(dates, parsed, best):
        return RecognizedFormat(None, contradiction=contradiction), counts[best]
    if counts[best] and len(rivals) > 1 and not parsed[rivals[0]].equals(parsed[rivals[1]]):
        rivals = _with_likely_year(rivals, parsed)
        best = best if best in rivals else rivals[0]
        uneven = {name: irregularity(parsed[name]) for name in rivals}
        regular = min(rivals, key=lambda name: uneven[name])
        if MIN_REGULARITY_GAIN * uneven[regular] < uneven[best]:
            return RecognizedFormat(regular, uneven=best), counts[best]
        limit = MIN_REGULARITY_GAIN * uneven[best]
        others = tuple(name for name in rivals if name != best and uneven[name] < limit)
        return RecognizedFormat(best, alternatives=others), counts[best]
    example = _only_readable_by(dates, parsed, best) if len(family.formats) > 1 and counts[best] else ""
    return RecognizedFormat(best if counts[best] else None, example), counts[best]


def _with_likely_year(rivals: list[str], parsed: dict[str, pd.Series]) -> list[str]:
    """Keep the formats with the year first, or those with the year last: the wrong ones scatter over decades."""
    spans = {name: (parsed[name].max() - parsed[name].min()) / pd.Timedelta(days=1) + 1 for name in rivals}
    first = [name for name in rivals if name.startswith(("%y", "%Y"))]
    last = [name for name in rivals if name not in first]
    if not first or not last:
        return rivals
    ratio = min(spans[name] for name in first) / min(spans[name] for name in last)
    if ratio * MIN_REGULARITY_GAIN < 1:
        return first
    return last if ratio > MIN_REGULARITY_GAIN else rivals


def _only_readable_by(dates: pd.Series, parsed: dict[str, pd.Series], best: str) -> str:
    others = [times.notna() for name, times in parsed.items() if name != best]
    alone = parsed[best].notna() & ~pd.concat(others, axis=1).any(axis=1)
    return str(dates[alone].iloc[0]) if alone.any() else ""


def _find_contradiction(dates: pd.Series, parsed: dict[str, pd.Series], best: str) -> str:
    """Return examples of both orders if many dates exclude the best order and many exclude the other."""
    for name, times in parsed.items():
        if name == best:
            continue
        only_best = dates[parsed[best].notna() & times.isna()]
        only_other = dates[parsed[best].isna() & times.notna()]
        fewer = min(len(only_best), len(only_other))
        if fewer >= MIN_CONTRADICTIONS and fewer >= MIN_CONTRADICTING_SHARE * (len(only_best) + len(only_other)):
            return f"{only_best.iloc[0]!r} is {best}, and {only_other.iloc[0]!r} is {name}"
    return ""


def irregularity(times: pd.Series) -> float:
    """Return the longest step divided by the median step of the distinct times; 1 if all steps are equal."""
    steps = pd.Series(times.dropna().unique()).sort_values().diff().dropna()
    return float(steps.max() / steps.median()) if len(steps) else 1.0


def _plausible(times: pd.Series, digits: bool) -> pd.Series:
    return times.where(times.dt.year.between(MIN_YEAR, MAX_YEAR)) if digits else times
