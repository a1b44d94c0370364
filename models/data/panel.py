"""A panel of series as flat arrays on one regular grid, from which windows are gathered, never stored.

series a  a a a a a f f         rows of all series, one after the other; f: the horizon, known covariates only
series b      b b b f f         `first` is where a series begins on the grid
grid      0 1 2 3 4 5 6
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import PositiveInt

from data_contracts.spec import Spec
from models.data.calendar import calendar_features, clock, seasons, steps_a_day
from models.data.features import FeatureSpec
from models.data.imputation import Fill


class InputSpec(Spec):
    """What a model sees of a panel: covariates, step, wall clock, and how far back and ahead."""

    features: FeatureSpec
    freq: str
    zone: str
    lookback: PositiveInt
    horizon: PositiveInt
    fill: tuple[tuple[str, Fill], ...] = ()  # of the columns that have a policy; pairs, as a view is a key of caches

    def fill_of(self, column: str) -> Fill:
        """The policy for the gaps of y or of a covariate."""
        return dict(self.fill).get(column, "none")

    @property
    def season(self) -> int:
        """Season length in steps."""
        return seasons(self.freq)[0]

    @property
    def phase(self) -> int:
        """Steps after which the hour of the day is the same again; 1 where a step is a day or longer."""
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


def _grid(stamps: pd.DatetimeIndex, freq: str, horizon: int) -> pd.DatetimeIndex:
    """From the first of `stamps` to `horizon` steps past the last; off the anchors of `freq` they keep their phase."""
    inside = pd.date_range(stamps[0], stamps[-1], freq=freq)
    if not stamps.isin(inside).all():
        inside = stamps
    anchor = pd.tseries.frequencies.to_offset(freq).rollback(inside[-1])
    beyond = pd.date_range(anchor, periods=horizon + 1, freq=freq)[1:] + (inside[-1] - anchor)
    return inside.append(beyond).as_unit("us")


@dataclass(frozen=True)
class Panel:
    """R rows of S series. Values are in the units of the source, NaN where nothing is known."""

    view: InputSpec
    ids: tuple[str, ...]
    first: np.ndarray  # (S,) int64, place of a series' first row on the grid
    starts: np.ndarray  # (S,) int64, row of a series' first row
    lengths: np.ndarray  # (S,) int64
    grid: pd.DatetimeIndex  # every step from the first to a horizon past the last
    y: np.ndarray  # (R,) float64
    known: np.ndarray  # (R, K) float64, columns of the source that are known over the horizon
    observed: np.ndarray  # (R, O) float64
    calendar: np.ndarray  # (grid, C) float32
    clock: np.ndarray  # (grid,) int64 steps since 1970 on the wall clock
    static: tuple[tuple[str, ...], ...]  # a tuple of S values for each static covariate

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, view: InputSpec) -> "Panel":
        """From rows sorted by unique_id and ds (UTC), on a regular grid per series; y is NaN past the cutoff."""
        features, freq = view.features, view.freq
        grid = _grid(pd.DatetimeIndex(frame["ds"].unique()).sort_values(), freq, view.horizon)
        sizes = frame.groupby("unique_id", sort=True).size()
        lengths = sizes.to_numpy(np.int64)
        starts = lengths.cumsum() - lengths
        last = frame.groupby("unique_id", sort=True)[list(features.static)].last() if features.static else None
        return cls(
            view=view,
            ids=tuple(str(name) for name in sizes.index),
            first=grid.get_indexer(pd.DatetimeIndex(frame["ds"].iloc[starts])).astype(np.int64),
            starts=starts,
            lengths=lengths,
            grid=grid,
            y=frame["y"].to_numpy("float64", copy=True),
            known=frame[list(features.known_columns)].to_numpy("float64", copy=True),
            observed=frame[list(features.observed)].to_numpy("float64", copy=True),
            calendar=calendar_features(grid, features.calendar(freq), freq, view.zone),
            clock=clock(grid, freq, view.zone),
            static=tuple(tuple(map(str, last[name])) for name in features.static) if last is not None else (),
        )

    @property
    def whole(self) -> bool:
        """Whether every observation is a whole number: then quantiles are whole numbers too."""
        known = self.y[np.isfinite(self.y)]
        return bool(len(known)) and bool((known == np.rint(known)).all())

    def rows_until(self, series: np.ndarray, position: np.ndarray) -> np.ndarray:
        """(R,) whether a row stands at or before the last of these cutoffs of its series."""
        last = np.full(len(self.ids), -1)
        np.maximum.at(last, series, position)
        return np.arange(len(self.y)) <= np.repeat(self.starts + last, self.lengths)

    def take(self, values: np.ndarray, series: np.ndarray, position: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """(n, len(offsets), …): values at position + offset of each window's series; NaN outside the series."""
        places = position[:, None].astype(np.int64) + offsets[None, :]
        outside = (places < 0) | (places >= self.lengths[series][:, None])
        rows = self.starts[series][:, None] + np.where(outside, 0, places)
        found = values[rows]
        found[outside] = np.nan
        return found

    def calendar_at(self, series: np.ndarray, position: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """(n, len(offsets), C): calendar features; before the first step of the grid those of the first step."""
        places = (self.first[series] + position)[:, None] + offsets[None, :]
        return self.calendar[np.clip(places, 0, len(self.grid) - 1)]

    def times(self, series: np.ndarray, position: np.ndarray, horizon: int) -> np.ndarray:
        """(n, horizon) times of the steps after each cutoff, datetime64[us] in UTC without its zone."""
        places = (self.first[series] + position)[:, None] + np.arange(1, horizon + 1)[None, :]
        return self.grid.tz_localize(None).to_numpy()[places]
