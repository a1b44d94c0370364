"""Season lengths and default lookback of a frequency; calendar and holiday features of timestamps."""

import re
from datetime import date

import holidays
import numpy as np
import pandas as pd

from data_contracts.errors import SpecError

# Letter of a calendar step: its season lengths and its default lookback, in steps.
CALENDAR_STEPS: dict[str, tuple[tuple[int, ...], int]] = {
    "D": ((7,), 56),
    "B": ((5,), 60),
    "W": ((52,), 104),
    "M": ((12,), 36),
    "Q": ((4,), 16),
    "Y": ((1,), 8),
}

# Names of `features.known` that are computed from the timestamp, and the period of each.
CYCLES: dict[str, int] = {
    "minute": 60,
    "hour": 24,
    "dayofweek": 7,
    "day": 31,
    "dayofyear": 366,
    "week": 53,
    "month": 12,
    "quarter": 4,
}
HARMONICS = 3  # sine and cosine pairs of each period


def _calendar_letter(freq: str) -> str:
    """D, B, W, M, Q or Y; business months (BMS) and the n-th Monday of each month (WOM-1MON) are months."""
    name = pd.tseries.frequencies.to_offset(freq).name.split("-")[0]
    return {"C": "B", "WOM": "M", "LWOM": "M"}.get(name) or re.sub("^C?B?([MQY])[SE]$", r"\1", name)


def is_calendar_step(freq: str) -> bool:
    """Return whether a step is a calendar unit (day, week, month …), so that a timestamp is a date, not an instant."""
    return not isinstance(pd.tseries.frequencies.to_offset(freq), pd.offsets.Tick)


def steps_a_day(freq: str) -> int:
    """Return the number of steps in a day; 1 if a step is a day or longer."""
    offset = pd.tseries.frequencies.to_offset(freq)
    return max(1, round(pd.Timedelta(days=1) / pd.Timedelta(offset))) if isinstance(offset, pd.offsets.Tick) else 1


def seasons(freq: str) -> tuple[int, ...]:
    """Return season lengths in steps, the shortest first: the day and the week for steps of hours or minutes."""
    offset = pd.tseries.frequencies.to_offset(freq)
    if isinstance(offset, pd.offsets.Tick):
        day = pd.Timedelta(days=1) / pd.Timedelta(offset)
        lengths = dict.fromkeys(round(length) for length in (day, 7 * day) if length >= 2)
        return tuple(lengths) or (1,)
    base = CALENDAR_STEPS.get(_calendar_letter(freq), ((1,), 8))[0]
    return tuple(max(1, round(length / offset.n)) for length in base)


def default_lookback(freq: str, horizon: int) -> int:
    """Return the default lookback in steps: one or more seasons, at least two horizons."""
    offset = pd.tseries.frequencies.to_offset(freq)
    if isinstance(offset, pd.offsets.Tick):
        return max(min(seasons(freq)[-1], 672), 2 * horizon)
    return max(CALENDAR_STEPS.get(_calendar_letter(freq), ((1,), 8))[1] // offset.n, 2 * horizon, 2)


def default_calendar_features(freq: str) -> tuple[str, ...]:
    """Return the calendar features that suit the frequency."""
    offset = pd.tseries.frequencies.to_offset(freq)
    if isinstance(offset, pd.offsets.Tick):
        return ("hour", "dayofweek") if pd.Timedelta(offset) <= pd.Timedelta(hours=12) else ("dayofweek",)
    return {"D": ("dayofweek", "month"), "B": ("dayofweek",), "W": ("week",), "M": ("month",), "Q": ("quarter",)}.get(
        _calendar_letter(freq), ()
    )


def local_times(times: pd.DatetimeIndex, freq: str, zone: str) -> pd.DatetimeIndex:
    """Convert times from UTC to the wall clock of a time zone.

    Args:
        times: UTC. Dates (calendar steps at midnight UTC) are not converted.
        freq: Step of the series, a pandas frequency.
        zone: IANA time zone.

    Returns:
        The times in the zone; dates in UTC.
    """
    dates = is_calendar_step(freq) and (times == times.normalize()).all()
    return times if dates else times.tz_convert(zone)


def wall_clock_steps(times: pd.DatetimeIndex, freq: str, zone: str) -> np.ndarray:
    """Number the steps since 1970 on the wall clock of a time zone: modulo a day, a number is an hour of the day.

    Args:
        times: UTC. Dates (calendar steps at midnight UTC) are not converted.
        freq: Step of the series, a pandas frequency.
        zone: IANA time zone.

    Returns:
        (steps,) int64.
    """
    local = local_times(times, freq, zone).tz_localize(None).as_unit("us")
    offset = pd.tseries.frequencies.to_offset(freq)
    if isinstance(offset, pd.offsets.Tick):
        return np.asarray(local.asi8 // round(pd.Timedelta(offset).total_seconds() * 1e6))
    days = local.asi8 // 86_400_000_000
    months = local.year.to_numpy() * 12 + local.month.to_numpy() - 1
    counted = {"W": days // 7, "M": months, "Q": months // 3, "Y": months // 12}
    counted["B"] = np.busday_count("1970-01-01", local.to_numpy().astype("datetime64[D]"))
    return np.asarray(counted.get(_calendar_letter(freq), days), dtype=np.int64) // offset.n


def is_calendar_word(name: str) -> bool:
    """Return whether a known covariate is computed from the timestamp instead of read from the source."""
    return name in CYCLES or name.startswith("holidays:")


def calendar_features(times: pd.DatetimeIndex, words: tuple[str, ...], freq: str, zone: str) -> np.ndarray:
    """Compute calendar features on the wall clock of a time zone.

    Args:
        times: UTC. Dates (calendar steps at midnight UTC) are not converted.
        words: Names of CYCLES, or `holidays:` and a country with or without a subdivision.
        freq: Step of the series, a pandas frequency.
        zone: IANA time zone.

    Returns:
        (steps, features) float32: HARMONICS pairs of sine and cosine for each cycle, 0 or 1 for holidays.

    Raises:
        SpecError: No holiday calendar is known for that country.
    """
    local = local_times(times, freq, zone)
    columns: list[np.ndarray] = []
    for word in words:
        if word.startswith("holidays:"):
            columns.append(_holiday(local, word.removeprefix("holidays:")))
            continue
        value = local.isocalendar().week.to_numpy() if word == "week" else getattr(local, word).to_numpy()
        for harmonic in range(1, HARMONICS + 1):
            angle = 2 * np.pi * harmonic * value.astype(float) / CYCLES[word]
            columns += [np.sin(angle), np.cos(angle)]
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((len(times), 0), np.float32)


def _holiday(local: pd.DatetimeIndex, region: str) -> np.ndarray:
    country, _, subdivision = region.partition("-")
    years = range(local.year.min(), local.year.max() + 1)
    try:
        named = holidays.country_holidays(country, subdiv=subdivision or None, years=years)
    except NotImplementedError as unknown:
        raise SpecError(f"features.known has 'holidays:{region}', but {unknown}") from unknown
    free: set[date] = set(named)
    days = pd.Series(local.date)
    return days.isin(free).to_numpy().astype(float)
