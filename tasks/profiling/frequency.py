"""The step of an unknown table: the frequency that its stamps keep, how many keep it, and how many steps lack."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from models.data.calendar import is_calendar_step
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference, format_percent
from tasks.quality import time_grid

DAY = pd.Timedelta(days=1)
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
UNITS = (("h", 3600), ("min", 60), ("s", 1))
ON_GRID = 0.8  # least share of rows on the grid that is worth a pipeline
COMMON = 0.9  # share of neighbours one step apart that leaves no doubt
NAMES = {"h": "hour", "D": "day", "B": "business day", "min": "minute", "s": "second"}


class Steps(NamedTuple):
    freq: str
    finding: Inference
    gaps: Inference | None


def infer_frequency(times: pd.Series, series: pd.Series, dates: pd.Series, hints: Hints, where: str) -> Steps:
    """Of `times` in UTC; `dates` are the same where stamps are days, as the place tells them. Raises Unguessable.

    The most common distance of two neighbours of a series says how long a step is, the stamps where it stands.
    """
    frame = pd.DataFrame({"ds": times, "date": dates, "series": series})
    frame = frame.dropna(subset=["ds"]).drop_duplicates(["series", "ds"]).sort_values(["series", "ds"])
    apart = frame.groupby("series", sort=False)["ds"].diff().dropna()
    if apart.empty:
        raise CannotInferPipeline(
            f"{where} has no series with two different times, so nothing tells how long a step is."
        )
    freq = hints.freq or _freq(frame, apart)
    frame = frame[near(frame["ds"], freq).notna()]
    stamps = frame["date"] if is_calendar_step(freq) else frame["ds"]
    grid = time_grid.steps(stamps, freq, 0)
    on = float(stamps.isin(grid).mean())
    place = pd.Series(grid.get_indexer(stamps), index=frame.index)
    hops = place[place >= 0].groupby(frame["series"], sort=False).diff().dropna()
    common = float((hops == 1).mean()) if len(hops) else 0.0
    if on < ON_GRID:
        shown = ", ".join(str(one)[:19] for one in stamps[~stamps.isin(grid)].head(3))
        raise CannotInferPipeline(
            f"the times of {where} lie on no regular grid: {format_percent(on)} of them are steps of freq {freq!r}; "
            f"others are {shown}. Round or sum them to a regular step in the source, or name one with --freq."
        )
    sure = "given" if hints.freq else "sure" if on == 1 and common >= COMMON else "likely"
    why = f"{format_percent(common)} of neighbours are one step apart" + (
        "" if on == 1 else f", {format_percent(on)} on the grid"
    )
    return Steps(freq, Inference("freq", freq, sure, why), _gaps(place[place >= 0], frame["series"], grid))


def near(times: pd.Series, freq: str) -> pd.Series:
    """NaT for a slip such as the year 202: the grid up to it would fill the memory."""
    offset = pd.tseries.frequencies.to_offset(freq)
    width = pd.Timedelta(offset) if isinstance(offset, pd.offsets.Tick) else DAY
    return times.where((times - times.median()).abs() / width <= time_grid.MAX_STEPS)


def _freq(frame: pd.DataFrame, apart: pd.Series) -> str:
    step = apart.mode().min()
    if step < DAY:
        return _of_seconds(step.total_seconds())
    dates = pd.DatetimeIndex(frame["date"].unique()).tz_localize(None).normalize().unique().sort_values()
    months = np.diff(dates.year * 12 + dates.month)
    if len(months) and (np.diff(dates.to_numpy()) >= np.timedelta64(28, "D")).all() and (months > 0).all():
        return _of_months(dates, int(pd.Series(months).mode().min()))
    if step == DAY and len(dates) > 10 and (dates.dayofweek < 5).all():
        return "B"
    days = round(step / DAY)
    if days % 7 == 0:
        weekday = pd.Series(dates.dayofweek).mode().iloc[0]
        return f"{days // 7 if days > 7 else ''}W-{WEEKDAYS[weekday]}"
    return f"{days if days > 1 else ''}D"


def _of_seconds(seconds: float) -> str:
    for unit, length in UNITS:
        if seconds >= length and seconds % length == 0:
            count = int(seconds // length)
            return f"{count if count > 1 else ''}{unit}"
    return f"{max(1, round(seconds * 1000))}ms"


def _of_months(dates: pd.DatetimeIndex, count: int) -> str:
    """Months, quarters or years, by their first or last (business) day, whichever most stamps keep."""
    whole = {1: "M", 3: "Q", 12: "Y"}
    anchor = f"-{MONTHS[dates[-1].month - 1]}" if count in (3, 12) else ""
    if anchor and count == 3:
        anchor = ""
    names = [f"{many}{business}{whole[count]}{side}{anchor}" if count in whole else f"{count}{business}M{side}"
             for many in ("",) for side in ("S", "E") for business in ("", "B")]  # fmt: skip
    if count == 3:
        names = [f"{name}-{MONTHS[month]}" for name in names for month in range(3)]
    return max(names, key=lambda name: dates.isin(pd.date_range(dates[0], dates[-1], freq=name)).mean())


def _gaps(place: pd.Series, series: pd.Series, grid: pd.DatetimeIndex) -> Inference | None:
    """Steps between the first and the last row of a series that have no row; `place` is each row's on the grid."""
    spans = place.groupby(series).agg(["min", "max", "nunique"])
    whole = int((spans["max"] - spans["min"] + 1).sum())
    lacking = whole - int(spans["nunique"].sum())
    if not lacking:
        return None
    jump = place.groupby(series).diff()
    longest = jump.idxmax()
    until = f"{grid[int(place[longest])]:%Y-%m-%d %H:%M}"
    told = f"of {whole:,} steps have no row, at most {int(jump[longest]) - 1:,} in a row, until {until}"
    return Inference("gaps", f"{lacking:,}", None, f"{told}. Models see a gap as one; cleaning.fill says otherwise")
