"""Windows of a panel for the linear map: the moments that it is fitted on, and the points that it forecasts.

A window is divided by its seasonal index if the map is adjusted for seasons, then shifted by its last observation and
scaled.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.baselines.moments import Moments
from models.baselines.ridge_search import GroupedMoments
from models.data.panel import InputSpec, Panel, last_observed
from models.data.scaling import error_weights
from models.data.seasonal_adjustment import seasonal_factors

MIN_CARRYING = 0.5  # share of the steps before the lookback of the pipeline that have values
SIZE_LIMITS = 0.1, 10.0  # of the errors of a window relative to the typical ones, that its weight follows
MAX_BATCH_SIZE, MAX_BATCH_VALUES = 4096, 3_000_000  # windows, and steps of all their lookbacks


def linear_points(
    maps: Mapping[str, np.ndarray], view: InputSpec, panel: Panel, series: np.ndarray, position: np.ndarray
) -> np.ndarray:
    """Forecast with the weights of `fit_linear`.

    Args:
        maps: `weights` (longest lookback + 1, horizon); `weights.short` (lookback + 1, horizon) for windows whose
            history does not carry the longest lookback, else the last value stands for each missing step; `seasons`
            (s,), in steps, that windows are adjusted for, if any.
        view: Lookback and horizon, in steps.
        panel: The series to forecast.
        series: Series code of each window, (n,).
        position: Step of each cutoff within its series, (n,).

    Returns:
        Point forecasts (n, horizon), in the units of the source.
    """
    weights, short = maps["weights"], maps.get("weights.short")
    lookback, seasons = len(weights) - 1, [int(season) for season in maps.get("seasons", ())]
    points, offsets = np.zeros((len(series), view.horizon)), np.arange(1 - lookback, view.horizon + 1)
    for part in panel.window_batches(len(series), _batch_size(lookback)):
        past = panel.take(panel.y, series[part], position[part], offsets[:lookback])
        factors = _factors(panel, series[part], position[part], seasons, offsets)
        past = past / factors[:, :lookback]
        carries = np.ones(len(past), dtype=bool) if short is None else _carries(past, view.lookback)
        for chosen, rows in ((weights, carries), (short, ~carries)):
            if chosen is not None and rows.any():
                shifted, last, scale = _normalise(past[rows, lookback + 1 - len(chosen) :])
                points[part.start + np.flatnonzero(rows)] = last + scale * (shifted @ chosen[:-1] + chosen[-1])
        points[part] *= factors[:, lookback:]
    return points


def _factors(
    panel: Panel, series: np.ndarray, position: np.ndarray, seasons: Sequence[int], offsets: np.ndarray
) -> np.ndarray:
    """Seasonal index (n, k) at steps around the cutoffs of windows; 1 without seasons to adjust for."""
    return seasonal_factors(panel, series, position, seasons, offsets) if seasons else np.ones((1, len(offsets)))


class MomentsGatherer(NamedTuple):
    """Gathers the moments of windows of a panel."""

    panel: Panel
    view: InputSpec
    longest: int  # steps
    std: np.ndarray  # (S,) of the series
    seasons: tuple[int, ...] = ()  # that windows are adjusted for, in steps
    gaps: bool = False  # a missing target is the last value; else the window is left out
    reference: dict[str, np.ndarray] | None = None  # a map: windows that it forecasts well count more
    typical: float = 1.0  # error of that map

    def gather(self, series: np.ndarray, position: np.ndarray) -> GroupedMoments:
        """Return the moments of the windows with these series codes and positions, (n,) each."""
        lookback, horizon = self.view.lookback, self.view.horizon
        complete, partial = Moments.empty(self.longest, horizon), Moments.empty(lookback, horizon)
        for part in self.panel.window_batches(len(series), _batch_size(self.longest)):
            codes, cutoffs = series[part], position[part]
            past = self.panel.take(self.panel.y, codes, cutoffs, np.arange(1 - self.longest, 1))
            ahead = self.panel.take(self.panel.y, codes, cutoffs, np.arange(1, horizon + 1))
            offsets = np.arange(1 - self.longest, horizon + 1)
            factors = _factors(self.panel, codes, cutoffs, self.seasons, offsets)
            past, ahead = past / factors[:, : self.longest], ahead / factors[:, self.longest :]
            usable, carries = self.gaps | np.isfinite(ahead).all(axis=1), _carries(past, lookback)
            complete += self._moments_of(past, ahead, codes, usable & carries)
            partial += self._moments_of(past[:, self.longest - lookback :], ahead, codes, usable & ~carries)
        return GroupedMoments(complete, partial)

    def _moments_of(self, past: np.ndarray, ahead: np.ndarray, codes: np.ndarray, rows: np.ndarray) -> Moments:
        """Moments of some of the windows: lookbacks (n, L), horizons (n, H), series codes (n,) and a mask (n,)."""
        if not rows.any():
            return Moments.empty(past.shape[1], ahead.shape[1])
        shifted, last, scale = _normalise(past[rows])
        weights = error_weights(scale, codes[rows], self.std)
        inputs, targets = weights * shifted, weights * (ahead[rows] - last) / scale
        targets = np.nan_to_num(targets) if self.gaps else targets
        if self.reference is None:
            return Moments.of(inputs, targets)
        maps = {len(chosen) - 1: chosen[:-1] for chosen in self.reference.values()}
        return Moments.of(inputs, targets, _robust_weights(targets - inputs @ maps[past.shape[1]], self.typical))


def _robust_weights(errors: np.ndarray, typical: float) -> np.ndarray:
    """Weights (n, 1) of squared errors (n, H): one step of iteratively reweighted least squares for absolute errors."""
    size = np.sqrt(np.square(errors).mean(axis=1, keepdims=True))
    return np.asarray(1 / np.clip(size / typical, *SIZE_LIMITS))


def _batch_size(lookback: int) -> int:
    """Return how many lookbacks are held at once, so that their memory is bounded."""
    return max(1, min(MAX_BATCH_SIZE, MAX_BATCH_VALUES // lookback))


def _carries(past: np.ndarray, lookback: int) -> np.ndarray:
    """Whether enough steps before the lookback of the pipeline have values, (n,), of long lookbacks (n, L)."""
    before = past.shape[1] - lookback
    return np.asarray(np.isfinite(past[:, :before]).sum(axis=1) >= MIN_CARRYING * before)


def _normalise(past: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shifted and scaled lookbacks (n, L), last value (n, 1) and scale (n, 1); a missing input is the last value."""
    last = last_observed(past)[:, None]
    shifted = np.where(np.isfinite(past), past - last, 0.0)
    scale = np.sqrt((shifted**2).mean(axis=1, keepdims=True))
    varies = scale > np.maximum(1e-9 * np.abs(last), np.finfo(float).tiny)  # relative: a series may be as small as 1e-9
    scale = np.where(varies, scale, 1.0 + np.abs(last))
    return shifted / scale, last, scale
