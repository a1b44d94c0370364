"""Scaling: the target of a window by its own lookback, covariates by the training rows.

So a series without training windows is in the same range as the others, and a series that is a thousand times larger
does not dominate the loss.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.data.panel import BLOCK_ROWS, Panel, last_observed
from models.data.windows import WindowRanges

Normalisation = Literal["standard", "last", "none"]
MAX_ERROR_WEIGHT = 10.0
SAMPLED_WINDOWS = 2000  # from which the typical spread is measured
MIN_RANGE = 1e-14  # of the scale of other series; a smaller range of values is rounding error


@dataclass(frozen=True)
class Scaling:
    """Means and standard deviations of the training rows, and the smallest scale of a window."""

    known: np.ndarray  # (2, K) means, standard deviations
    observed: np.ndarray  # (2, O)
    floor: float  # scale of a constant window, in the units of y
    target: tuple[float, float] = (0.0, 1.0)  # mean and standard deviation of y over the training rows

    @classmethod
    def fit(cls, panel: Panel, windows: WindowRanges, lookback: int) -> "Scaling":
        """Fit on the rows at or before the last training cutoff of each series.

        Args:
            panel: The series.
            windows: The training windows.
            lookback: Steps.

        Returns:
            The scaling, in the units of the source.
        """
        rows = panel.rows_until(windows.last_cutoffs(len(panel.ids)))
        past = panel.take(panel.y, *windows.take_evenly(SAMPLED_WINDOWS), np.arange(1 - lookback, 1))
        with np.errstate(invalid="ignore"):
            spread = np.array([np.nanstd(window) if np.isfinite(window).any() else np.nan for window in past])
        typical = float(np.nanmedian(spread[spread > 0])) if (spread > 0).any() else 1.0
        mean, deviation = _moments(panel.y[:, None], rows)[:, 0]
        target = (float(mean), float(deviation))
        return cls(_moments(panel.known, rows), _moments(panel.observed, rows), 0.05 * typical, target)

    def window_scale(
        self,
        y: np.ndarray,
        seen: np.ndarray,
        normalisation: Normalisation = "standard",
        ranges: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute location and scale of each window from its lookback.

        Args:
            y: Lookbacks (b, L), in the units of the source.
            seen: True where y was observed, (b, L).
            normalisation: `standard`: mean and standard deviation of the lookback (RevIN without its affine map, Kim
                et al. 2022). `last`: last observation and standard deviation. `none`: mean and standard deviation of
                all training rows, the same for every window.
            ranges: Largest minus smallest observation of the series of each window up to its cutoff, (b, 1). The scale
                of a constant lookback follows it; without it, or if it is rounding error, the training rows of all
                series decide.

        Returns:
            Location and scale, each (b, 1); the scale is never 0.
        """
        if normalisation == "none":
            return np.full((len(y), 1), self.target[0]), np.full((len(y), 1), self.target[1])
        count = np.maximum(seen.sum(axis=1, keepdims=True), 1)
        mean = np.where(seen, y, 0.0).sum(axis=1, keepdims=True) / count
        spread = np.sqrt((np.where(seen, y - mean, 0.0) ** 2).sum(axis=1, keepdims=True) / count)
        reach = np.abs(np.where(seen, y - mean, 0.0)).max(axis=1, keepdims=True)
        scale = np.maximum(spread, 0.2 * reach)  # else a second event in a quiet week has a huge normalised error
        own = np.zeros_like(mean) if ranges is None else ranges
        floor = np.where(own > MIN_RANGE * self.floor, 0.05 * own, self.floor)
        quiet = np.minimum(floor, 0.05 * np.abs(mean))
        residue = 1e-15 * np.minimum(floor, self.floor)  # a smaller scale is rounding error; one outlier widens a range
        constant = scale <= np.maximum(1e-6 * np.abs(mean), residue)
        scale = np.where(constant, np.where(quiet > residue, quiet, floor), scale)
        return (last_observed(y)[:, None] if normalisation == "last" else mean), scale


def error_weights(scale: np.ndarray, series: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Compute the weight of the errors of each window: normalised errors then count as in units of their series.

    Without it, an hour of a quiet week counts as much as an hour of a busy week.

    Args:
        scale: Scale of each window, (b, 1).
        series: Series code of each window, (b,).
        sizes: Standard deviation of each series, (S,).

    Returns:
        Weights (b, 1), between 1 / MAX_ERROR_WEIGHT and MAX_ERROR_WEIGHT.
    """
    return np.clip(scale / sizes[series, None], 1 / MAX_ERROR_WEIGHT, MAX_ERROR_WEIGHT)


def series_std(panel: Panel, windows: WindowRanges) -> np.ndarray:
    """Compute the standard deviation of each series up to its last cutoff among some windows.

    Args:
        panel: The series.
        windows: The windows.

    Returns:
        (S,), in the units of the source; 1 for a series that is constant, empty or without windows.
    """
    last = windows.last_cutoffs(len(panel.ids))
    sizes = np.ones(len(panel.ids))
    for code, (start, end) in enumerate(zip(panel.starts, last + 1, strict=True)):
        known = panel.y[start : start + end]
        known = known[np.isfinite(known)]
        spread = known.std() if len(known) else 0.0
        sizes[code] = spread if spread > 0 else 1.0
    return sizes


def _moments(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of each column of (R, K) over `rows`, (R,) bool; (2, K). That of a constant is 1."""
    moments = np.zeros((2, values.shape[1]))
    moments[1] = 1.0
    for number in range(values.shape[1]):
        column = values[:, number]
        sums = [(len(known), known.sum()) for known in _known_blocks(column, rows)]
        count = sum(size for size, _ in sums)
        if count:
            mean = sum(total for _, total in sums) / count
            spread = np.sqrt(sum(np.square(known - mean).sum() for known in _known_blocks(column, rows)) / count)
            moments[:, number] = mean, spread if spread > 1e-9 * abs(mean) else 1.0  # smaller is rounding error
    return moments


def _known_blocks(column: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the values of `rows` that are known, of a block at a time, so that no large column is copied."""
    for begin in range(0, len(column), BLOCK_ROWS):
        part = column[begin : begin + BLOCK_ROWS][rows[begin : begin + BLOCK_ROWS]]
        yield part[np.isfinite(part)]


def scale_covariates(values: np.ndarray, moments: np.ndarray, lookback: int) -> np.ndarray:
    """Scale covariates twice: by all training rows, and by their own lookback.

    Args:
        values: (b, n, K), of which the first `lookback` steps are the lookback; NaN where nothing is known.
        moments: Means and standard deviations of the training rows, (2, K).
        lookback: Steps.

    Returns:
        (b, n, 2K), clipped to ±10; missing values are 0.
    """
    overall = (values - moments[0]) / moments[1]
    past = overall[:, :lookback]
    seen = np.isfinite(past)
    count = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    mean = np.where(seen, past, 0.0).sum(axis=1, keepdims=True) / count
    spread = np.sqrt((np.where(seen, past - mean, 0.0) ** 2).sum(axis=1, keepdims=True) / count)
    own = (overall - mean) / np.maximum(spread, 0.05)
    return np.clip(np.nan_to_num(np.concatenate([overall, own], axis=2)), -10, 10)
