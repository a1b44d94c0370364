"""Window index: (series, position of the cutoff, part), cut so that no target crosses into another part.

one series      · · · · · · · · · · · · · · · · · · · · · · · │ h h h
parts           ├────── train ──────┤├─ validation ─┤├─ test ─┤ forecast
a window        └ lookback ┘c└ horizon ┘     c: the cutoff, the last step the model may see
A target lies wholly in one part. A lookback may reach into the part before, as it does when forecasting.
The borders have the hour of the day of the cutoff, so that errors of validation and test resemble those of forecasts.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt, field_validator

from data_contracts.errors import NightcastError
from data_contracts.spec import SettingsSpec
from models.data.panel import Panel

MAX_WINDOW_STEPS = 100_000  # of a lookback or a horizon; what fits the machine is checked once the series are known
MAX_PART_STEPS = 100_000_000
SPLITS = ("train", "validation", "test", "forecast")


def parse_duration(text: str) -> pd.Timedelta:
    """Parse a duration as pandas does, and also lower-case days and weeks (`28d`), which pandas deprecates."""
    if not re.search(r"\d\s*[A-Za-z]|\d:\d|P", text):  # pandas reads "28" as 28 nanoseconds and "nan" as NaT
        raise ValueError(f"{text!r} has no unit")
    return pd.Timedelta(re.sub(r"(?<![A-Za-z])[dw](?![A-Za-z])", lambda match: match[0].upper(), text))


class WindowSpec(SettingsSpec):
    """Lengths of windows and parts. A part is a number of steps or a duration such as `28d`.

    By default, validation and test take 28 horizons each, and at most 15 % of the history. Their borders move once per
    `refresh`: with `7d` a model is trained once a week and evaluated every night.
    """

    lookback: PositiveInt | None = Field(None, le=MAX_WINDOW_STEPS)
    horizon: PositiveInt = Field(le=MAX_WINDOW_STEPS)
    validation: PositiveInt | str | None = None
    test: PositiveInt | str | None = None
    refresh: str = "1d"

    @field_validator("validation", "test", "refresh")
    @classmethod
    def _duration(cls, value: int | str | None) -> int | str | None:
        if isinstance(value, str):
            try:
                length = parse_duration(value)
            except ValueError as unclear:
                raise ValueError(f"{value!r} is not a duration; write 28d, 12h or a number of steps") from unclear
            if length <= pd.Timedelta(0):
                raise ValueError(f"{value!r} is not a positive duration")
        elif value and value > MAX_PART_STEPS:
            raise ValueError(f"{value} steps are more than the limit of {MAX_PART_STEPS:,}")
        return value


class HistoryTooShort(NightcastError):
    """The history does not hold one window of each part: the table is truncated, or the spec asks for too much."""

    exit_code = 3
    headline = "The history is too short: nothing new was published."

    def __init__(self, steps: int, needed: int, horizon: int) -> None:
        gaps = "" if steps < needed else " with values, and more if windowing.refresh moves the parts back"
        super().__init__(
            f"the history has {steps} steps, but one window each for training, validation and test needs "
            f"{needed}{gaps} (horizon {horizon}). Shorten windowing.horizon, validation or test, or provide more "
            "history."
        )


@dataclass(frozen=True)
class WindowIndex:
    """The series, the position of the cutoff and the part of n windows."""

    series: np.ndarray  # (n,) int32, code of the series in the panel
    position: np.ndarray  # (n,) int32, step of the cutoff within the series
    split: np.ndarray  # (n,) int8, index into SPLITS

    def of(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Return series codes and positions of the windows of one part, each (k,)."""
        chosen = self.split == SPLITS.index(part)
        return self.series[chosen], self.position[chosen]


