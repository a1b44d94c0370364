"""Split the text of times into date, time of day and zone, so that only the date needs a format.

`[01.02.2024 13:00, 01.02.2024 14:00)` ──► begin of the interval ──► zone ──► `13:00` + `01.02.2024`
"""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.sources.times.month_names import translate_months
from tasks.sources.times.written_zones import ZonedText, split_zones

INTERVALS = (
    re.compile(r"[\[(]\s*(?P<begin>[^,;]*\d[^,;]*)[,;].*\d.*[\])]"),  # [2024-01-01, 2024-01-02)
    re.compile(r"(?P<begin>.*?\d.*?)(?:\s+(?:-|to|until|bis|à)\s+|\s*[–—]\s*)(?=.*\d).*"),
    re.compile(r"(?P<begin>\d{4}-\d\d.*?)/(?:P[\dT]|\d{4}-\d\d).*"),  # ISO 8601
    re.compile(r"(?P<begin>\d{4})[-/]\d{4}"),  # a season such as 2019/2020
)
CLOCKS = (  # hour, minute, second, fraction, half of the day
    re.compile(
        r"(?:^|(?<=[\sT:,]))(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2})(?:[.,](?P<f>\d{1,9}))?)?"
        r"(?:\s?(?P<half>[AaPp])\.?\s?[Mm]\b\.?)?(?![\d:])"
    ),
    re.compile(r"(?<=^\d{8})[T _-]?(?P<h>\d{2})(?:(?P<m>\d{2})(?P<s>\d{2})?)?$"),  # 202401012000
    re.compile(r"(?<=\d{4}-\d{2}-\d{2})[- ](?P<h>\d{2})\.(?P<m>\d{2})\.(?P<s>\d{2})(?:\.(?P<f>\d{1,9}))?$"),  # DB2
    re.compile(r"(?<=\s)(?P<h>\d{1,2})(?:\s?[hH]\s?(?P<m>\d{2})?|\s(?=[AaPp]\.?\s?[Mm])|(?=[AaPp][Mm]))"
               r"(?:\s?(?P<half>[AaPp])\.?\s?[Mm]\.?)?$"),  # 13h45, 1 PM
    re.compile(r"(?<=\d[-./]\d[-./]\d{4}\s)(?P<h>\d{1,2})(?:\.(?P<m>\d{2})(?:\.(?P<s>\d{2}))?)?$"),
    re.compile(r"(?<=\d[-./]\d\d[-./]\d{4}\s)(?P<h>\d{1,2})(?:\.(?P<m>\d{2})(?:\.(?P<s>\d{2}))?)?$"),
    re.compile(r"(?<=\d{4}[-./]\d\d[-./]\d\d\s)(?P<h>\d{1,2})(?:\.(?P<m>\d{2})(?:\.(?P<s>\d{2}))?)?$"),
    re.compile(r"(?<=\d{4}-[A-Za-z]{3}-\d\d\s)(?P<h>\d{1,2})$"),
)  # fmt: skip
REPLACEMENTS = (  # before anything else: letters of other scripts, words of the clock
    (re.compile(r"(?<=\d)\s*(?:年|년)\s*"), "-"),
    (re.compile(r"(?<=\d)\s*(?:月|월)\s*(?=\d)"), "-"),
    (re.compile(r"(?<=\d)\s*(?:[日月일월号])"), " "),
    (re.compile(r"(?:上午|오전)\s*(\d[\d:]*)"), r"\1 AM"),
    (re.compile(r"(?:下午|오후)\s*(\d[\d:]*)"), r"\1 PM"),
    (re.compile(r"(?<=\d)\s*(?:Uhr|uhr|h|hrs|o'clock)$"), ""),
    (re.compile(r"\s+"), " "),
)
MICROSECONDS = 1_000_000
DAY_S = 86_400


