"""A panel of series as flat arrays on one regular grid. Windows are gathered from it and never stored.

series a  a a a a a f f         rows of all series, one after the other; f: the horizon, known covariates only
series b      b b b f f         `first` is the grid index of a series' first row
grid      0 1 2 3 4 5 6
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from pydantic import PositiveInt

from data_contracts.spec import Spec
from models.data.calendar import calendar_features, seasons, steps_a_day, wall_clock_steps
from models.data.features import FeatureSpec
from models.data.imputation import Fill
from models.data.mapped_pages import release_pages
from models.data.panel_table import PanelTable
from models.data.running_range import RunningRange
from models.data.time_steps import build_grid

BLOCK_ROWS = 1_000_000


class InputSpec(Spec):
    """What a model reads of a panel: covariates, frequency, time zone, lookback and horizon in steps."""

    features: FeatureSpec
    freq: str
    zone: str
    lookback: PositiveInt
    horizon: PositiveInt
    fill: tuple[tuple[str, Fill], ...] = ()  # (column, policy); pairs, so that the spec is hashable

    def fill_of(self, column: str) -> Fill:
        """Return the policy for gaps of y or of a covariate."""
        return dict(self.fill).get(column, "none")

    @property
    def season(self) -> int:
        """Length of the shortest season, in steps."""
        return seasons(self.freq)[0]

    @property
    def phase(self) -> int:
        """Steps in a day; 1 if a step is a day or longer."""
        return steps_a_day(self.freq)


def last_observed(values: np.ndarray) -> np.ndarray:
    """Return the last observed value of each row.

    Args:
        values: (n, L), NaN where nothing was observed.

    Returns:
        (n,), 0 for a row without any observation.
    """
    newest = values.shape[1] - 1 - np.argmax(np.isfinite(values)[:, ::-1], axis=1)
    return np.nan_to_num(values[np.arange(len(values)), newest])


def extend_grid(stamps: pd.DatetimeIndex, freq: str, horizon: int) -> pd.DatetimeIndex:
    """Return the times from the first of `stamps` (UTC, ascending) to `horizon` steps past the last, in their phase."""
    grid = build_grid(stamps, freq, horizon)
    if stamps.isin(grid).all():
        return grid
    anchor = pd.tseries.frequencies.to_offset(freq).rollback(stamps[-1])
    beyond = pd.date_range(anchor, periods=horizon + 1, freq=freq)[1:] + (stamps[-1] - anchor)
    return stamps.append(beyond).as_unit("us")


@dataclass(frozen=True)
class Panel:
    """R rows of S series, in the units of the source, NaN if unknown. The code of a series is its index in `ids`."""

    view: InputSpec
    ids: tuple[str, ...]
    first: np.ndarray  # (S,) int64, grid index of a series' first row
    starts: np.ndarray  # (S,) int64, index of a series' first row among all rows
    lengths: np.ndarray  # (S,) int64, rows
    grid: pd.DatetimeIndex  # UTC, every step from the first to a horizon past the last
    y: np.ndarray  # (R,) float64
    known: np.ndarray  # (R, K) float64, columns of the source that are known over the horizon
    observed: np.ndarray  # (R, O) float64
    calendar: np.ndarray  # (grid, C) float32
    clock: np.ndarray  # (grid,) int64 steps since 1970 on the wall clock
    static: tuple[tuple[str, ...], ...]  # a tuple of S values for each static covariate
    earlier: np.ndarray | None = None  # (S, 2) smallest and largest observation before the first row, NaN if none

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, view: InputSpec) -> "Panel":
        """Build a panel from a table in the long format.

        Args:
            frame: unique_id, ds (UTC), y and the covariates of `view`, sorted by unique_id and ds, on a regular grid
                per series; y is NaN after the cutoff.
            view: The covariates, frequency and time zone.

        Returns:
            The panel, its series in the order of unique_id.
        """
        return cls.from_table(PanelTable.from_frame(frame), view)

    @classmethod
    def from_table(cls, table: PanelTable, view: InputSpec) -> "Panel":
        """Build a panel from a table whose values it shares, as `from_frame` does."""
        features, freq, rows = view.features, view.freq, len(table)
        grid = extend_grid(table.times, freq, view.horizon)

        def columns(names: tuple[str, ...]) -> np.ndarray:
            return np.column_stack([np.empty((rows, 0)), *(table.numbers[name] for name in names)])

        return cls(
            view=view,
            ids=tuple(table.ids),
            first=grid.get_indexer(table.times)[table.first],
            starts=table.starts,
            lengths=table.lengths,
            grid=grid,
            y=table.numbers["y"],
            known=columns(features.known_columns),
            observed=columns(features.observed),
            calendar=calendar_features(grid, features.calendar(freq), freq, view.zone),
            clock=wall_clock_steps(grid, freq, view.zone),
            static=tuple(tuple(map(str, table.texts[name])) for name in features.static),
        )

    @property
    def whole(self) -> bool:
        """Whether every observation is a whole number, so that forecasts are rounded."""
        values = (part[np.isfinite(part)] for part in (self.y[rows] for rows, _ in self.blocks()))
        known = [(len(part), bool((part == np.rint(part)).all())) for part in values]
        return any(count for count, _ in known) and all(is_whole for _, is_whole in known)

    @cached_property
    def _running_range(self) -> RunningRange:
        return RunningRange.of(self.y, self.starts, self.lengths, self.blocks(), self.earlier)

    def ranges_at(self, series: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Return the largest minus the smallest observation of a series up to a step, `earlier` included.

        Args:
            series: Series code of each window, (n,).
            position: Step within the series, (n,).

        Returns:
            (n,); 0 until two values differ.
        """
        return self._running_range.at(self.y, series, position)

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """Yield (rows, series) of at most BLOCK_ROWS rows, or of one series, so that a temporary array stays small."""
        ends, begin = self.starts + self.lengths, 0
        while begin < len(self.ids):
            end = max(begin + 1, int(np.searchsorted(ends, self.starts[begin] + BLOCK_ROWS, "right")))
            rows = slice(int(self.starts[begin]), int(ends[end - 1]))
            yield rows, slice(begin, end)
            release_pages(self.y[rows])
            begin = end

    def window_batches(self, count: int, size: int) -> Iterator[slice]:
        """Yield slices of `size` of `count` windows, and release the pages that were read for them."""
        for begin in range(0, count, size):
            yield slice(begin, begin + size)
            release_pages(self.y)

    def rows_until(self, last: np.ndarray) -> np.ndarray:
        """Return whether each row is at or before a step of its series, (R,); `last` is (S,), -1 for no row."""
        until = np.empty(len(self.y), dtype=bool)
        for rows, codes in self.blocks():
            ends = np.repeat(self.starts[codes] + last[codes], self.lengths[codes])
            until[rows] = np.arange(rows.start, rows.stop) <= ends
        return until

    def take(self, values: np.ndarray, series: np.ndarray, position: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Gather values around cutoffs.

        Args:
            values: Rows of the panel, (R, …).
            series: Series code of each window, (n,).
            position: Step of each cutoff within its series, (n,).
            offsets: Steps relative to the cutoff, (k,).

        Returns:
            (n, k, …), NaN outside the series.
        """
        if not values.size and values.ndim > 1:  # the panel has none of these covariates
            return np.empty((len(series), len(offsets), *values.shape[1:]))
        first, lengths = self.starts[series], self.lengths[series]
        if len(series) and position.min() + offsets.min() >= 0 and (position + offsets.max() < lengths).all():
            return np.asarray(values[(first + position)[:, None] + offsets])
        steps = position[:, None].astype(np.int64) + offsets[None, :]
        outside = (steps < 0) | (steps >= lengths[:, None])
        gathered = values[first[:, None] + np.where(outside, 0, steps)]
        gathered[outside] = np.nan
        return gathered

    def calendar_at(self, series: np.ndarray, position: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Gather calendar features around cutoffs, as `take` does, (n, k, C); off the grid, those of its edge."""
        steps = (self.first[series] + position)[:, None] + offsets[None, :]
        return np.take(self.calendar, steps, axis=0, mode="clip")  # much faster than an index of clipped steps

    def last_target(self, series: np.ndarray, position: np.ndarray) -> np.datetime64:
        """Return the time of the last step of the horizon of these windows, UTC without a time zone."""
        step = int((self.first[series] + position).max()) + self.view.horizon
        return self.grid.tz_localize(None).to_numpy()[step]

    def times(self, series: np.ndarray, position: np.ndarray, horizon: int) -> np.ndarray:
        """Return the times of the steps after each cutoff, (n, horizon) datetime64[us], UTC without a time zone."""
        steps = (self.first[series] + position)[:, None] + np.arange(1, horizon + 1)[None, :]
        return self.grid.tz_localize(None).to_numpy()[steps]
