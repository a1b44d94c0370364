"""Infers the frequency: the step between times, how many rows keep it, and how many steps have no row."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from models.data.calendar import is_calendar_step
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference, format_percent
from tasks.quality import time_grid

DAY = pd.Timedelta(days=1)
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
SECONDS_PER_UNIT = (("h", 3600), ("min", 60), ("s", 1))
MIN_ON_GRID_SHARE = 0.8  # of the rows; with less no pipeline is written
SURE_SINGLE_STEP_SHARE = 0.9  # of the neighbouring rows that are one step apart
MIN_BUSINESS_DAYS = 10  # without a weekend before the step is a business day


class FrequencyInference(NamedTuple):
    """The step as a pandas frequency, the evidence, and the gaps if there are any."""

    freq: str
    inference: Inference
    gaps: Inference | None


def infer_frequency(
    times: pd.Series, series: pd.Series, dates: pd.Series, hints: Hints, table: str
) -> FrequencyInference:
    """Infer the step: the most common distance of two neighbouring rows of a series gives its length.

    Args:
        times: The times in UTC.
        series: The series of each row.
        dates: The same times as local dates, which apply if the step is a calendar step.
        hints: What the user states.
        table: The table, named in errors.

    Returns:
        The step with its evidence.

    Raises:
        CannotInferPipeline: No series has two different times, or the times are on no regular grid.
    """
    frame = pd.DataFrame({"ds": times, "date": dates, "series": series})
    frame = frame.dropna(subset=["ds"]).drop_duplicates(["series", "ds"]).sort_values(["series", "ds"])
    distances = frame.groupby("series", sort=False)["ds"].diff().dropna()
    if distances.empty:
        raise CannotInferPipeline(
            f"{table} has no series with two different times, so the length of a step is unknown. Bring more rows, or "
            "name the series column with --id."
        )
    freq = hints.freq or _freq_of_distances(frame, distances)
    frame = frame[mask_outlying_times(frame["ds"], freq).notna()]
    stamps = frame["date"] if is_calendar_step(freq) else frame["ds"]
    grid = time_grid.build_grid(stamps, freq, 0)
    on_grid = float(stamps.isin(grid).mean())
    step = pd.Series(grid.get_indexer(stamps), index=frame.index)
    hops = step[step >= 0].groupby(frame["series"], sort=False).diff().dropna()
    single_step = float((hops == 1).mean()) if len(hops) else 0.0
    if on_grid < MIN_ON_GRID_SHARE:
        examples = ", ".join(str(stamp)[:19] for stamp in stamps[~stamps.isin(grid)].head(3))
        raise CannotInferPipeline(
            f"the times of {table} are on no regular grid: {format_percent(on_grid)} of them are steps of freq "
            f"{freq!r}; others are {examples}. Round or sum them to a regular step in the source, or name a step with "
            "--freq."
        )
    certain = on_grid == 1 and single_step >= SURE_SINGLE_STEP_SHARE
    evidence = f"{format_percent(single_step)} of neighbours are one step apart"
    evidence += "" if on_grid == 1 else f", {format_percent(on_grid)} on the grid"
    inference = Inference("freq", freq, "given" if hints.freq else "sure" if certain else "likely", evidence)
    return FrequencyInference(freq, inference, _infer_gaps(step[step >= 0], frame["series"], grid))


def mask_outlying_times(times: pd.Series, freq: str) -> pd.Series:
    """Replace times such as the year 202 with NaT, because the grid up to them would not fit in memory."""
    return times.where((times - times.median()).abs() / time_grid.step_width(freq) <= time_grid.MAX_STEPS)


def _freq_of_distances(frame: pd.DataFrame, distances: pd.Series) -> str:
    step = distances.mode().min()
    if step < DAY:
        return _freq_of_seconds(step.total_seconds())
    dates = pd.DatetimeIndex(frame["date"].unique()).tz_localize(None).normalize().unique().sort_values()
    months = np.diff(dates.year * 12 + dates.month)
    if len(months) and (np.diff(dates.to_numpy()) >= np.timedelta64(28, "D")).all() and (months > 0).all():
        return _freq_of_months(dates, int(pd.Series(months).mode().min()))
    if step == DAY and len(dates) > MIN_BUSINESS_DAYS and (dates.dayofweek < 5).all():
        return "B"
    days = round(step / DAY)
    if days % 7 == 0:
        weekday = pd.Series(dates.dayofweek).mode().iloc[0]
        return f"{days // 7 if days > 7 else ''}W-{WEEKDAYS[weekday]}"
    return f"{days if days > 1 else ''}D"


def _freq_of_seconds(seconds: float) -> str:
    for unit, length in SECONDS_PER_UNIT:
        if seconds >= length and seconds % length == 0:
            count = int(seconds // length)
            return f"{count if count > 1 else ''}{unit}"
    return f"{max(1, round(seconds * 1000))}ms"


def _freq_of_months(dates: pd.DatetimeIndex, count: int) -> str:
    """Return a frequency of months, quarters or years, by first or last (business) day, that most dates are on."""
    units = {1: "M", 3: "Q", 12: "Y"}
    unit, multiple = units.get(count, "M"), "" if count in units else str(count)
    names = [f"{multiple}{business}{unit}{side}" for side in ("S", "E") for business in ("", "B")]
    if count == 12:
        names = [f"{name}-{MONTHS[dates[-1].month - 1]}" for name in names]
    if count == 3:
        names = [f"{name}-{MONTHS[month]}" for name in names for month in range(3)]
    return max(names, key=lambda name: dates.isin(pd.date_range(dates[0], dates[-1], freq=name)).mean())


def _infer_gaps(step: pd.Series, series: pd.Series, grid: pd.DatetimeIndex) -> Inference | None:
    """Count the steps without a row between the first and last row of each series; `step` is each row's grid index."""
    spans = step.groupby(series).agg(["min", "max", "nunique"])
    total = int((spans["max"] - spans["min"] + 1).sum())
    missing = total - int(spans["nunique"].sum())
    if not missing:
        return None
    jump = step.groupby(series).diff()
    longest = jump.idxmax()
    end = f"{grid[int(step[longest])]:%Y-%m-%d %H:%M}"
    evidence = f"of {total:,} steps have no row, at most {int(jump[longest]) - 1:,} in a row, until {end}"
    evidence += ". Models see a missing value; cleaning.fill changes this"
    return Inference("gaps", f"{missing:,}", None, evidence)
