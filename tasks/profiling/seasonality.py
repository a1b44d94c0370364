"""Infers season, horizon and lookback from the step, the length of the history and its autocorrelation."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from models.data.autocorrelation import median_autocorrelation, seasonal_lags_of, unexpected_season
from models.data.calendar import default_lookback, seasons, steps_a_day
from models.data.time_steps import build_grid
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference

MAX_SERIES = 8  # that are looked at: those with the most values
MAX_RECENT_STEPS = 20_000
MAX_UNEXPECTED_LAG = 400  # steps of a season that is not one of the calendar
CALENDAR_HORIZONS = {"D": (14, 7), "B": (10, 5), "W": (13, 8, 4), "M": (12, 6), "Q": (4, 2), "Y": (3,)}  # steps
HORIZON_NAMES = {  # what the steps of a horizon are
    ("D", 14): "two weeks", ("D", 7): "a week", ("B", 10): "two weeks of business days", ("B", 5): "a business week",
    ("W", 13): "a quarter", ("W", 8): "two months", ("W", 4): "a month", ("M", 12): "a year", ("M", 6): "half a year",
    ("Q", 4): "a year", ("Q", 2): "half a year", ("Y", 3): "three years",
}  # fmt: skip
MAX_HORIZON = 96  # steps
TWO_WEEKS = 14  # steps of a day
MIN_HORIZONS = 8  # that a history holds
MIN_LONG_HORIZONS = 5  # the same for steps of a week or longer, of which histories have few
MIN_STEPS = 12  # of a history
MAX_DAY_SHARE = 0.05  # of a history; a model is refreshed sooner if a day is more
SURE_AUTOCORRELATION = 0.5


class SeasonalityInference(NamedTuple):
    """Season, horizon and lookback in steps, how often a model is trained again, and the evidence."""

    horizon: int
    lookback: int
    season: int | None
    """None: the default season of the frequency."""
    refresh: str | None
    """None: a day, the default."""
    inferences: tuple[Inference, ...]

    @property
    def settings(self) -> dict[str, Any]:
        """The values by the names of their settings."""
        return {name: value for name, value in self._asdict().items() if name != "inferences"}


def infer_seasonality(
    panel: pd.DataFrame, freq: str, hints: Hints, table: str, steps_ahead: int | None = None
) -> SeasonalityInference:
    """Infer season, horizon and lookback.

    Args:
        panel: Rows with `series`, `ds` (UTC, or dates if the step is a calendar step) and `y` as a number.
        freq: The step.
        hints: What the user states.
        table: The table, named in errors.
        steps_ahead: How many steps after the last target the known covariates reach; None without known covariates.

    Returns:
        The values in steps, with their evidence.

    Raises:
        CannotInferPipeline: The history has fewer than 12 steps.
    """
    known = panel.dropna(subset=["ds", "y"]).drop_duplicates(["series", "ds"])
    grid = build_grid(known["ds"], freq, 0) if len(known) else []
    if len(grid) < MIN_STEPS:
        raise CannotInferPipeline(
            f"{table} is too short: {len(grid)} steps of freq {freq!r} have a value. A model needs at least "
            f"{MIN_STEPS}, and many more to forecast well. Bring more history, or use a finer step."
        )
    series = _longest_series(known, grid)
    horizon, reason = _choose_horizon(freq, len(grid), hints)
    if steps_ahead is not None and steps_ahead < horizon and not hints.horizon:
        horizon, reason = steps_ahead, "as far as the known covariates reach"
    lookback = max(2, min(default_lookback(freq, horizon), len(grid) // 3))
    season, season_inference = _infer_season(series, freq)
    span = f"of {len(grid):,} steps from {grid[0]:%Y-%m-%d} to {grid[-1]:%Y-%m-%d}"
    inferences = (
        season_inference,
        Inference("horizon", f"{horizon} steps", "given" if hints.horizon else "likely", reason),
        Inference("lookback", f"{lookback} steps", "likely", span),
    )
    return SeasonalityInference(horizon, lookback, season, _choose_refresh(freq, horizon, len(grid)), inferences)


def _longest_series(known: pd.DataFrame, grid: pd.DatetimeIndex) -> list[np.ndarray]:
    """Return the newest values of the series with the most values, each (steps,) on the grid, NaN for gaps."""
    series = []
    for name in known["series"].value_counts(sort=True).index[:MAX_SERIES]:
        rows = known[known["series"] == name]
        values = np.full(len(grid), np.nan)
        index = grid.get_indexer(rows["ds"])
        on_grid = index >= 0
        values[index[on_grid]] = rows["y"].to_numpy(float)[on_grid]
        series.append(values[index[on_grid].min() :][-MAX_RECENT_STEPS:] if on_grid.any() else values)
    return series


def _choose_horizon(freq: str, steps: int, hints: Hints) -> tuple[int, str]:
    """Return the horizon in steps and the reason."""
    if hints.horizon:
        return hints.horizon, ""
    offset = pd.tseries.frequencies.to_offset(freq)
    day = steps_a_day(freq)
    if not isinstance(offset, pd.offsets.Tick):
        return _choose_calendar_horizon(offset, steps)
    if day <= 1:
        default, reason = TWO_WEEKS, "two weeks"
    elif day <= MAX_HORIZON:
        default, reason = day, "a day"
    else:
        default, reason = MAX_HORIZON, "less than a day, because a day has many steps"
    fitting = max(1, steps // MIN_HORIZONS)
    return (default, reason) if default <= fitting else (fitting, "the most that the short history allows")


def _choose_calendar_horizon(offset: pd.DateOffset, steps: int) -> tuple[int, str]:
    """Return the longest usual horizon of the frequency that the history holds often enough."""
    letter = next((unit for unit in "DBWMQY" if unit in offset.name.split("-")[0].removeprefix("B")), "D")
    letter = "B" if offset.name == "B" else letter
    fitting = max(1, steps // (MIN_HORIZONS if letter in "DB" else MIN_LONG_HORIZONS))
    for typical in CALENDAR_HORIZONS[letter]:
        if (horizon := max(1, typical // offset.n)) <= fitting:
            shorter = ", because the history is short" if typical != CALENDAR_HORIZONS[letter][0] else ""
            return horizon, f"{HORIZON_NAMES[letter, typical]}{shorter}"
    return fitting, "the most that the short history allows"


def _choose_refresh(freq: str, horizon: int, steps: int) -> str | None:
    """Return one horizon as the refresh interval if a day is a large part of a short history; otherwise None."""
    day = steps_a_day(freq)
    if day == 1 or day <= MAX_DAY_SHARE * steps:
        return None
    seconds = max(1, round(horizon * pd.Timedelta(pd.tseries.frequencies.to_offset(freq)).total_seconds()))
    return f"{seconds // 60}min" if seconds % 60 == 0 else f"{seconds}s"


def _infer_season(series: list[np.ndarray], freq: str) -> tuple[int | None, Inference]:
    """Return the season if it is not the default of the frequency, and the evidence."""
    lags = [lag for lag in seasons(freq) if lag > 1]
    longest = max(len(values) for values in series)
    seasonal = seasonal_lags_of(series, lags)
    if seasonal:
        first, *others = seasonal
        evidence = f"autocorrelation {_format_correlation(seasonal[first])} at lag {first}"
        for lag in others:
            evidence += f"; {_name_pattern(lag, freq)} pattern too, {_format_correlation(seasonal[lag])} at lag {lag}"
        confidence = "sure" if seasonal[first] >= SURE_AUTOCORRELATION else "likely"
        return None if first == seasons(freq)[0] else first, Inference("season", str(first), confidence, evidence)
    if unexpected := unexpected_season(series, min(longest // 4, MAX_UNEXPECTED_LAG)):
        lag, correlation = unexpected
        evidence = f"autocorrelation {_format_correlation(correlation)} at lag {lag}, which is not a calendar season"
        return lag, Inference("season", str(lag), "unsure", evidence)
    default = seasons(freq)[0]
    correlation = median_autocorrelation(series, default)
    evidence = "default of the frequency; the history is too short to measure it"
    if np.isfinite(correlation):
        evidence = (
            f"default of the frequency; autocorrelation {_format_correlation(correlation)} at lag {default} is weak"
        )
    return None, Inference("season", str(default), "unsure", evidence)


def _name_pattern(lag: int, freq: str) -> str:
    day = steps_a_day(freq)
    return {day: "daily", 7 * day: "weekly"}.get(lag, f"{lag}-step")


def _format_correlation(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}".replace("0.", ".", 1)  # adding 0.0 turns -0.0 into 0.0
