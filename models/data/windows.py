"""Where windows stand: (series, position of the cutoff, part), cut so that no target crosses into another part.

one series      · · · · · · · · · · · · · · · · · · · · · · · │ h h h
parts           ├────── train ──────┤├─ validation ─┤├─ test ─┤ forecast
a window        └ lookback ┘c└ horizon ┘     c: the cutoff, the last step the model may see
a target lies wholly in one part; a lookback may reach back into the part before it, as it will at night
the borders stand at the same hour of the day as the cutoff, so that errors before them are like those after it
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import PositiveInt, field_validator

from data_contracts.errors import NightcastError
from data_contracts.spec import Spec
from models.data.panel import Panel

SPLITS = ("train", "validation", "test", "forecast")


def duration(text: str) -> pd.Timedelta:
    """As pandas reads it, and `28d` too, for which pandas now wants a capital letter."""
    if not re.search(r"\d\s*[A-Za-z]|\d:\d|P", text):  # "28" would be 28 nanoseconds, and "nan" no time at all
        raise ValueError(f"{text!r} has no unit")
    return pd.Timedelta(re.sub(r"(?<![A-Za-z])[dw](?![A-Za-z])", lambda found: found[0].upper(), text))


class WindowSpec(Spec):
    """Lengths of windows and parts. A part is a number of steps or a duration such as `28d`.

    By default validation and test each take 28 horizons, and at most 15 % of the history. Their borders move every
    `refresh`: with `7d` a model is trained once a week and judged every night.
    """

    lookback: PositiveInt | None = None
    horizon: PositiveInt
    validation: PositiveInt | str | None = None
    test: PositiveInt | str | None = None
    refresh: str = "1d"

    @field_validator("validation", "test", "refresh")
    @classmethod
    def _duration(cls, value: int | str | None) -> int | str | None:
        if isinstance(value, str):
            try:
                length = duration(value)
            except ValueError as unclear:
                raise ValueError(f"{value!r} is no duration; write 28d, 12h or a number of steps") from unclear
            if length <= pd.Timedelta(0):
                raise ValueError(f"{value!r} must be longer than nothing")
        return value


class HistoryTooShort(NightcastError):
    """The history is too short to hold even one window of each part: as of a table cut off, or of a spec too long."""

    exit_code = 3

    def __init__(self, steps: int, needed: int, horizon: int) -> None:
        gaps = "" if steps < needed else " with values, and more where windowing.refresh moves the parts back"
        super().__init__(
            f"the history has {steps} steps, but one window each to train, validate and test on needs {needed}{gaps} "
            f"(horizon {horizon}). Shorten windowing.horizon, validation or test, or bring more history."
        )


@dataclass(frozen=True)
class WindowIndex:
    """n windows: number of the series, row of the cutoff within it, and the code of the part."""

    series: np.ndarray  # (n,) int32
    position: np.ndarray  # (n,) int32
    split: np.ndarray  # (n,) int8, place in SPLITS

    def of(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """(series, position) of the windows of one part."""
        chosen = self.split == SPLITS.index(part)
        return self.series[chosen], self.position[chosen]


def build_window_index(panel: Panel, spec: WindowSpec, cutoff: pd.Timestamp, origins: int) -> WindowIndex:
    """Every training and validation window, `origins` rolling origins of the test part, one forecast a series.

    Windows whose lookback or target is wholly missing are left out; so are forecasts of series that ended more than
    a lookback before the cutoff. Raises TooShort where a part would be empty.
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
    parts = [
        _windows_at(
            panel, np.arange(0, border_validation - horizon + 1), horizon, least=min(horizon, panel.view.lookback)
        ),
        _windows_at(panel, np.arange(border_validation, border_test - horizon + 1), horizon, least=1),
        _windows_at(panel, test_cutoffs, horizon, least=1),
        _forecast_windows(panel, now),
    ]
    if any(len(series) == 0 for series, _ in parts[:3]):
        raise HistoryTooShort(now + 1, test + validation + horizon + min(horizon, panel.view.lookback), horizon)
    return WindowIndex(
        series=np.concatenate([series for series, _ in parts]).astype(np.int32),
        position=np.concatenate([position for _, position in parts]).astype(np.int32),
        split=np.concatenate([np.full(len(series), code) for code, (series, _) in enumerate(parts)]).astype(np.int8),
    )


def _steps(panel: Panel, length: int | str | None, horizon: int, now: int) -> int:
    """Steps of a part, at least a horizon; by default 28 horizons, and at most 15 % of the history."""
    if isinstance(length, str):
        length = now - int(panel.grid.searchsorted(panel.grid[now] - duration(length), side="left"))
    return max(length or min(28 * horizon, int(0.15 * (now + 1))), horizon)


def _border(panel: Panel, now: int, test: int, refresh: str) -> int:
    """Last step before the test part: moved back to a tick of `refresh` since 1970, then to the cutoff's phase."""
    border = max(now - test, 0)
    tick = panel.grid[border].floor(duration(refresh))
    moved = int(panel.grid.searchsorted(tick, side="right")) - 1
    moved -= (moved - now) % panel.view.phase
    return moved if moved > 0 else border


def _windows_at(panel: Panel, cutoffs: np.ndarray, horizon: int, least: int) -> tuple[np.ndarray, np.ndarray]:
    """(series, position) of every series at every cutoff (places on the grid) with `least` steps and values around."""
    if len(cutoffs) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    found = []
    observed = np.concatenate([[0], np.cumsum(~np.isnan(panel.y))])
    for number, (first, start, length) in enumerate(zip(panel.first, panel.starts, panel.lengths, strict=True)):
        position = cutoffs - first
        position = position[(position >= least - 1) & (position + horizon < length)]
        row = start + position
        told = observed[row + horizon + 1] - observed[row + 1] > 0
        seen = observed[row + 1] - observed[np.maximum(start, row + 1 - panel.view.lookback)] > 0
        kept = position[told & seen]
        found.append((np.full(len(kept), number), kept))
    return np.concatenate([s for s, _ in found]), np.concatenate([p for _, p in found])


def _forecast_windows(panel: Panel, now: int) -> tuple[np.ndarray, np.ndarray]:
    """One window at the cutoff for each series that was observed within a lookback of it, and is known ahead."""
    found = []
    ahead = panel.view.horizon if panel.known.shape[1] else 0
    for number, (first, start, length) in enumerate(zip(panel.first, panel.starts, panel.lengths, strict=True)):
        position = now - int(first)
        if 0 <= position < length - ahead:
            recent = panel.y[start + max(0, position - panel.view.lookback + 1) : start + position + 1]
            if np.isfinite(recent).any():
                found.append((number, position))
    both = np.array(found, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]
