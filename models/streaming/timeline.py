"""Steps of a frequency as numbers: time ↔ step, calendar features and clock of each step. It grows as time goes on.

No pandas while a request is answered: a time is looked up in an array of microseconds. Only growing computes new times.
"""

import numpy as np
import pandas as pd

from models.data.calendar import calendar_features, wall_clock_steps
from models.data.closed_times import week_slots
from models.data.panel import InputSpec, extend_grid

SPARE_STEPS = 1024  # that are appended at a time
PHASE_STEPS = 512  # newest steps that decide the phase of appended ones


class Timeline:
    """The grid of a panel, and steps beyond it. Step 0 is the first time."""

    def __init__(self, grid: pd.DatetimeIndex, view: InputSpec) -> None:
        self.view = view
        self.slots = np.empty(0, np.int64)
        """Hour of the week of each step, (n,) int64, by which closed times are known."""
        self._append(grid.as_unit("us"), np.empty(0, np.int64), None, None)
        self.require(len(grid) - 1)

    @classmethod
    def from_times(cls, times: np.ndarray, view: InputSpec) -> "Timeline":
        """Build a timeline from its first times (n,), microseconds since 1970 in UTC."""
        return cls(pd.DatetimeIndex(times.astype("datetime64[us]"), tz="UTC"), view)

    def require(self, step: int) -> None:
        """Grow until a horizon after `step` is known."""
        missing = step + self.view.horizon + 1 - len(self.times)
        if missing > 0:
            tail = pd.DatetimeIndex(self.times[-PHASE_STEPS:].astype("datetime64[us]"), tz="UTC")
            grown = extend_grid(tail, self.view.freq, missing + SPARE_STEPS)[len(tail) :]
            self._append(grown, self.times, self.calendar, self.clock)

    def _append(
        self, grown: pd.DatetimeIndex, times: np.ndarray, calendar: np.ndarray | None, clock: np.ndarray | None
    ) -> None:
        view = self.view
        words = view.features.calendar(view.freq)
        features = calendar_features(grown, words, view.freq, view.zone)
        steps = wall_clock_steps(grown, view.freq, view.zone)
        self.times = np.concatenate([times, grown.asi8])
        """Times of the steps, (n,) int64, microseconds since 1970 in UTC."""
        self.calendar = features if calendar is None else np.concatenate([calendar, features])
        """Calendar features, (n, C) float32."""
        self.clock = steps if clock is None else np.concatenate([clock, steps])
        """Steps since 1970 on the wall clock, (n,) int64."""
        self.slots = np.concatenate([self.slots, week_slots(pd.Series(grown), view.freq, view.zone)])

    def find(self, times: np.ndarray) -> np.ndarray:
        """Return the step of each time.

        Args:
            times: (n,) int64, microseconds since 1970 in UTC.

        Returns:
            (n,) int64; -1 for a time between two steps, before the first or after the last known one.
        """
        steps = np.searchsorted(self.times, times)
        inside = np.minimum(steps, len(self.times) - 1)
        return np.where(self.times[inside] == times, inside, -1)
