"""Tick positions and labels of value axes and time axes."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.data.calendar import is_calendar_step
from tasks.charts.formatting import DAY_NAMES, MINUS, MONTH_NAMES, THIN_SPACE, UNITS

EPOCH = pd.Timestamp(0, tz="UTC")
SECONDS_PER_DAY = 86_400.0

HOUR_STEPS = (1, 2, 3, 6, 12)
DAY_STEPS = (1, 2, 7, 14)
MONTH_STEPS = (1, 2, 3, 6)
YEAR_STEPS = (1, 2, 5, 10, 20, 50, 100)


class Clock(NamedTuple):
    """How times are displayed: the time zone, and whether only the date is shown."""

    zone: str
    dates_only: bool = False


class Tick(NamedTuple):
    """One tick of an axis: its position (a value, or seconds since 1970) and its label."""

    at: float
    label: str


def choose_clock(ds: pd.Series, freq: str, zone: str) -> Clock:
    """Choose how the times of a chart are displayed.

    Args:
        ds: UTC timestamps, (n,).
        freq: The pandas frequency of the series.
        zone: The time zone of the pipeline.

    Returns:
        Times in `zone` for steps of hours or less. Dates for daily and slower steps: in `zone` if every `ds` is a
        midnight there, otherwise in UTC, so that data stamped at UTC midnight keep their own date.
    """
    times = pd.DatetimeIndex(pd.to_datetime(ds, utc=True))
    if not is_calendar_step(freq):
        return Clock(zone)
    local = times.tz_convert(zone)
    return Clock(zone if bool((local == local.normalize()).all()) else "UTC", dates_only=True)


def epoch_seconds(times: pd.Series) -> np.ndarray:
    """Convert timestamps of any unit to seconds since 1970, (n,)."""
    utc = pd.DatetimeIndex(pd.to_datetime(times, utc=True))
    return np.asarray((utc - EPOCH) / pd.Timedelta(seconds=1), dtype=float)


def value_ticks(low: float, high: float, about: int = 4) -> list[Tick]:
    """Return about `about` + 1 round values that enclose [low, high], with labels of equal precision."""
    if not high - low > 1e-9 * max(abs(low), abs(high)):  # constant, or too close for floats to distinguish
        margin = 0.5 * abs(high) or 1.0
        low, high = (0.0, 2 * margin) if low >= 0 else (low - margin, high + margin)
    raw = (high - low) / about
    exponent = math.floor(math.log10(raw))
    step = next(base for base in (1, 2, 5, 10) if base * 10.0**exponent >= raw * 0.999) * 10.0**exponent
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    values = [index * step for index in range(first, last + 1)]
    return [Tick(value, label) for value, label in zip(values, _value_labels(values, step), strict=True)]


def _value_labels(values: list[float], step: float) -> list[str]:
    largest = max(abs(value) for value in values)
    unit, name = next(((size, f"{THIN_SPACE}{name}") for size, name in UNITS if largest >= size), (1.0, ""))
    decimals = max(0, -math.floor(math.log10(step / unit) + 1e-9))
    if decimals > 3 and unit > 1:  # 1.000000001 bn is harder to read than the whole number
        unit, name, decimals = 1.0, "", max(0, -math.floor(math.log10(step)))
    if decimals > 6 or largest >= 1e15:
        return [f"{value:.3g}".replace("-", MINUS) for value in values]
    texts = [f"{value / unit:,.{decimals}f}" for value in values]
    return [
        "0" if value == 0 else text.replace(",", THIN_SPACE).replace("-", MINUS) + name
        for value, text in zip(values, texts, strict=True)
    ]


def time_ticks(start: float, end: float, clock: Clock, about: int) -> list[Tick]:
    """Return at most about `about` ticks at local hours, midnights, months or years.

    Args:
        start: First time of the axis, in seconds since 1970.
        end: Last time of the axis, in seconds since 1970.
        clock: The zone in which the ticks are round. Hours are not used if it shows dates only.
        about: Number of labels that fit on the axis; it selects the distance between ticks.

    Returns:
        Ticks in [start, end], in seconds since 1970, in rising order.
    """
    span = max(end - start, 1.0)
    low, high = (_local_time(seconds, clock.zone) for seconds in (start, end))
    candidates: list[tuple[float, Iterator[tuple[pd.Timestamp, str]]]] = [
        *((3600.0 * step, _hours(low, high, step)) for step in HOUR_STEPS if not clock.dates_only),
        *((SECONDS_PER_DAY * step, _days(low, high, step)) for step in DAY_STEPS),
        *((SECONDS_PER_DAY * 30.4 * step, _months(low, high, step)) for step in MONTH_STEPS),
        *((SECONDS_PER_DAY * 365.25 * step, _years(low, high, step)) for step in YEAR_STEPS),
    ]
    local_ticks = next((ticks for distance, ticks in candidates if span / distance <= about), candidates[-1][1])
    labels: dict[float, str] = {}
    for local, label in local_ticks:
        instant = local.tz_localize(clock.zone, ambiguous=True, nonexistent="shift_forward")
        at = float((instant - EPOCH) / pd.Timedelta(seconds=1))
        if start <= at <= end:
            labels.setdefault(at, label)
    return [Tick(at, label) for at, label in sorted(labels.items())]


def day_label(seconds: float, clock: Clock) -> str:
    """Return the local day of a time in seconds since 1970, for example "Sat 30"."""
    return _short_day(_local_time(seconds, clock.zone))


def _local_time(seconds: float, zone: str) -> pd.Timestamp:
    """Convert seconds since 1970 to the naive local time of a zone."""
    return (EPOCH + pd.Timedelta(seconds=seconds)).tz_convert(zone).tz_localize(None)


def _short_day(local: pd.Timestamp) -> str:
    return f"{DAY_NAMES[local.weekday()]} {local.day}"


def _hours(low: pd.Timestamp, high: pd.Timestamp, step: int) -> Iterator[tuple[pd.Timestamp, str]]:
    for local in pd.date_range(low.normalize(), high, freq=f"{step}h"):
        yield local, f"{local.hour:02d}:00" if local.hour else _short_day(local)


def _days(low: pd.Timestamp, high: pd.Timestamp, step: int) -> Iterator[tuple[pd.Timestamp, str]]:
    for local in pd.date_range(low.normalize(), high, freq="D"):
        if (local.toordinal() - 1) % step == 0:  # ordinal 1 is a Monday, so steps of a week start on Mondays
            yield local, _short_day(local) if step == 1 else f"{local.day} {MONTH_NAMES[local.month - 1]}"


def _months(low: pd.Timestamp, high: pd.Timestamp, step: int) -> Iterator[tuple[pd.Timestamp, str]]:
    for local in pd.date_range(low.normalize().replace(day=1), high, freq="MS"):
        if (local.month - 1) % step == 0:
            yield local, MONTH_NAMES[local.month - 1] if local.month > 1 else str(local.year)


def _years(low: pd.Timestamp, high: pd.Timestamp, step: int) -> Iterator[tuple[pd.Timestamp, str]]:
    for year in range(low.year - low.year % step, high.year + 1, step):
        yield pd.Timestamp(year=year, month=1, day=1), str(year)
