"""The frequency that fits times best, by the most common distance of two neighbouring rows of a series."""

import numpy as np
import pandas as pd

from models.data.time_steps import build_grid, day_of_month

DAY = pd.Timedelta(days=1)
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
SECONDS_PER_UNIT = (("h", 3600), ("min", 60), ("s", 1))
MIN_BUSINESS_DAYS = 10  # without a weekend before the step is a business day
MIN_MONTHLY_SHARE = 0.97  # of the neighbouring dates that are in different months
MIN_WEEKLY_STEPS = 3  # all of whole weeks: steps of weeks, even if each is in another month
MIN_FITTING_SHARE = 0.9  # of the rows, for a frequency to be named in a message
FISCAL_WEEKS = {(4, 5): "months of 4 or 5 weeks (a 4-4-5 calendar)", (13, 14): "quarters of 13 or 14 weeks",
                (52, 53): "years of 52 or 53 weeks"}  # fmt: skip


def neighbour_distances(frame: pd.DataFrame) -> pd.Series:
    """Return the distances between the neighbouring rows of each series.

    Args:
        frame: `ds` (UTC) and `series`, sorted by series and time, without repeated rows.

    Returns:
        The distances, without the first row of each series.
    """
    return frame.groupby("series", sort=False)["ds"].diff().dropna()


def frequency_of(dates: pd.Series, distances: pd.Series) -> str:
    """Return the pandas frequency of the most common distance.

    Args:
        dates: The times as dates, which decide the weekday and the day of the month of a calendar step.
        distances: Distances of neighbouring rows, at least one.

    Returns:
        The frequency; whether the rows keep it is not checked.
    """
    step = distances.mode().min()
    if step < DAY:
        return _frequency_of_seconds(step.total_seconds())
    distinct = pd.DatetimeIndex(dates.unique()).tz_localize(None).normalize().unique().sort_values()
    months = np.diff(distinct.year * 12 + distinct.month)
    days = np.diff(distinct.to_numpy()) / np.timedelta64(1, "D")
    whole_weeks = len(days) >= MIN_WEEKLY_STEPS and (days % 7 == 0).all()
    if len(months) and np.median(days) >= 28 and np.mean(months > 0) > MIN_MONTHLY_SHARE and not whole_weeks:
        return _frequency_of_months(dates, distinct, int(pd.Series(months[months > 0]).mode().min()))
    if step == DAY and len(distinct) > MIN_BUSINESS_DAYS and (distinct.dayofweek < 5).all():
        return "B"
    count = round(step / DAY)
    if count % 7 == 0:
        weekday = pd.Series(pd.DatetimeIndex(dates).dayofweek).mode().iloc[0]
        return f"{count // 7 if count > 7 else ''}W-{WEEKDAYS[weekday]}"
    return f"{count if count > 1 else ''}D"


def describe_fiscal_weeks(distances: pd.Series) -> str | None:
    """Describe steps of a whole number of weeks that alternates, as in a 4-4-5 calendar; None for other steps."""
    weeks = (distances / pd.Timedelta(weeks=1)).round(6)
    for pair, name in FISCAL_WEEKS.items():
        shares = [(weeks == count).mean() for count in pair]
        if sum(shares) > MIN_FITTING_SHARE and min(shares) > 0.05:
            return name
    return None


def suggest_frequency(times: pd.Series, series: pd.Series) -> str:
    """Return a clause about the frequency that fits most times, for a message; empty if none does.

    Args:
        times: Times in UTC.
        series: The series of each time.

    Returns:
        Such as "freq 'W-FRI' fits 100% of the rows".
    """
    frame = pd.DataFrame({"ds": times, "series": series}).dropna().drop_duplicates().sort_values(["series", "ds"])
    distances = neighbour_distances(frame)
    if distances.empty:
        return ""
    if fiscal := describe_fiscal_weeks(distances):
        return f"the steps are {fiscal}, which no freq describes; bring weekly rows"
    freq = frequency_of(frame["ds"], distances)
    share = float(times.isin(build_grid(frame["ds"], freq, 0)).mean())
    on_day = f", on day {day} of the month," if (day := day_of_month(frame["ds"], freq)) not in (1, 31) else ""
    return f"freq {freq!r}{on_day} fits {share:.0%} of the rows" if share >= MIN_FITTING_SHARE else ""


def _frequency_of_seconds(seconds: float) -> str:
    for unit, length in SECONDS_PER_UNIT:
        if seconds >= length and seconds % length == 0:
            count = int(seconds // length)
            return f"{count if count > 1 else ''}{unit}"
    return f"{max(1, round(seconds * 1000))}ms"


def _frequency_of_months(dates: pd.Series, distinct: pd.DatetimeIndex, count: int) -> str:
    """Return a frequency of months, quarters or years, by first or last (business) day, that most dates are on.

    Months that begin on another day than the first (billing months) have the frequency of months that begin.
    """
    units = {1: "M", 3: "Q", 12: "Y"}
    unit, multiple = units.get(count, "M"), "" if count in units else str(count)
    names = [f"{multiple}{business}{unit}{side}" for side in ("S", "E") for business in ("", "B")]
    if count == 12:
        month = pd.Series(distinct.month).mode().iloc[0]
        names = [f"{name}-{MONTHS[month - 1]}" for name in names]
    if count == 3:
        names = [f"{name}-{MONTHS[month]}" for name in names for month in range(3)]
    days = dates.dt.floor("D").astype("datetime64[us, UTC]")
    return max(names, key=lambda name: days.isin(build_grid(days, name, 0)).mean())
