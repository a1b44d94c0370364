"""Infers the time zone: from the type, offsets, midnights stored in UTC, or the hour that a clock skips in spring."""

from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from tasks.profiling.column_types import MIN_MATCHING_SHARE
from tasks.profiling.inference import Hints, Inference, join_names
from tasks.profiling.time_column import TimeColumn, to_pandas
from tasks.sources.times.local_midnight import find_midnight_zones
from tasks.sources.times.timestamps import OFFSET

ZONES = (  # of several zones with the same offsets, the first is taken
    "Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "America/Halifax", "America/Sao_Paulo", "Australia/Melbourne", "Australia/Adelaide",
    "Pacific/Auckland", "Asia/Jerusalem", "Europe/Lisbon", "America/Anchorage", "America/Santiago",
)  # fmt: skip
ZONES_BY_CLOCK_CHANGE = ("America/Chicago", "Europe/Berlin", "Europe/London", "Australia/Melbourne")
SAMPLED_TIMES_PER_OFFSET = 300


class TimezoneInference(NamedTuple):
    """The zone of the local clock, whether the times carry a zone or an offset, and the evidence."""

    zone: str
    zoned: bool
    inference: Inference


def infer_timezone(table: pa.Table, times: TimeColumn, hints: Hints) -> TimezoneInference:
    """Infer the zone of the clock in which days begin.

    Args:
        table: The whole table.
        times: The time column.
        hints: What the user states.

    Returns:
        The zone, UTC if it cannot be inferred, with the evidence.
    """
    values = table[times.column]
    zone = values.type.tz if pa.types.is_timestamp(values.type) else None
    if hints.timezone:
        return TimezoneInference(hints.timezone, zone is not None, Inference("zone", hints.timezone, "given", ""))
    if zone and zone.upper() not in ("UTC", "+00:00", "ETC/UTC", "Z"):
        return _zone_of_type(zone)
    if midnights := find_midnight_zones(times.values):
        return _zone_of_midnights(midnights)
    if zone or times.epoch:
        evidence = f"{'the type of the column' if zone else 'Unix timestamps'}; for days of another zone: --timezone"
        return TimezoneInference("UTC", True, Inference("zone", "UTC", "sure", evidence))
    text = to_pandas(values)
    if pd.api.types.is_string_dtype(text) and text.str.contains(OFFSET, na=False).mean() > MIN_MATCHING_SHARE:
        return _infer_from_offsets(text, times.values)
    return _infer_from_clock_changes(times.values)


def _zone_of_type(zone: str) -> TimezoneInference:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError):
        return TimezoneInference("UTC", True, Inference("zone", "UTC", "sure", f"times are stored as {zone}"))
    return TimezoneInference(zone, True, Inference("zone", zone, "sure", "the type of the column"))


def _zone_of_midnights(zones: tuple[str, ...]) -> TimezoneInference:
    others = f"; the same as {join_names(zones[1:], 3)}, choose with --timezone" if len(zones) > 1 else ""
    evidence = f"the times are midnights of this zone{others}"
    return TimezoneInference(zones[0], True, Inference("zone", zones[0], "likely", evidence))


def _infer_from_offsets(text: pd.Series, instants: pd.Series) -> TimezoneInference:
    """Choose a zone that has the offsets of the text at these instants."""
    suffix = text.str.extract(r"([Zz]|[+-]\d\d(?::?\d\d)?)\s*$")[0].str.upper().replace("Z", "+00")
    digits = suffix.str.replace(":", "", regex=False)
    minutes = pd.to_numeric(digits.str[1:3]) * 60 + pd.to_numeric(digits.str[3:5]).fillna(0)
    offset = minutes.where(digits.str[0] != "-", -minutes)
    known = pd.DataFrame({"instant": instants, "offset": offset}).dropna()
    offsets = sorted(known["offset"].unique())
    if offsets == [0]:
        inference = Inference("zone", "UTC", "sure", "every time ends with Z or +00:00")
        return TimezoneInference("UTC", True, inference)
    shown = ", ".join(_format_offset(minutes) for minutes in offsets[:4])
    sample = known.iloc[:0]
    if len(offsets) < 5:
        sample = known.groupby("offset").sample(n=SAMPLED_TIMES_PER_OFFSET, replace=True, random_state=0)
    matching = [zone for zone in ZONES if len(offsets) > 1 and _has_offsets(sample, zone)]
    if matching:
        evidence = (
            f"the only one of {len(ZONES)} known zones with offsets {shown} on these days"
            if len(matching) == 1
            else f"offsets {shown}; the same as {join_names(matching[1:], 3)}"
        )
        return TimezoneInference(matching[0], True, Inference("zone", matching[0], "likely", evidence))
    evidence = f"offsets {shown} match no known zone; the times are right, for days of another zone: --timezone"
    return TimezoneInference("UTC", True, Inference("zone", "UTC", "unsure", evidence))


def _format_offset(minutes: float) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02.0f}:{abs(minutes) % 60:02.0f}"


def _has_offsets(known: pd.DataFrame, zone: str) -> bool:
    """Whether a zone has the offset (minutes) of every row at its instant."""
    local = known["instant"].dt.tz_convert(zone).dt.tz_localize(None)
    offset = (local - known["instant"].dt.tz_localize(None)).dt.total_seconds() / 60
    return bool(len(known)) and bool((offset == known["offset"]).all())


def _infer_from_clock_changes(times: pd.Series) -> TimezoneInference:
    """Detect a local clock by the hour it skips each spring; only the user can tell which zone it is."""
    hours = pd.DatetimeIndex(times.dropna().unique()).tz_localize(None)
    changing = next((zone for zone in ZONES_BY_CLOCK_CHANGE if _skips_spring_hours(hours, zone)), None)
    evidence = "times have no zone; if they are local, name it with --timezone"
    if changing:
        evidence = (
            f"times have no zone, and skip an hour in spring like {changing}; they are read as a clock without "
            "changes, which keeps every row. To read them as local times: --timezone"
        )
    return TimezoneInference("UTC", False, Inference("zone", "UTC", "likely", evidence))


def _skips_spring_hours(hours: pd.DatetimeIndex, zone: str) -> bool:
    """Whether the local hours that do not exist in `zone` are missing while the hours around them are present."""
    if len(hours) < 2:
        return False
    days = hours.floor("D").unique()
    night = days.repeat(5) + np.tile(np.arange(5) * np.timedelta64(1, "h"), len(days))
    exists = night.tz_localize(zone, nonexistent="NaT", ambiguous=[True] * len(night)).notna()
    skipped = night[~exists]
    surrounded = skipped[(skipped - pd.Timedelta(hours=1)).isin(hours) & (skipped + pd.Timedelta(hours=1)).isin(hours)]
    return len(surrounded) > 0 and not surrounded.isin(hours).any()
