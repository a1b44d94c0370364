"""Where the ticks of an axis stand, and what they say."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.charts.formatting import DAYS, LARGE, MINUS, MONTHS, THIN

EPOCH = pd.Timestamp(0, tz="UTC")
DAY = 86_400.0  # seconds

HOURS = (1, 2, 3, 6, 12)
DAY_STEPS = (1, 2, 7, 14)
MONTH_STEPS = (1, 2, 3, 6)
YEAR_STEPS = (1, 2, 5, 10, 20, 50, 100)


class Clock(NamedTuple):
    """How moments are shown: the zone, and whether only their dates mean anything."""

    zone: str
    dates_only: bool = False


class Tick(NamedTuple):
    """One mark of an axis: seconds since 1970 or a value, and its label."""

    at: float
    label: str


def clock_for(ds: pd.Series, freq: str, zone: str) -> Clock:
    """Daily and slower data show dates; in UTC unless every `ds` is a midnight of the zone."""
    moments = pd.DatetimeIndex(pd.to_datetime(ds, utc=True))
    if not is_calendar(freq):
        return Clock(zone)
    local = moments.tz_convert(zone)
    return Clock(zone if bool((local == local.normalize()).all()) else "UTC", dates_only=True)


def is_calendar(freq: str) -> bool:
    """True for days, business days, weeks, months, quarters and years: D, B, W-SUN, MS, QE-DEC, YE."""
    unit = freq.lstrip("0123456789").split("-")[0]
    return unit[:1] in {"D", "B", "W", "M", "Q", "Y", "A", "C", "S"} and unit not in {"S", "Min"}


def seconds(moments: pd.Series) -> np.ndarray:
    """Seconds since 1970 (n,), whatever unit the column has."""
    utc = pd.DatetimeIndex(pd.to_datetime(moments, utc=True))
    return np.asarray((utc - EPOCH) / pd.Timedelta(seconds=1), dtype=float)


def value_ticks(low: float, high: float, about: int = 4) -> list[Tick]:
    """Round values that enclose [low, high], `about` + 1 of them, with labels of equal precision."""
    if not high - low > 1e-9 * max(abs(low), abs(high)):  # constant, or closer than floats tell apart
        margin = 0.5 * abs(high) or 1.0
        low, high = (0.0, 2 * margin) if low >= 0 else (low - margin, high + margin)
    raw = (high - low) / about
    exponent = math.floor(math.log10(raw))
    step = next(base for base in (1, 2, 5, 10) if base * 10.0**exponent >= raw * 0.999) * 10.0**exponent
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    values = [index * step for index in range(first, last + 1)]
    return [Tick(value, label) for value, label in zip(values, _labels(values, step), strict=True)]


def _labels(values: list[float], step: float) -> list[str]:
    largest = max(abs(value) for value in values)
    unit, name = next(((u, f"{THIN}{n}") for u, n in LARGE if largest >= u), (1.0, ""))
    decimals = max(0, -math.floor(math.log10(step / unit) + 1e-9))
    if decimals > 3 and unit > 1:  # 1.000000001 bn says less than the whole number
        unit, name, decimals = 1.0, "", max(0, -math.floor(math.log10(step)))
    if decimals > 6 or largest >= 1e15:
        return [f"{value:.3g}".replace("-", MINUS) for value in values]
    texts = [f"{value / unit:,.{decimals}f}" for value in values]
    return [
        "0" if value == 0 else text.replace(",", THIN).replace("-", MINUS) + name
        for value, text in zip(values, texts, strict=True)
    ]


def time_ticks(start: float, end: float, clock: Clock, about: int) -> list[Tick]:
    """Round local moments in [start, end] (seconds since 1970): hours, midnights, months or years."""
    span = max(end - start, 1.0)
    low, high = (_wall(moment, clock.zone) for moment in (start, end))
    ladder: list[tuple[float, Iterator[tuple[pd.Timestamp, str]]]] = [
        *((3600.0 * k, _hours(low, high, k)) for k in HOURS if not clock.dates_only),
        *((DAY * k, _days(low, high, k)) for k in DAY_STEPS),
        *((DAY * 30.4 * k, _months(low, high, k)) for k in MONTH_STEPS),
        *((DAY * 365.25 * k, _years(low, high, k)) for k in YEAR_STEPS),
    ]
    marks = next((marks for step, marks in ladder if span / step <= about), ladder[-1][1])
    found: dict[float, str] = {}
    for wall, label in marks:
        moment = wall.tz_localize(clock.zone, ambiguous=True, nonexistent="shift_forward")
        at = float((moment - EPOCH) / pd.Timedelta(seconds=1))
        if start <= at <= end:
            found.setdefault(at, label)
    return [Tick(at, label) for at, label in sorted(found.items())]


def day_label(moment: float, clock: Clock) -> str:
    """The local day of a moment: Sat 30."""
    wall = _wall(moment, clock.zone)
    return f"{DAYS[wall.weekday()]} {wall.day}"


def _wall(moment: float, zone: str) -> pd.Timestamp:
    """Seconds since 1970 as the naive wall time of a zone."""
    return (EPOCH + pd.Timedelta(seconds=moment)).tz_convert(zone).tz_localize(None)


def _hours(low: pd.Timestamp, high: pd.Timestamp, k: int) -> Iterator[tuple[pd.Timestamp, str]]:
    for wall in pd.date_range(low.normalize(), high, freq=f"{k}h"):
        midnight = f"{DAYS[wall.weekday()]} {wall.day}"
        yield wall, f"{wall.hour:02d}:00" if wall.hour else midnight


def _days(low: pd.Timestamp, high: pd.Timestamp, k: int) -> Iterator[tuple[pd.Timestamp, str]]:
    for wall in pd.date_range(low.normalize(), high, freq="D"):
        if (wall.toordinal() - 1) % k == 0:  # day 1 of the calendar is a Monday, so weeks start there
            short = f"{DAYS[wall.weekday()]} {wall.day}"
            yield wall, short if k == 1 else f"{wall.day} {MONTHS[wall.month - 1]}"


def _months(low: pd.Timestamp, high: pd.Timestamp, k: int) -> Iterator[tuple[pd.Timestamp, str]]:
    for wall in pd.date_range(low.normalize().replace(day=1), high, freq="MS"):
        if (wall.month - 1) % k == 0:
            yield wall, MONTHS[wall.month - 1] if wall.month > 1 else str(wall.year)


def _years(low: pd.Timestamp, high: pd.Timestamp, k: int) -> Iterator[tuple[pd.Timestamp, str]]:
    for year in range(low.year - low.year % k, high.year + 1, k):
        yield pd.Timestamp(year=year, month=1, day=1), str(year)
