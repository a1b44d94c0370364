"""Infers the frequency: the step between times, how many rows keep it, and how many steps have no row."""

from typing import NamedTuple

import pandas as pd

from models.data.calendar import is_calendar_step
from models.data.time_steps import build_grid, day_of_month, step_width
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference, format_percent
from tasks.quality.fitting_frequency import describe_fiscal_weeks, frequency_of, neighbour_distances
from tasks.quality.outlying_times import MAX_STEPS, is_outlying

MIN_ON_GRID_SHARE = 0.8  # of the rows; with less no pipeline is written
SURE_SINGLE_STEP_SHARE = 0.9  # of the neighbouring rows that are one step apart

ORDINAL_SUFFIXES = {2: "nd", 3: "rd", 22: "nd", 23: "rd", 21: "st"}


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
    frame = frame[~is_outlying(frame["ds"], freq=hints.freq or "D")]
    distances = neighbour_distances(frame)
    if distances.empty:
        raise CannotInferPipeline(
            f"{table} has no series with two different times, so the length of a step is unknown. Bring more rows, or "
            "name the series column with --id."
        )
    freq = hints.freq or _shared_frequency(frame, frequency_of(frame["date"].dropna(), distances))
    frame = frame[mask_outlying_times(frame["ds"], freq).notna()]
    stamps = frame["date"] if is_calendar_step(freq) else frame["ds"]
    grid = build_grid(stamps, freq, 0)
    on_grid = float(stamps.isin(grid).mean())
    step = pd.Series(grid.get_indexer(stamps), index=frame.index)
    hops = step[step >= 0].groupby(frame["series"], sort=False).diff().dropna()
    single_step = float((hops == 1).mean()) if len(hops) else 0.0
    if on_grid < MIN_ON_GRID_SHARE:
        examples = ", ".join(str(stamp)[:19] for stamp in stamps[~stamps.isin(grid)].head(3))
        if fiscal := describe_fiscal_weeks(distances):
            raise CannotInferPipeline(
                f"the steps of {table} are {fiscal}, which no frequency describes. Bring rows of weeks, or of calendar "
                "months."
            )
        raise CannotInferPipeline(
            f"the times of {table} are on no regular grid: {format_percent(on_grid)} of them are steps of freq "
            f"{freq!r}; others are {examples}. Round or sum them to a regular step in the source, or name a step with "
            "--freq."
        )
    certain = on_grid == 1 and single_step >= SURE_SINGLE_STEP_SHARE
    evidence = f"{format_percent(single_step)} of neighbours are one step apart"
    if (day := day_of_month(stamps, freq)) not in (1, 31):
        evidence += f", on the {day}{ORDINAL_SUFFIXES.get(day, 'th')} of the month"
    evidence += "" if on_grid == 1 else f", {format_percent(on_grid)} on the grid"
    inference = Inference("freq", freq, "given" if hints.freq else "sure" if certain else "likely", evidence)
    return FrequencyInference(freq, inference, _infer_gaps(step[step >= 0], frame["series"], grid))


def _shared_frequency(frame: pd.DataFrame, freq: str) -> str:
    """Return a finer step if the series have rows at different phases of `freq`, as shops on alternate days."""
    if frame["series"].nunique() < 2 or _share_on_grid(frame, freq) >= MIN_ON_GRID_SHARE:
        return freq
    pooled = frame.drop_duplicates("ds").assign(series="all").sort_values("ds")
    finer = frequency_of(pooled["date"].dropna(), neighbour_distances(pooled))
    return finer if _share_on_grid(frame, finer) >= MIN_ON_GRID_SHARE else freq


def _share_on_grid(frame: pd.DataFrame, freq: str) -> float:
    near = frame[mask_outlying_times(frame["ds"], freq).notna()]
    stamps = near["date"] if is_calendar_step(freq) else near["ds"]
    return float(stamps.isin(build_grid(stamps, freq, 0)).mean())


def mask_outlying_times(times: pd.Series, freq: str) -> pd.Series:
    """Replace times far from all others, such as 1900-01-01 or the year 202, with NaT: they are violating rows."""
    near = (times - times.median()).abs() / step_width(freq) <= MAX_STEPS
    return times.where(near & ~is_outlying(times, freq))


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
