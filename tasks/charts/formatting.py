"""Numbers, times and names as text. Independent of the locale: the same input gives the same text on every machine."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

THIN_SPACE = "\u202f"  # narrow and non-breaking: a number is never split over two lines
MINUS = "\u2212"
MISSING = "–"  # a table cell without a value

DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
UNITS = ((1e12, "tn"), (1e9, "bn"), (1e6, "M"))


def number(value: Any) -> float:
    """Convert a table cell to a float; a missing or non-numeric value becomes NaN."""
    if value is None or value is pd.NA or value is pd.NaT:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def figure(value: Any) -> str:
    """Format with three significant digits, from 1 000 on as a whole number: 0.712, 12.0, 1 234, 1.23 M."""
    amount = number(value)
    if not math.isfinite(amount):
        return MISSING if math.isnan(amount) else "∞" if amount > 0 else f"{MINUS}∞"
    size = abs(amount)
    if size == 0:
        return "0"
    if size >= 999.5e12 or size < 0.0005:
        mantissa, exponent = f"{size:.2e}".split("e")
        text = f"{mantissa}e{int(exponent)}"
    elif size >= 999_500:
        unit, name = next((unit, name) for unit, name in UNITS if size >= unit * 0.9995)
        text = f"{_three_digits(size / unit)}{THIN_SPACE}{name}"
    else:
        text = _three_digits(size)
    return MINUS + text if amount < 0 else text


def _three_digits(size: float) -> str:
    decimals = 2 - math.floor(math.log10(float(f"{size:.2e}")))
    return f"{size:,.{max(decimals, 0)}f}".replace(",", THIN_SPACE)


def power(exponent: int) -> str:
    """Format a power of ten: 0.001, 100, 10⁻⁸."""
    return f"{10.0**exponent:g}" if -4 <= exponent <= 4 else f"10{str(exponent).translate(SUPERSCRIPTS)}"


def count(value: Any) -> str:
    """Format a whole number with thin spaces between thousands: 336 776."""
    amount = number(value)
    if not math.isfinite(amount):
        return figure(amount)
    return f"{amount:,.0f}".replace(",", THIN_SPACE).replace("-", MINUS)


def percent(share: Any, signed: bool = False) -> str:
    """Format a share of 1 as percent with one decimal: 0.885 becomes 88.5%. `signed` is for changes: +3.1%."""
    amount = number(share)
    if not math.isfinite(amount):
        return MISSING
    size = round(abs(amount) * 100, 1)
    text = f"{size:,.{0 if size in (0, 100) else 1}f}%".replace(",", THIN_SPACE)
    return (MINUS if amount < 0 else "+" if signed and amount > 0 else "") + text


def duration(seconds: Any) -> str:
    """Format seconds: 0.4 s, 12 s, 3 min 05 s, 1 h 02 min, 2 d 03 h."""
    amount = number(seconds)
    if not math.isfinite(amount):
        return MISSING
    if amount < 9.95:
        return f"{amount:.1f} s"
    whole = round(amount)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


def when(moment: datetime | None, zone: str, dates_only: bool = False) -> str:
    """Format a time in the display zone: Sat 30 Nov 2013, 00:00 EST. A naive time is UTC."""
    if moment is None or pd.isna(moment):
        return MISSING
    if moment.tzinfo is None:  # astimezone would interpret it in the zone of this machine
        moment = moment.replace(tzinfo=UTC)
    local = moment.astimezone(ZoneInfo(zone))
    date = f"{DAY_NAMES[local.weekday()]} {local.day} {MONTH_NAMES[local.month - 1]} {local.year}"
    return date if dates_only else f"{date}, {local.hour:02d}:{local.minute:02d} {_zone_label(local)}"


def _zone_label(local: datetime) -> str:
    """Return the abbreviation of the zone (EST), or its offset (UTC+05:45) if the abbreviation has no letters."""
    name = local.tzname() or ""
    if name.isalpha():
        return name
    offset = local.utcoffset() or timedelta()
    minutes = round(offset.total_seconds() / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def clip(text: Any, length: int = 56) -> str:
    """Shorten a long name in its middle, because names of series often differ at their ends only."""
    whole = str(text)
    if len(whole) <= length:
        return whole
    tail = length // 3
    return f"{whole[: length - tail - 1]}…{whole[-tail:]}"