class SplitTimes(NamedTuple):
    """Parts of times, each on the index of the text.

    `date` is text, `clock` the time of day in microseconds (NaN: none, or not a time of day), `has_clock` says whether
    the text has a time of day. Zones are those of `split_zones`.
    """

    date: pd.Series
    clock: pd.Series
    has_clock: pd.Series
    zones: ZonedText

    @property
    def valid(self) -> pd.Series:
        """Whether the time of day exists; true without one."""
        return ~self.has_clock | self.clock.notna()

    def select(self, rows: pd.Series) -> "SplitTimes":
        """Return the parts of some of the times."""
        zones = ZonedText(*(part[rows] for part in self.zones))
        return SplitTimes(self.date[rows], self.clock[rows], self.has_clock[rows], zones)


def split_times(text: pd.Series) -> SplitTimes:
    """Split times into date, time of day and zone; of an interval `a - b`, the begin is taken.

    Args:
        text: Distinct times as text.

    Returns:
        The parts. 24:00 is the end of the day: a time of day of 24 hours.
    """
    begins = pd.Series([_begin(value) if isinstance(value, str) else value for value in text], text.index, dtype="str")
    zones = split_zones(begins)
    split = [_split_clock(value) if isinstance(value, str) else (value, None, False) for value in zones.text]
    dates = pd.Series([date for date, _, _ in split], index=text.index, dtype="str")
    clock = pd.Series([clock for _, clock, _ in split], index=text.index, dtype="float64")
    has_clock = pd.Series([has for _, _, has in split], index=text.index, dtype="bool")
    return SplitTimes(translate_months(dates), clock, has_clock, zones)


def normalize_times(text: pd.Series) -> pd.Series:
    """Replace compatibility characters, such as a narrow space before PM; strip spaces, quotes and the .0 of floats."""
    plain = text.str.normalize("NFKC").str.strip().str.strip("'\"").str.strip()
    return plain.str.replace(r"^(\d+)\.0+$", r"\1", regex=True)


def _begin(text: str) -> str:
    for pattern in INTERVALS:
        if match := pattern.fullmatch(text):
            text = match["begin"].strip()
            break
    for spelling, replacement in REPLACEMENTS:
        text = spelling.sub(replacement, text)
    return text.strip()


def _split_clock(text: str) -> tuple[str, float | None, bool]:
    for pattern in CLOCKS:
        if match := pattern.search(text):
            date = f"{text[: match.start()].rstrip(' T:,_-')} {text[match.end() :].lstrip(' ,')}"
            return date.strip(), _microseconds(match), True
    return text.strip(" ,"), None, False


def _microseconds(match: re.Match[str]) -> float | None:
    """Return the time of day; None if it does not exist, such as 25:00 or 13:00 PM."""
    parts = match.groupdict()
    hour, minute, second = (int(parts.get(name) or 0) for name in ("h", "m", "s"))
    fraction = int((parts.get("f") or "0").ljust(6, "0")[:6])
    if half := parts.get("half"):
        if not 0 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half in "pP" else 0)
    seconds = 3600 * hour + 60 * minute + second
    if minute > 59 or second > 59 or seconds > DAY_S or (seconds == DAY_S and fraction):
        return None
    return float(seconds * MICROSECONDS + fraction)


def are_hour_intervals(text: pd.Series) -> bool:
    """Whether `2024-01-01 13:00-14:00` is an interval rather than an offset: both hours move together.

    Args:
        text: Times that end with what may be an offset.

    Returns:
        True if at least three different ends follow their begins at one distance.
    """
    hours = text.dropna().str.extract(r"[T ](\d\d):(\d\d)(?::\d\d)?-(\d\d):?(\d\d)$").astype("float64")
    if hours.empty or hours.isna().any(axis=None):
        return False
    width = (60 * (hours[2] - hours[0]) + hours[3] - hours[1]) % 1440
    return bool(hours[[2, 3]].drop_duplicates().shape[0] >= 3 and width.nunique() == 1 and np.isfinite(width).all())