def build_window_index(panel: Panel, spec: WindowSpec, cutoff: pd.Timestamp, origins: int) -> WindowIndex:
    """Build the index of every training and validation window, of the test origins and of one forecast per series.

    A window whose lookback or target is wholly missing is left out. So is the forecast of a series that ended more than
    a lookback before the cutoff, or that has no known covariates over the horizon.

    Args:
        panel: The series; y is NaN after the cutoff.
        spec: Lengths of windows and parts.
        cutoff: Last step that may be observed, a time of the panel's grid (UTC).
        origins: Largest number of rolling origins in the test part.

    Returns:
        The windows, ordered by part, series and time.

    Raises:
        HistoryTooShort: The training, validation or test part has no window.
    """
    horizon = spec.horizon
    now = int(panel.grid.get_loc(cutoff))
    test, validation = (_steps(panel, length, spec.horizon, now) for length in (spec.test, spec.validation))
    border_test = _border(panel, now, test, spec.refresh)
    border_validation = max(border_test - validation, 0)
    stride = max(1, test // origins)
    stride -= stride % panel.view.phase if stride > panel.view.phase else 0
    test_cutoffs = now - horizon - stride * np.arange(origins)
    test_cutoffs = np.sort(test_cutoffs[test_cutoffs >= border_test])
    shortest = min(horizon, panel.view.lookback)
    parts = [
        _windows_at(panel, np.arange(0, border_validation - horizon + 1), horizon, min_steps=shortest),
        _windows_at(panel, np.arange(border_validation, border_test - horizon + 1), horizon, min_steps=1),
        _windows_at(panel, test_cutoffs, horizon, min_steps=1),
        forecast_windows(panel, now),
    ]
    if any(len(series) == 0 for series, _ in parts[:3]):
        raise HistoryTooShort(now + 1, test + validation + horizon + shortest, horizon)
    return WindowIndex(
        series=np.concatenate([series for series, _ in parts]).astype(np.int32),
        position=np.concatenate([position for _, position in parts]).astype(np.int32),
        split=np.concatenate([np.full(len(series), code) for code, (series, _) in enumerate(parts)]).astype(np.int8),
    )


def _steps(panel: Panel, length: int | str | None, horizon: int, now: int) -> int:
    """Steps of a part, at least one horizon."""
    if isinstance(length, str):
        length = now - int(panel.grid.searchsorted(panel.grid[now] - parse_duration(length), side="left"))
    return max(length or min(28 * horizon, int(0.15 * (now + 1))), horizon)


def _border(panel: Panel, now: int, test: int, refresh: str) -> int:
    """Last step before the test part: moved back to a multiple of `refresh` since 1970, then to the cutoff's phase."""
    border = max(now - test, 0)
    tick = panel.grid[border].floor(parse_duration(refresh))
    moved = int(panel.grid.searchsorted(tick, side="right")) - 1
    moved -= (moved - now) % panel.view.phase
    return moved if moved > 0 else border


def _windows_at(panel: Panel, cutoffs: np.ndarray, horizon: int, min_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows of every series at the cutoffs (grid steps): `min_steps` of history, a value in lookback and target."""
    if len(cutoffs) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    windows = []
    observed = np.concatenate([[0], np.cumsum(~np.isnan(panel.y))])
    for code, (first, start, length) in enumerate(zip(panel.first, panel.starts, panel.lengths, strict=True)):
        position = cutoffs - first
        position = position[(position >= min_steps - 1) & (position + horizon < length)]
        row = start + position
        has_target = observed[row + horizon + 1] - observed[row + 1] > 0
        has_lookback = observed[row + 1] - observed[np.maximum(start, row + 1 - panel.view.lookback)] > 0
        kept = position[has_target & has_lookback]
        windows.append((np.full(len(kept), code), kept))
    return np.concatenate([series for series, _ in windows]), np.concatenate([position for _, position in windows])


def forecast_windows(panel: Panel, now: int) -> tuple[np.ndarray, np.ndarray]:
    """Return one window at the cutoff for each series with an observation in the lookback and known covariates ahead.

    Args:
        panel: The series; y is NaN after the cutoff.
        now: Step of the cutoff in the grid of the panel.

    Returns:
        Codes of the series and positions of their cutoffs, each (n,).
    """
    windows = []
    ahead = panel.view.horizon if panel.known.shape[1] else 0
    for code, (first, start, length) in enumerate(zip(panel.first, panel.starts, panel.lengths, strict=True)):
        position = now - int(first)
        if 0 <= position < length - ahead:
            recent = panel.y[start + max(0, position - panel.view.lookback + 1) : start + position + 1]
            if np.isfinite(recent).any():
                windows.append((code, position))
    both = np.array(windows, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]
