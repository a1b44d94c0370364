"""Times that strptime cannot express: quarters, half years, months such as 2024M01, weeks, day and step numbers."""

from collections.abc import Callable

import numpy as np
import pandas as pd

YEAR, SHORT_YEAR = r"(?P<year>(?:1[5-9]|2[0-4])\d\d)", r"(?P<year>\d\d)"
JOIN = r"[\s./:_-]*"
QUARTER = r"(?:[QqKkTt]|Qtr\.?|Quarter|Quartal|Kvartal|Trim\.?|Trimestre)"
HALF = r"(?:[HhSs]|HY|Sem\.?|Semester)"
WEEK = r"(?:[Ww]|[Ww][Kk]|[Ww]eek|WEEK|KW|Kw|CW)"
EXCEL_ORIGIN = pd.Timestamp("1899-12-30")  # day 1 is 1900-01-01, and day 60 is 1900-02-29, which never was
MAX_EXCEL_DAY = 2_958_465  # 9999-12-31
EXCEL_DAYS = (20_000, 80_000)  # 1954 to 2119: what day numbers are taken for without a format
MAX_STEP = 2_900_000  # days since 1970 until the year 9909
EPOCH = pd.Timestamp("1970-01-01")


def parse_quarters(text: pd.Series) -> pd.Series:
    """Convert 2024-Q1, 2024Q1, Q1 2024, 1Q24 and the like to the first day of the quarter; NaT for other text."""
    number = r"0?(?P<number>[1-4])\.?"
    return _parse_periods(text, QUARTER, number, lambda year, quarter: _first_of_month(year, 3 * quarter - 2))


def parse_halves(text: pd.Series) -> pd.Series:
    """Convert 2024-H1, 2024S2, H1 2024 and the like to the first day of the half year; NaT for other text."""
    return _parse_periods(text, HALF, r"(?P<number>[12])\.?", lambda year, half: _first_of_month(year, 6 * half - 5))


def parse_months(text: pd.Series) -> pd.Series:
    """Convert 2024M01, 2024-M1, M01 2024 and 2024:01 to the first day of the month; NaT for other text."""
    number = r"(?P<number>0?[1-9]|1[0-2])"
    months = _parse_periods(text, r"[Mm]", number, _first_of_month)
    return months.fillna(_extract(text, rf"{YEAR}\s?:\s?{number}", _first_of_month))


def parse_weeks(text: pd.Series) -> pd.Series:
    """Convert ISO weeks such as 2015-W02, 2015W02-3, W02 2015 and KW 2/2015 to their Monday, or to the written day."""
    number = r"(?P<number>0?[1-9]|[1-4]\d|5[0-3])"
    weeks = _parse_periods(text, WEEK, number, _monday)
    with_day = rf"{YEAR}-?[Ww](?P<number>\d\d)-?"  # two digits, so that 2015-W54 is not day 4 of week 5
    day = text.str.extract(rf"^{with_day}(?P<day>[1-7])$")
    days = _extract(text, rf"{with_day}[1-7]", _monday)
    return weeks.fillna(days + pd.to_timedelta(pd.to_numeric(day["day"]) - 1, unit="D"))


def parse_excel_days(text: pd.Series) -> pd.Series:
    """Convert the day numbers of Excel, 45292.5 or 45292,5 for noon of 2024-01-01, to the second; NaT for others."""
    plain = text.str.strip().str.replace(",", ".", regex=False)
    days = pd.to_numeric(plain.where(plain.str.fullmatch(r"\d{1,7}(?:\.\d*)?")), errors="coerce").astype("float64")
    seconds = (days.where((days >= 1) & (days <= MAX_EXCEL_DAY)) * 86_400).round()
    return EXCEL_ORIGIN.as_unit("us") + pd.to_timedelta(seconds, unit="s").astype("timedelta64[us]")


def parse_steps(text: pd.Series) -> pd.Series:
    """Convert the numbers of steps, 0, 1, 2 …, to days since 1970-01-01; NaT for negative and other values."""
    plain = text.str.strip()
    count = pd.to_numeric(plain.where(plain.str.fullmatch(r"\d{1,7}(?:\.0+)?")), errors="coerce").astype("float64")
    days = count.where(count <= MAX_STEP)
    return EPOCH.as_unit("us") + pd.to_timedelta(days * 86_400, unit="s").astype("timedelta64[us]")


PARSERS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "quarter": parse_quarters,
    "half": parse_halves,
    "month": parse_months,
    "week": parse_weeks,
    "excel": parse_excel_days,
    "steps": parse_steps,
}
"""The words that `source.format` knows besides strptime formats."""


def are_excel_days(text: pd.Series) -> bool:
    """Whether every text may be a day number of Excel between 1954 and 2119, with at least two different days."""
    days = pd.to_numeric(text.str.replace(",", ".", regex=False), errors="coerce")
    low, high = EXCEL_DAYS
    return bool(days.between(low, high).all()) and days.nunique() > 1


def _parse_periods(
    text: pd.Series, letter: str, number: str, to_date: Callable[[pd.Series, pd.Series], pd.Series]
) -> pd.Series:
    """Parse periods with the year before the letter and number, or after it, or with the number before the letter."""
    times = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us]")
    for pattern in (
        rf"{YEAR}{JOIN}{letter}{JOIN}{number}",
        rf"{letter}{JOIN}{number}{JOIN}{YEAR}",
        rf"{number}{JOIN}{letter}{JOIN}{YEAR}",
        rf"{letter}{number}{JOIN}{SHORT_YEAR}",
        rf"{number}{letter}{JOIN}{SHORT_YEAR}",
    ):
        times = times.fillna(_extract(text, pattern, to_date))
    return times


def _extract(text: pd.Series, pattern: str, to_date: Callable[[pd.Series, pd.Series], pd.Series]) -> pd.Series:
    parts = text.str.extract(rf"^{pattern}$")
    if parts["year"].isna().all():
        return pd.Series(pd.NaT, index=text.index, dtype="datetime64[us]")
    year, number = (pd.to_numeric(parts[name], errors="coerce").astype("float64") for name in ("year", "number"))
    year = year.where(year > 99, year + np.where(year < 69, 2000, 1900))  # as strptime's %y
    return to_date(year, number)


def _first_of_month(year: pd.Series, month: pd.Series) -> pd.Series:
    """Return the first day of each month; NaT if a part is missing."""
    months = (year - 1970) * 12 + month - 1
    values = months.fillna(0).astype("int64").to_numpy().astype("datetime64[M]").astype("datetime64[us]")
    return pd.Series(values, index=year.index).where(months.notna())


def _monday(year: pd.Series, week: pd.Series) -> pd.Series:
    """Return the Monday of each ISO week; NaT for week 53 of a year that has 52."""
    known = year.notna() & week.notna()
    years = year.where(known, 1970).astype("int64")
    first, following = (_first_monday(years + shift) for shift in (0, 1))
    monday = first + pd.to_timedelta(7 * (week.where(known, 1) - 1), unit="D").astype("timedelta64[us]")
    return monday.where(known & (monday < following))


def _first_monday(year: pd.Series) -> pd.Series:
    """Return the Monday of ISO week 1, the week of 4 January."""
    fourth = _first_of_month(year.astype("float64"), pd.Series(1.0, index=year.index)) + pd.Timedelta(days=3)
    return fourth - pd.to_timedelta(fourth.dt.dayofweek, unit="D").astype("timedelta64[us]")
