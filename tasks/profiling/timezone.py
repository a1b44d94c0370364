"""The zone of the clock by which an unknown table counts its hours."""

from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa

from tasks.profiling.column_types import MOSTLY
from tasks.profiling.inference import Hints, Inference, join_names
from tasks.profiling.time_column import Times, plain
from tasks.sources.timestamps import OFFSET

ZONES = (  # where several have the same clock, the first is named
    "Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "America/Halifax", "America/Sao_Paulo", "Australia/Melbourne", "Australia/Adelaide",
    "Pacific/Auckland", "Asia/Jerusalem", "Europe/Lisbon", "America/Anchorage", "America/Santiago",
)  # fmt: skip
CLOCKS = ("America/Chicago", "Europe/Berlin", "Europe/London", "Australia/Melbourne")  # each with nights of its own


def infer_timezone(table: pa.Table, times: Times, hints: Hints) -> tuple[Inference, str, bool]:
    """(what was found, the zone of the clock that people go by, whether stamps carry a zone or an offset)."""
    values = table[times.column]
    zone = values.type.tz if pa.types.is_timestamp(values.type) else None
    if hints.timezone:
        return Inference("zone", hints.timezone, "given", ""), hints.timezone, zone is not None
    if zone and zone.upper() not in ("UTC", "+00:00", "ETC/UTC", "Z"):
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError):
            return Inference("zone", "UTC", "sure", f"times are stored as {zone}"), "UTC", True
        return Inference("zone", zone, "sure", "the column says so"), zone, True
    if zone or times.epoch:
        why = f"{'the column says so' if zone else 'they count since 1970'}; days begin elsewhere? --timezone"
        return Inference("zone", "UTC", "sure", why), "UTC", True
    text = plain(values)
    if pd.api.types.is_string_dtype(text) and text.str.contains(OFFSET, na=False).mean() > MOSTLY:
        return _of_offsets(text, times.values)
    return _of_no_zone(times.values)


def _of_offsets(text: pd.Series, instants: pd.Series) -> tuple[Inference, str, bool]:
    told = text.str.extract(r"([Zz]|[+-]\d\d(?::?\d\d)?)\s*$")[0].str.upper().replace("Z", "+00")
    digits = told.str.replace(":", "", regex=False)
    minutes = pd.to_numeric(digits.str[1:3]) * 60 + pd.to_numeric(digits.str[3:5]).fillna(0)
    offset = minutes.where(digits.str[0] != "-", -minutes)
    known = pd.DataFrame({"instant": instants, "offset": offset}).dropna()
    seen = sorted(known["offset"].unique())
    if seen == [0]:
        return Inference("zone", "UTC", "sure", "every time ends with Z or +00:00"), "UTC", True
    written = ", ".join(f"{'-' if one < 0 else '+'}{abs(one) // 60:02.0f}:{abs(one) % 60:02.0f}" for one in seen[:4])
    few = known.groupby("offset").sample(n=300, replace=True, random_state=0) if len(seen) < 5 else known.iloc[:0]
    fitting = [zone for zone in ZONES if len(seen) > 1 and _keeps(few, zone)]
    if fitting:
        why = f"the only clock of {len(ZONES)} with offsets {written} on these days" if len(fitting) == 1 else (
            f"offsets {written} are also those of {join_names(fitting[1:], 3)}")  # fmt: skip
        return Inference("zone", fitting[0], "likely", why), fitting[0], True
    why = f"offsets {written} are of no single place known here; times are right, say where days begin: --timezone"
    return Inference("zone", "UTC", "unsure", why), "UTC", True


def _keeps(known: pd.DataFrame, zone: str) -> bool:
    local = known["instant"].dt.tz_convert(zone).dt.tz_localize(None)
    gap = (local - known["instant"].dt.tz_localize(None)).dt.total_seconds() / 60
    return bool(len(known)) and bool((gap == known["offset"]).all())


def _of_no_zone(times: pd.Series) -> tuple[Inference, str, bool]:
    """A clock that skips an hour each spring is local; which one, only a person knows."""
    hours = pd.DatetimeIndex(times.dropna().unique()).tz_localize(None)
    changing = next((zone for zone in CLOCKS if _skips(hours, zone)), None)
    if changing is None:
        return Inference("zone", "UTC", "likely", "times carry none; a local clock? --timezone"), "UTC", False
    why = (
        f"times carry none, and skip an hour in spring like {changing}; read as one clock without changes, which keeps "
        "every row. Instants wanted? --timezone"
    )
    return Inference("zone", "UTC", "likely", why), "UTC", False


def _skips(hours: pd.DatetimeIndex, zone: str) -> bool:
    """Whether the hours that never were in `zone` lack, and the ones around them are there."""
    if len(hours) < 2:
        return False
    days = pd.date_range(hours.min().ceil("D"), hours.max().floor("D"), freq="D")
    every = days.repeat(5) + pd.to_timedelta(list(range(5)) * len(days), unit="h")
    valid = every.tz_localize(zone, nonexistent="NaT", ambiguous=[True] * len(every)).notna()
    never = every[~valid]
    around = never[(never - pd.Timedelta(hours=1)).isin(hours) & (never + pd.Timedelta(hours=1)).isin(hours)]
    return len(around) > 0 and not around.isin(hours).any()
