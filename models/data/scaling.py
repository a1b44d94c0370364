"""What values are divided by: each window's target by its own lookback, covariates by the training rows.

A series that was never seen is no stranger then, and one a thousand times as large is no louder.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.data.panel import Panel, last_observed

Normalisation = Literal["standard", "last", "none"]


@dataclass(frozen=True)
class Scaling:
    """What was learned from the training windows: mean and deviation of each covariate, and the least scale."""

    known: np.ndarray  # (2, K)
    observed: np.ndarray  # (2, O)
    floor: float  # stands in for the deviation of a window that is constant, in the units of y
    target: tuple[float, float] = (0.0, 1.0)  # mean and deviation of y over the training rows

    @classmethod
    def fit(cls, panel: Panel, series: np.ndarray, position: np.ndarray, lookback: int) -> "Scaling":
        """From the training windows alone: everything at or before their last cutoffs."""
        rows = panel.rows_until(series, position)
        sample = np.linspace(0, len(series) - 1, min(len(series), 2000)).astype(int)
        past = panel.take(panel.y, series[sample], position[sample], np.arange(1 - lookback, 1))
        with np.errstate(invalid="ignore"):
            spread = np.array([np.nanstd(one) if np.isfinite(one).any() else np.nan for one in past])
        typical = float(np.nanmedian(spread[spread > 0])) if (spread > 0).any() else 1.0
        mean, deviation = _moments(panel.y[rows, None])[:, 0]
        target = (float(mean), float(deviation))
        return cls(_moments(panel.known[rows]), _moments(panel.observed[rows]), 0.05 * typical, target)

    def window_scale(
        self, y: np.ndarray, seen: np.ndarray, normalisation: Normalisation = "standard"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Location and scale (b, 1), never 0, of lookbacks y (b, L), of which `seen` was observed.

        standard: mean and deviation of the lookback (RevIN without its affine map, Kim et al. 2022) · last: the last
        observation and the deviation · none: mean and deviation of all training rows, the same for every window.
        """
        if normalisation == "none":
            return np.full((len(y), 1), self.target[0]), np.full((len(y), 1), self.target[1])
        count = np.maximum(seen.sum(axis=1, keepdims=True), 1)
        mean = np.where(seen, y, 0.0).sum(axis=1, keepdims=True) / count
        spread = np.sqrt((np.where(seen, y - mean, 0.0) ** 2).sum(axis=1, keepdims=True) / count)
        reach = np.abs(np.where(seen, y - mean, 0.0)).max(axis=1, keepdims=True)
        scale = np.maximum(spread, 0.2 * reach)  # one event in a quiet week is no reason to shout at the second
        quiet = np.minimum(self.floor, 0.05 * np.abs(mean))
        residue = 1e-15 * self.floor  # what rounding leaves of a zero is no size to measure with
        constant = scale <= np.maximum(1e-6 * np.abs(mean), residue)
        scale = np.where(constant, np.where(quiet > residue, quiet, self.floor), scale)
        return (last_observed(y)[:, None] if normalisation == "last" else mean), scale


MAX_ERROR_WEIGHT = 10.0


def error_weights(scale: np.ndarray, series: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(b, 1) how much the errors of windows of `scale` (b, 1) count: as errors in units of their series would.

    Measured by its own scale alone, an hour of a quiet week would count as much as one of a wild week.
    """
    return np.clip(scale / sizes[series, None], 1 / MAX_ERROR_WEIGHT, MAX_ERROR_WEIGHT)


def series_std(panel: Panel, series: np.ndarray, position: np.ndarray) -> np.ndarray:
    """(S,) standard deviation of each series up to its last cutoff among these windows; 1 where there is none."""
    last = np.full(len(panel.ids), -1)
    np.maximum.at(last, series, position)
    sizes = np.ones(len(panel.ids))
    for number, (start, end) in enumerate(zip(panel.starts, last + 1, strict=True)):
        known = panel.y[start : start + end]
        known = known[np.isfinite(known)]
        spread = known.std() if len(known) else 0.0
        sizes[number] = spread if spread > 0 else 1.0
    return sizes


def _moments(values: np.ndarray) -> np.ndarray:
    moments = np.zeros((2, values.shape[1]))
    moments[1] = 1.0
    for place in range(values.shape[1]):
        known = values[np.isfinite(values[:, place]), place]
        if len(known):
            mean, spread = known.mean(), known.std()
            moments[:, place] = mean, spread if spread > 1e-9 * abs(mean) else 1.0  # a constant's is mere rounding
    return moments


def covariates(values: np.ndarray, moments: np.ndarray, lookback: int) -> np.ndarray:
    """(b, n, 2K): each covariate against all training rows, and against its own lookback; missing values are 0."""
    overall = (values - moments[0]) / moments[1]
    past = overall[:, :lookback]
    seen = np.isfinite(past)
    count = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    mean = np.where(seen, past, 0.0).sum(axis=1, keepdims=True) / count
    spread = np.sqrt((np.where(seen, past - mean, 0.0) ** 2).sum(axis=1, keepdims=True) / count)
    own = (overall - mean) / np.maximum(spread, 0.05)
    return np.clip(np.nan_to_num(np.concatenate([overall, own], axis=2)), -10, 10)
