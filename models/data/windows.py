"""Window index: (series, position of the cutoff, part), cut so that no target crosses into another part.

one series      · · · · · · · · · · · · · · · · · · · · · · · │ h h h
parts           ├────── train ──────┤├─ validation ─┤├─ test ─┤ forecast
a window        └ lookback ┘c└ horizon ┘     c: the cutoff, the last step the model may see
A target lies wholly in one part. A lookback may reach into the part before, as it does when forecasting.
The borders have the hour of the day of the cutoff, so that errors of validation and test resemble those of forecasts.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt, field_validator

from data_contracts.errors import NightcastError
from data_contracts.spec import SettingsSpec
from models.data.panel import Panel

MAX_WINDOW_STEPS = 100_000  # of a lookback or a horizon; what fits the machine is checked once the series are known
MAX_PART_STEPS = 100_000_000
SPLITS = ("train", "validation", "test", "forecast")
BLOCK_WINDOWS, BLOCK_SERIES = 1_000_000, 4096  # that are looked at together


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
class WindowRanges:
    """Windows of one part as r ranges of cutoffs, each of one series, so that millions of windows take no memory."""

    series: np.ndarray  # (r,) int32, code of the series in the panel
    first: np.ndarray  # (r,) int32, step of the first cutoff within the series
    last: np.ndarray  # (r,) int32, step of the last cutoff
    stride: np.ndarray  # (r,) int32, steps between two cutoffs

    @classmethod
    def from_cutoffs(cls, series: np.ndarray, position: np.ndarray, stride: int = 1) -> "WindowRanges":
        """Build the ranges of windows that are sorted by series and time.

        Args:
            series: Series code of each window, (n,).
            position: Step of each cutoff within its series, (n,).
            stride: Steps between two cutoffs of one range.

        Returns:
            The ranges, in the order of the windows.
        """
        follows = (np.diff(series) == 0) & (np.diff(position) == stride)
        begins = np.flatnonzero(np.concatenate([[True], ~follows]))[: len(series)]
        ends = np.append(begins[1:] - 1, len(series) - 1)[: len(begins)]
        strides = np.full(len(begins), stride)
        return cls(*(part.astype(np.int32) for part in (series[begins], position[begins], position[ends], strides)))

    @cached_property
    def _ends(self) -> np.ndarray:
        """Number of windows up to the end of each range, (r,)."""
        return np.cumsum((self.last.astype(np.int64) - self.first) // self.stride + 1)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self.series) else 0

    def take(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the windows with these numbers.

        Args:
            chosen: Numbers of windows from 0, (k,).

        Returns:
            Series codes and positions, each (k,) int32.
        """
        ranges = np.searchsorted(self._ends, chosen, side="right")
        before = self.last[ranges].astype(np.int64) - (self._ends[ranges] - 1 - chosen) * self.stride[ranges]
        return self.series[ranges], before.astype(np.int32)

    def take_evenly(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return at most `count` windows, evenly spaced, as `take` does."""
        return self.take(np.linspace(0, len(self) - 1, min(len(self), count)).astype(int))

    def last_cutoffs(self, count: int) -> np.ndarray:
        """Return the step of the last cutoff of each of `count` series, (count,) int64; -1 without windows."""
        last = np.full(count, -1)
        np.maximum.at(last, self.series, self.last)
        return last


@dataclass(frozen=True)
class WindowIndex:
    """The windows of each part of SPLITS; a part may be missing."""

    parts: Mapping[str, WindowRanges]

    def of(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Return series codes and positions of all windows of one part, each (k,) int32."""
        windows = self.parts[part]
        return windows.take(np.arange(len(windows)))


def concat_ranges(ranges: Sequence[WindowRanges]) -> WindowRanges:
    """Return the windows of several ranges, one after the other."""
    names = ("series", "first", "last", "stride")
    return WindowRanges(*(np.concatenate([getattr(part, name) for part in ranges]) for name in names))


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
    parts = {
        "train": _windows_at(panel, np.arange(0, border_validation - horizon + 1), horizon, min_steps=shortest),
        "validation": _windows_at(panel, np.arange(border_validation, border_test - horizon + 1), horizon, min_steps=1),
        "test": _windows_at(panel, test_cutoffs, horizon, min_steps=1, stride=stride),
    }
    if not all(len(windows) for windows in parts.values()):
        raise HistoryTooShort(now + 1, test + validation + horizon + shortest, horizon)
    return WindowIndex(parts | {"forecast": WindowRanges.from_cutoffs(*forecast_windows(panel, now))})


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


def _windows_at(panel: Panel, cutoffs: np.ndarray, horizon: int, min_steps: int, stride: int = 1) -> WindowRanges:
    """Windows of every series at the cutoffs (grid steps): `min_steps` of history, a value in lookback and target."""
    ranges = [WindowRanges.from_cutoffs(np.zeros(0, np.int64), np.zeros(0, np.int64), stride)]
    block = max(1, BLOCK_WINDOWS // max(len(cutoffs), int(panel.lengths.max(initial=1)), 1))
    for start in range(0, len(panel.ids) if len(cutoffs) else 0, block):
        part = slice(start, start + block)
        first, starts, lengths = (values[part, None] for values in (panel.first, panel.starts, panel.lengths))
        begin = int(starts[0, 0])
        values = panel.y[begin : int(starts[-1, 0] + lengths[-1, 0])]
        observed = np.concatenate([[0], np.cumsum(~np.isnan(values), dtype=np.int32)])
        position = cutoffs[None, :] - first
        kept = (position >= min_steps - 1) & (position + horizon < lengths)
        row = np.where(kept, starts - begin + position, 0)
        target = np.minimum(row + horizon + 1, len(values))
        has_target = observed[target] > observed[row + 1]
        has_lookback = observed[row + 1] > observed[np.maximum(starts - begin, row + 1 - panel.view.lookback)]
        code, column = np.nonzero(kept & has_target & has_lookback)
        ranges.append(WindowRanges.from_cutoffs(code + start, position[code, column], stride))
    return concat_ranges(ranges)


def forecast_windows(panel: Panel, now: int) -> tuple[np.ndarray, np.ndarray]:
    """Return one window at the cutoff for each series with an observation in the lookback and known covariates ahead.

    Args:
        panel: The series; y is NaN after the cutoff.
        now: Step of the cutoff in the grid of the panel.

    Returns:
        Codes of the series and positions of their cutoffs, each (n,).
    """
    ahead = panel.view.horizon if panel.known.shape[1] else 0
    position = now - panel.first
    codes = np.flatnonzero((position >= 0) & (position < panel.lengths - ahead))
    back, observed = np.arange(1 - panel.view.lookback, 1), np.zeros(len(codes), dtype=bool)
    for start in range(0, len(codes), BLOCK_SERIES):
        part = codes[start : start + BLOCK_SERIES]
        observed[start : start + BLOCK_SERIES] = np.isfinite(panel.take(panel.y, part, position[part], back)).any(
            axis=1
        )
    return codes[observed], position[codes[observed]]
