"""Which column is the time of an unknown table, and the zone of its clock."""

from typing import NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa

from tasks._guess_kinds import MOSTLY, TIME_WORDS, Told, epoch_unit, times_of, words_of
from tasks._guess_words import Finding, Hints, Unguessable, known_column, listed, percent
from tasks._source import SourceSpec
from tasks.ingestion import OFFSET

BOOKKEEPING = {"created", "updated", "modified", "loaded", "inserted", "ingested", "known", "exported", "local", "at"}
ZONES = (  # where several have the same clock, the first is named
    "Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "America/Halifax", "America/Sao_Paulo", "Australia/Melbourne", "Australia/Adelaide",
    "Pacific/Auckland", "Asia/Jerusalem", "Europe/Lisbon", "America/Anchorage", "America/Santiago",
)  # fmt: skip
CLOCKS = ("America/Chicago", "Europe/Berlin", "Europe/London", "Australia/Melbourne")  # each with nights of its own


class Times(NamedTuple):
    """The time column, its values in UTC (NaT where one is none), and what tells that it is the time."""

    column: str
    values: pd.Series
    finding: Finding


def time_of(table: pa.Table, kinds: dict[str, Told], source: SourceSpec, hints: Hints) -> Times:
    """Raises SpecError for a hint that is no column, Unguessable where no column, or the hinted one, is a time."""
    if hints.time:
        name = known_column(hints.time, kinds, "--time", source.shown)
    else:
        candidates = [one.name for one in kinds.values() if one.holds == "time"]
        if not candidates:
            raise Unguessable(_no_time(table, kinds, source))
        name = min(candidates, key=lambda one: _rank(one, table, kinds))
    values = _plain(table[name])
    found = times_of(values, source)
    share = float(found.notna().mean()) if len(found) else 0.0
    if share < MOSTLY:
        raise Unguessable(_unread(name, values, found, kinds[name], source))
    return Times(name, found, _finding(name, found, share, kinds, hints))


def _plain(values: pa.ChunkedArray) -> pd.Series:
    kind = values.type
    return (values.cast(kind.value_type) if pa.types.is_dictionary(kind) else values).to_pandas()


def _rank(name: str, table: pa.Table, kinds: dict[str, Told]) -> tuple[object, ...]:
    """Least is best: no bookkeeping, then the finest stamps, then a file that says itself that they are times."""
    words = words_of(name)
    distinct = table[name].slice(0, 100_000).unique()
    known = len(distinct) - bool(distinct.null_count)
    return (bool(words & BOOKKEEPING), -known, not kinds[name].typed, not words & TIME_WORDS)


def _finding(name: str, found: pd.Series, share: float, kinds: dict[str, Told], hints: Hints) -> Finding:
    order = ", sorted" if found.dropna().is_monotonic_increasing else ""
    others = [one.name for one in kinds.values() if one.holds == "time" and one.name != name]
    parses = "is a time" if kinds[name].typed else "parses"
    why = f"{parses} in {percent(share)} of rows{order}"
    why += f"; so does {listed(others)}: choose with --time" if others else ""
    sure = "given" if hints.time else "sure" if share == 1 and not others else "likely"
    return Finding("time", name, sure, why)


def _no_time(table: pa.Table, kinds: dict[str, Told], source: SourceSpec) -> str:
    """Numbers that may be times get a sentence of their own, for they can be helped."""
    for one in kinds.values():
        if one.holds == "epoch":
            return _epoch(one.name, _plain(table[one.name]), source)
    columns = listed([repr(name) for name in table.column_names], 12)
    return (
        f"{source.shown} has no column that reads as a time; its {table.num_columns} columns: {columns}. A row needs "
        "its time, as 2024-01-31 or 2024-01-31 13:00: add such a column, or say which one it is with --time."
    )


def _unread(name: str, values: pd.Series, found: pd.Series, told: Told, source: SourceSpec) -> str:
    if told.holds == "epoch":
        return _epoch(name, values, source)
    wrong = values[found.isna()]
    first = repr(wrong.iloc[0]) if len(wrong) else "nothing"
    return (
        f"column {name!r} of {source.shown} is no time: {len(wrong):,} of {len(values):,} rows can't be read as one, "
        f"the first is {first}. Write times as 2024-01-31 13:00, or name another column with --time."
    )


