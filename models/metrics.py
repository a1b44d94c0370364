"""Errors of forecasts. A pair with a missing target is skipped; a missing or infinite forecast makes the error so too.

Definitions: MASE Hyndman and Koehler (2006); sMAPE of the M4 competition, 0 to 200; weighted quantile loss as in
GluonTS and Chronos, mean over the levels of 2 x pinball / sum of |y|.
"""

import numpy as np
from numpy.typing import ArrayLike

MAX_SQUARED = 1e150  # squares of larger errors can overflow


def mase_scale(y: ArrayLike, season: int) -> float:
    """Compute the mean |y_t - y_{t-season}| of one series (n,), in the units of y; NaN if no such pair is observed."""
    values = np.asarray(y, dtype=float)
    gaps = np.abs(values[season:] - values[:-season]) if len(values) > season else np.array([])
    return _mean(gaps[np.isfinite(gaps)])


def mae(y: ArrayLike, y_hat: ArrayLike) -> float:
    """Compute the mean absolute error, in the units of y."""
    actual, forecast = np.asarray(y, dtype=float), np.asarray(y_hat, dtype=float)
    return _mean(np.abs(actual - forecast)[np.isfinite(actual)])


def rmse(y: ArrayLike, y_hat: ArrayLike) -> float:
    """Compute the root mean squared error, in the units of y."""
    actual, forecast = np.asarray(y, dtype=float), np.asarray(y_hat, dtype=float)
    error = (actual - forecast)[np.isfinite(actual)]
    unit = _power_of_two(error)
    return unit * float(np.sqrt(_mean((error / unit) ** 2)))


def smape(y: ArrayLike, y_hat: ArrayLike) -> float:
    """Compute the symmetric mean absolute percentage error, 0 to 200; the error of a pair of zeros is 0."""
    actual, forecast = np.asarray(y, dtype=float), np.asarray(y_hat, dtype=float)
    known = np.isfinite(actual)
    error, size = np.abs(actual - forecast)[known], (np.abs(actual) + np.abs(forecast))[known]
    size = np.where(np.isinf(size), np.nan, size)  # infinity / infinity is not a percentage
    return 200 * _mean(np.where(size == 0, 0.0, error / np.where(size == 0, 1.0, size)))


def pinball(y: ArrayLike, quantile: ArrayLike, level: ArrayLike) -> np.ndarray:
    """Compute the quantile loss of each pair, in the units of y; `level` is between 0 and 1 and broadcasts."""
    excess = np.asarray(y, dtype=float) - np.asarray(quantile, dtype=float)
    levels = np.asarray(level, dtype=float)
    return np.maximum(levels * excess, (levels - 1) * excess)


def wql(y: ArrayLike, quantiles: ArrayLike, levels: ArrayLike) -> float:
    """Compute the weighted quantile loss of y (n,) and quantiles (n, Q) at levels (Q,); NaN if every target is 0."""
    actual = np.asarray(y, dtype=float)
    known = np.isfinite(actual)
    total = np.abs(actual[known]).sum()
    losses = 2 * pinball(actual[known, None], np.asarray(quantiles, dtype=float)[known], levels)
    return float(losses.sum(axis=0).mean() / total) if total > 0 else float("nan")


def coverage(y: ArrayLike, low: ArrayLike, high: ArrayLike) -> float:
    """Compute the share of the known targets inside [low, high], 0 to 1; pairs without an interval are skipped."""
    actual, below, above = (np.asarray(values, dtype=float) for values in (y, low, high))
    inside = ((actual >= below) & (actual <= above)).astype(float)
    return _mean(inside[~np.isnan(actual + below + above)])


def _power_of_two(values: np.ndarray) -> float:
    """Return a unit in which the squares of `values` do not overflow; 1 unless they would."""
    largest = float(np.abs(values).max(initial=0.0))
    if not np.isfinite(largest) or largest < MAX_SQUARED:
        return 1.0
    return float(2.0 ** np.floor(np.log2(largest)))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
