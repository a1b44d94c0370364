"""Numbers, times and names as a person reads them; no locale, so the same input gives the same text."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

THIN = "\u202f"  # narrow and unbreakable: a number never splits over two lines
MINUS = "\u2212"
NOTHING = "–"  # a table cell without a value

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LARGE = ((1e12, "tn"), (1e9, "bn"), (1e6, "M"))


def number(value: Any) -> float:
    """Any cell as a float; what is missing or no number is NaN."""
    if value is None or value is pd.NA or value is pd.NaT:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def figure(value: Any) -> str:
    """Three significant digits; from a thousand on whole, with thin separators: 0.712, 12.0, 1 234, 1.23 M."""
    amount = number(value)
    if not math.isfinite(amount):
        return NOTHING if math.isnan(amount) else "∞" if amount > 0 else f"{MINUS}∞"
    size = abs(amount)
    if size == 0:
        return "0"
    if size >= 999.5e12 or size < 0.0005:
        mantissa, exponent = f"{size:.2e}".split("e")
        text = f"{mantissa}e{int(exponent)}"
    elif size >= 999_500:
        unit, name = next((unit, name) for unit, name in LARGE if size >= unit * 0.9995)
        text = f"{_digits(size / unit)}{THIN}{name}"
    else:
        text = _digits(size)
    return MINUS + text if amount < 0 else text


def _digits(size: float) -> str:
    decimals = 2 - math.floor(math.log10(float(f"{size:.2e}")))
    return f"{size:,.{max(decimals, 0)}f}".replace(",", THIN)


def power(exponent: int) -> str:
    """A power of ten: 0.001, 100, 10⁻⁸."""
    return f"{10.0**exponent:g}" if -4 <= exponent <= 4 else f"10{str(exponent).translate(RAISED)}"


def count(value: Any) -> str:
    """A whole number with thin separators: 336 776."""
    amount = number(value)
    if not math.isfinite(amount):
        return figure(amount)
    return f"{amount:,.0f}".replace(",", THIN).replace("-", MINUS)


def percent(share: Any, signed: bool = False) -> str:
    """A share of 1 in percent, one digit behind the point: 0.885 is 88.5%; signed for a change: +3.1%."""
    amount = number(share)
    if not math.isfinite(amount):
        return NOTHING
    size = round(abs(amount) * 100, 1)
    text = f"{size:,.{0 if size in (0, 100) else 1}f}%".replace(",", THIN)
    return (MINUS if amount < 0 else "+" if signed and amount > 0 else "") + text


def duration(seconds: Any) -> str:
    """0.4 s, 12 s, 3 min 05 s, 1 h 02 min."""
    amount = number(seconds)
    if not math.isfinite(amount):
        return NOTHING
    if amount < 9.95:
        return f"{amount:.1f} s"
    whole = round(amount)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def when(moment: datetime | None, zone: str, dates_only: bool = False) -> str:
    """A moment in the display zone: Sat 30 Nov 2013, 00:00 EST; only the date for daily and slower data."""
    if moment is None or pd.isna(moment):
        return NOTHING
    if moment.tzinfo is None:  # Python would take it for the time of this machine
        moment = moment.replace(tzinfo=UTC)
    local = moment.astimezone(ZoneInfo(zone))
    date = f"{DAYS[local.weekday()]} {local.day} {MONTHS[local.month - 1]} {local.year}"
    return date if dates_only else f"{date}, {local.hour:02d}:{local.minute:02d} {_zone_name(local)}"


def _zone_name(local: datetime) -> str:
    """EST where the zone has letters; UTC+05:45 where it only has figures."""
    name = local.tzname() or ""
    if name.isalpha():
        return name
    offset = local.utcoffset() or timedelta()
    minutes = round(offset.total_seconds() / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def clip(text: Any, length: int = 56) -> str:
    """A long name with its middle left out: names of series differ at their ends."""
    whole = str(text)
    if len(whole) <= length:
        return whole
    tail = length // 3
    return f"{whole[: length - tail - 1]}…{whole[-tail:]}"