def _epoch(name: str, values: pd.Series, source: SourceSpec) -> str:
    numbers = pd.to_numeric(values, errors="coerce").dropna()
    unit = epoch_unit(numbers, name) or "s"
    first = pd.Timestamp(int(numbers.iloc[0]), unit=unit)
    return (
        f"column {name!r} of {source.shown} holds numbers such as {numbers.iloc[0]:.0f}: {unit} since 1970, as in "
        f"{first:%Y-%m-%d %H:%M:%S}? A number is no time to Nightcast, for it says neither unit nor zone. Write the "
        f'column as times, with pandas as pd.to_datetime(table[{name!r}], unit="{unit}", utc=True).'
    )


def zone_of(table: pa.Table, times: Times, hints: Hints) -> tuple[Finding, str, bool]:
    """(what was found, the zone of the clock that people go by, whether stamps carry a zone or an offset)."""
    values = table[times.column]
    zone = values.type.tz if pa.types.is_timestamp(values.type) else None
    if hints.timezone:
        return Finding("zone", hints.timezone, "given", ""), hints.timezone, zone is not None
    if zone and zone.upper() not in ("UTC", "+00:00", "ETC/UTC", "Z"):
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError):
            return Finding("zone", "UTC", "sure", f"times are stored as {zone}"), "UTC", True
        return Finding("zone", zone, "sure", "the column says so"), zone, True
    if zone:
        return Finding("zone", "UTC", "sure", "the column says so; days begin elsewhere? --timezone"), "UTC", True
    text = _plain(values)
    if pd.api.types.is_string_dtype(text) and text.str.contains(OFFSET, na=False).mean() > MOSTLY:
        return _of_offsets(text, times.values)
    return _of_no_zone(times.values)


def _of_offsets(text: pd.Series, instants: pd.Series) -> tuple[Finding, str, bool]:
    told = text.str.extract(r"([Zz]|[+-]\d\d(?::?\d\d)?)\s*$")[0].str.upper().replace("Z", "+00")
    digits = told.str.replace(":", "", regex=False)
    minutes = pd.to_numeric(digits.str[1:3]) * 60 + pd.to_numeric(digits.str[3:5]).fillna(0)
    offset = minutes.where(digits.str[0] != "-", -minutes)
    known = pd.DataFrame({"instant": instants, "offset": offset}).dropna()
    seen = sorted(known["offset"].unique())
    if seen == [0]:
        return Finding("zone", "UTC", "sure", "every time ends with Z or +00:00"), "UTC", True
    written = ", ".join(f"{'-' if one < 0 else '+'}{abs(one) // 60:02.0f}:{abs(one) % 60:02.0f}" for one in seen[:4])
    few = known.groupby("offset").sample(n=300, replace=True, random_state=0) if len(seen) < 5 else known.iloc[:0]
    fitting = [zone for zone in ZONES if len(seen) > 1 and _keeps(few, zone)]
    if fitting:
        why = f"the only clock of {len(ZONES)} with offsets {written} on these days" if len(fitting) == 1 else (
            f"offsets {written} are also those of {listed(fitting[1:], 3)}")  # fmt: skip
        return Finding("zone", fitting[0], "likely", why), fitting[0], True
    why = f"offsets {written} are of no single place known here; times are right, say where days begin: --timezone"
    return Finding("zone", "UTC", "unsure", why), "UTC", True


def _keeps(known: pd.DataFrame, zone: str) -> bool:
    local = known["instant"].dt.tz_convert(zone).dt.tz_localize(None)
    gap = (local - known["instant"].dt.tz_localize(None)).dt.total_seconds() / 60
    return bool(len(known)) and bool((gap == known["offset"]).all())


def _of_no_zone(times: pd.Series) -> tuple[Finding, str, bool]:
    """A clock that skips an hour each spring is local; which one, only a person knows."""
    hours = pd.DatetimeIndex(times.dropna().unique()).tz_localize(None)
    changing = next((zone for zone in CLOCKS if _skips(hours, zone)), None)
    if changing is None:
        return Finding("zone", "UTC", "likely", "times carry none; a local clock? --timezone"), "UTC", False
    why = (
        f"times carry none, and skip an hour in spring like {changing}; read as one clock without changes, which keeps "
        "every row. Instants wanted? --timezone"
    )
    return Finding("zone", "UTC", "likely", why), "UTC", False


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
