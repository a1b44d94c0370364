"""The season, horizon and lookback of an unknown table, from its step, its length and how it repeats itself."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from models.data.autocorrelation import median_autocorrelation, seasonal_lags_of, unexpected_season
from models.data.calendar import default_lookback, seasons, steps_a_day
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference
from tasks.quality import time_grid

LARGEST = 8  # series that are looked at: those with most values
RECENT = 20_000  # steps
FURTHEST = 400  # steps to a season that no calendar knows
HORIZONS = {"D": 14, "B": 10, "W": 13, "M": 12, "Q": 4, "Y": 3}
MOST_STEPS = 96  # of a horizon
PARTS = 8  # horizons that a history must hold
FEWEST = 12  # steps
DAYS = 0.05  # most of a history that a day may be


class Rhythm(NamedTuple):
    horizon: int
    lookback: int
    season: int | None
    """None: that of the frequency."""
    refresh: str | None
    """None: a day, after which a model is trained again."""
    findings: tuple[Inference, ...]


def infer_seasonality(frame: pd.DataFrame, freq: str, hints: Hints, where: str) -> Rhythm:
    """`frame` has series, ds on the clock of the grid, and y as a number. Raises Unguessable for a short history."""
    known = frame.dropna(subset=["ds", "y"]).drop_duplicates(["series", "ds"])
    grid = time_grid.steps(known["ds"], freq, 0) if len(known) else []
    if len(grid) < FEWEST:
        raise CannotInferPipeline(
            f"{where} is too short: {len(grid)} steps of freq {freq!r} have a value, and a model needs {FEWEST} at the "
            "very least, many more to be any good. Bring more history, or a finer step."
        )
    series = _largest(known, grid)
    horizon, how = _horizon(freq, len(grid), hints)
    lookback = max(2, min(default_lookback(freq, horizon), len(grid) // 3))
    season, told = _season(series, freq)
    horizons = Inference("horizon", f"{horizon} steps", "given" if hints.horizon else "likely", how)
    back = Inference(
        "lookback",
        f"{lookback} steps",
        "likely",
        f"of {len(grid):,} steps from {grid[0]:%Y-%m-%d} to {grid[-1]:%Y-%m-%d}",
    )
    return Rhythm(horizon, lookback, season, _refresh(freq, horizon, len(grid)), (told, horizons, back))


def _largest(known: pd.DataFrame, grid: pd.DatetimeIndex) -> list[np.ndarray]:
    """Newest values of the largest series on the grid, NaN for gaps."""
    told = []
    for name in known["series"].value_counts(sort=True).index[:LARGEST]:
        part = known[known["series"] == name]
        values = np.full(len(grid), np.nan)
        place = grid.get_indexer(part["ds"])
        values[place[place >= 0]] = part["y"].to_numpy(float)[place >= 0]
        told.append(values[place[place >= 0].min() :][-RECENT:] if (place >= 0).any() else values)
    return told


def _horizon(freq: str, steps: int, hints: Hints) -> tuple[int, str]:
    if hints.horizon:
        return hints.horizon, ""
    offset = pd.tseries.frequencies.to_offset(freq)
    day = steps_a_day(freq)
    if isinstance(offset, pd.offsets.Tick):
        usual, how = (min(day, MOST_STEPS), "a day" if day <= MOST_STEPS else "less than a day, whose steps are many")
        usual, how = (usual, how) if day > 1 else (14, "two weeks")
    else:
        letter = next((one for one in "DBWMQY" if one in offset.name.split("-")[0].removeprefix("B")), "D")
        letter = "B" if offset.name == "B" else letter
        usual, how = max(1, HORIZONS[letter] // offset.n), "usual for this step"
    fitting = max(1, steps // PARTS)
    return (usual, how) if usual <= fitting else (fitting, "as far as so short a history allows")


def _refresh(freq: str, horizon: int, steps: int) -> str | None:
    """A horizon where a day is too much of a short history of short steps."""
    day = steps_a_day(freq)
    if day == 1 or day <= DAYS * steps:
        return None
    seconds = max(1, round(horizon * pd.Timedelta(pd.tseries.frequencies.to_offset(freq)).total_seconds()))
    return f"{seconds // 60}min" if seconds % 60 == 0 else f"{seconds}s"


def _season(series: list[np.ndarray], freq: str) -> tuple[int | None, Inference]:
    lags = [lag for lag in seasons(freq) if lag > 1]
    longest = max(len(one) for one in series)
    found = seasonal_lags_of(series, lags)
    if found:
        first, *others = found
        why = f"autocorrelation {_short(found[first])} at lag {first}"
        why += "".join(f"; {_called(lag, freq)} pattern too, {_short(found[lag])} at lag {lag}" for lag in others)
        sure = "sure" if found[first] >= 0.5 else "likely"
        return None if first == seasons(freq)[0] else first, Inference("season", str(first), sure, why)
    if unknown := unexpected_season(series, min(longest // 4, FURTHEST)):
        lag, told = unknown
        return lag, Inference(
            "season", str(lag), "unsure", f"autocorrelation {_short(told)} at lag {lag}, though no calendar knows it"
        )
    usual = seasons(freq)[0]
    told = median_autocorrelation(series, usual)
    why = "too short to tell"
    if np.isfinite(told):
        why = f"autocorrelation {_short(told)} at lag {usual}, hardly a pattern"
    why = f"that of the calendar; {why}"
    return None, Inference("season", str(usual), "unsure", why)


def _called(lag: int, freq: str) -> str:
    day = steps_a_day(freq)
    return {day: "daily", 7 * day: "weekly"}.get(lag, f"{lag}-step")


def _short(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}".replace("0.", ".", 1)  # + 0.0: there is no minus nothing
