"""Local midnights that are stored as instants in UTC: 22:00 in summer and 23:00 in winter are days of Berlin."""

from zoneinfo import available_timezones

import numpy as np
import pandas as pd

COMMON_ZONES = (  # of several zones with the same midnights, the first is named
    "Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "America/Halifax", "America/Sao_Paulo", "Australia/Sydney", "Australia/Adelaide",
    "Pacific/Auckland", "Asia/Jerusalem", "America/Anchorage", "America/Santiago",
)  # fmt: skip
MIN_MIDNIGHT_SHARE = 0.95  # of the distinct times; a few rows may be wrong
MAX_SAMPLED_TIMES = 2_000
CLOCK_CHANGES = (pd.Timedelta(minutes=30), pd.Timedelta(hours=1))
MIN_TIMES = 10


def find_midnight_zones(times: pd.Series) -> tuple[str, ...]:
    """Find the time zones in which the times are midnights.

    Args:
        times: Instants, in UTC or as naive times in UTC.

    Returns:
        The zones, common ones first. Empty if the times have one hour of the day only, which may be an hour of UTC, or
        if no zone fits.
    """
    distinct = pd.Series(times.dropna().unique())
    if distinct.dt.tz is None:
        distinct = distinct.dt.tz_localize("UTC")
    if not _change_with_the_clock(distinct):
        return ()
    sample = pd.DatetimeIndex(distinct.iloc[:: max(1, len(distinct) // MAX_SAMPLED_TIMES)])
    common = tuple(zone for zone in COMMON_ZONES if are_midnights(sample, zone))
    return common or tuple(
        zone for zone in sorted(available_timezones()) if "/" in zone and are_midnights(sample, zone)
    )


def are_midnights(times: pd.DatetimeIndex, zone: str) -> bool:
    """Return whether nearly all of the instants are midnights of a zone, or the first moment of a day without one."""
    local = times.tz_convert(zone).tz_localize(None)
    return bool((local == local.normalize()).mean() >= MIN_MIDNIGHT_SHARE)


def are_utc_midnights(naive: pd.Series, zone: str) -> bool:
    """Return whether naive dates are midnights of `zone` that were written in UTC, at two hours of the day."""
    distinct = pd.Series(naive.dropna().unique())
    if not len(distinct) or zone == "UTC" or not _change_with_the_clock(distinct.dt.tz_localize("UTC")):
        return False
    return are_midnights(pd.DatetimeIndex(distinct).tz_localize("UTC"), zone)


def _change_with_the_clock(times: pd.Series) -> bool:
    """Return whether nearly all times have one of two times of the day, not at 00:00, that a clock change separates."""
    if len(times) < MIN_TIMES:
        return False
    clock = times - times.dt.normalize()
    counts = clock.value_counts()
    if len(counts) < 2 or counts.iloc[:2].sum() < MIN_MIDNIGHT_SHARE * len(times):
        return False
    first, second = counts.index[:2]
    away = abs(first - second)
    return bool(np.isin(min(away, pd.Timedelta(days=1) - away), CLOCK_CHANGES))


def advise_zone(times: pd.Series) -> str:
    """Return what to do about times that are midnights of a zone, for a message; empty if they are not."""
    zones = find_midnight_zones(times)
    if not zones:
        return ""
    others = f" (or {', '.join(zones[1:3])})" if len(zones) > 1 else ""
    return f"the times are midnights of {zones[0]}{others} in UTC: set source.timezone to it, in init --timezone"
