"""Zones that are written behind a time: an offset, letters such as UTC or CET, or an IANA name."""

import re
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd

HOURS_OF_LETTERS = {
    "UTC": 0, "GMT": 0, "UT": 0, "Z": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "MET": 1, "MEZ": 1, "CEST": 2,
    "MEST": 2, "MESZ": 2, "EET": 2, "EEST": 3, "MSK": 3, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7,
    "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10, "SAST": 2, "JST": 9, "KST": 9, "AWST": 8,
    "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13,
}  # fmt: skip
"""Offsets; EST to PDT as in RFC 5322. Letters with several meanings in common use, such as IST, are left out."""
ZONES_OF_LETTERS = {
    "ET": "America/New_York",
    "CT": "America/Chicago",
    "MT": "America/Denver",
    "PT": "America/Los_Angeles",
}
CLOCK = r"\d(?::\d\d)+(?:[.,]\d+)?(?:\s?[AaPp]\.?\s?[Mm]\.?)?"  # the end of a time of day
NUMERIC = r"[+-]\d\d?(?::?\d\d)?"
NAME = r"[A-Z][A-Za-z]+(?:/[A-Za-z0-9_+-]+)+"
BRACKETS = re.compile(r"\s*\([^()]*\)\s*$")  # Mon Jan 01 2024 00:00:00 GMT+0100 (Central European Standard Time)
ZONE = re.compile(
    rf"(?:(?<=\d)[Zz]|(?P<clock>{CLOCK})\s*(?P<offset>{NUMERIC})|\s?(?P<letters>[A-Z]{{1,4}})(?P<shift>{NUMERIC})?)?"
    rf"\s?(?:\[(?P<name>{NAME})\]|(?<=\s)(?P<bare>{NAME}))?$"
)
ZONE_BEFORE_YEAR = re.compile(rf"({CLOCK})\s+([A-Z]{{1,4}}|{NUMERIC})\s+(\d{{4}})$")  # Mon Jan  1 13:00:00 UTC 2024
LETTERS_AT_END = r"[\d\s][A-Z]{1,4}(?:[+-]\d\d?(?::?\d\d)?)?\s*$|\]\s*$|/[A-Za-z_]+\s*$"


class ZonedText(NamedTuple):
    """Times without their zones, and each zone: the offset from UTC in minutes (NaN: none) or an IANA name."""

    text: pd.Series
    minutes: pd.Series
    name: pd.Series


def split_zones(times: pd.Series) -> ZonedText:
    """Split the zone from the end of each time.

    Args:
        times: Distinct times as text.

    Returns:
        The text before the zone, and the zone. Text without a zone is unchanged.
    """
    parts = [_split_zone(text) if isinstance(text, str) else (text, None, None) for text in times]
    return ZonedText(
        pd.Series([text for text, _, _ in parts], index=times.index, dtype="str"),
        pd.Series([minutes for _, minutes, _ in parts], index=times.index, dtype="float64"),
        pd.Series([name for _, _, name in parts], index=times.index, dtype="object"),
    )


def _split_zone(text: str) -> tuple[str, float | None, str | None]:
    text = BRACKETS.sub("", text)
    text = ZONE_BEFORE_YEAR.sub(r"\1 \3 \2", text) if text[-4:].isdigit() else text
    if re.search(rf"{CLOCK} \d{{4}} {NUMERIC}$", text):
        before, _, offset = text.rpartition(" ")
        return before, _minutes(offset), None
    match = ZONE.search(text)
    if match is None or not match[0].strip():
        return text, None, None
    before = (text[: match.end("clock")] if match["clock"] else text[: match.start()]).rstrip()
    zone = _zone_of(match)
    return (before, *zone) if zone else (text, None, None)


def _zone_of(match: re.Match[str]) -> tuple[float | None, str | None] | None:
    """Return the offset in minutes or the name of a zone; None for letters such as AM that are not a zone."""
    letters, name = match["letters"], match["name"] or match["bare"]
    if match["offset"]:
        return _minutes(match["offset"]), None
    if letters in HOURS_OF_LETTERS:
        return 60.0 * HOURS_OF_LETTERS[letters] + _minutes(match["shift"] or "+00"), None
    if letters:
        return (None, ZONES_OF_LETTERS[letters]) if letters in ZONES_OF_LETTERS else None
    if name:
        return (None, name) if _is_zone(name) else None
    return 0.0, None


def _minutes(offset: str) -> float:
    digits = offset[1:].replace(":", "")
    hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")
    return (-1 if offset[0] == "-" else 1) * (60.0 * int(hours) + int(minutes))


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def to_offsets(wall: pd.Series, zones: ZonedText) -> pd.Series:
    """Return the offset from UTC of each wall time as a timedelta; NaT for a time without a zone.

    A wall time that the clock of its named zone shows twice has the offset of summer; one that it skips has none.
    """
    offsets = pd.to_timedelta(zones.minutes, unit="m")
    for name in zones.name.dropna().unique():
        rows = zones.name == name
        local = wall[rows].dt.tz_localize(name, ambiguous=[True] * int(rows.sum()), nonexistent="NaT")
        offsets[rows] = wall[rows] - local.dt.tz_convert("UTC").dt.tz_localize(None)
    return offsets


def has_written_zone(values: pd.Series) -> pd.Series:
    """Return which text ends with the letters or the name of a zone; a missing value has none."""
    suspects = values.str.contains(LETTERS_AT_END, na=False)
    if not suspects.any():
        return suspects
    distinct = pd.Series(values[suspects].unique(), dtype="str")
    zones = split_zones(distinct.str.strip())
    zoned = dict(zip(distinct, zones.minutes.notna() | zones.name.notna(), strict=True))
    return suspects & values.map(zoned).fillna(False).astype(bool)
