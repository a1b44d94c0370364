"""Errors of forecasts. A pair with a missing target is skipped; a missing or infinite forecast makes the error so too.

Definitions: MASE Hyndman and Koehler (2006); RMSSE of the M5 competition with the scale of a season; sMAPE and OWA of
the M4 competition, sMAPE from 0 to 200; weighted quantile loss as in GluonTS and Chronos, mean over the levels of
2 x pinball / sum of |y|; CRPS from quantiles, mean over the levels of 2 x pinball (Gneiting and Raftery 2007); interval
score Winkler (1972). README.md of this package compares them with those of other libraries.
"""

import numpy as np
from numpy.typing import ArrayLike

MAX_SQUARED = 1e150  # squares of larger errors can overflow


def mase_scale(y: ArrayLike, season: int) -> float:
    """Compute the mean |y_t - y_{t-season}| of one series (n,), in the units of y; NaN if no such pair is observed."""
    values = np.asarray(y, dtype=float)
    gaps = np.abs(values[season:] - values[:-season]) if len(values) > season else np.array([])
    return _mean(gaps[np.isfinite(gaps)])


def rmsse_scale(y: ArrayLike, season: int) -> float:
    """Compute the mean (y_t - y_{t-season})² of one series (n,), in squared units of y; NaN without such a pair."""
    values = np.asarray(y, dtype=float)
    gaps = values[season:] - values[:-season] if len(values) > season else np.array([])
    return _mean(gaps[np.isfinite(gaps)] ** 2)


def mase(y: ArrayLike, y_hat: ArrayLike, scale: float) -> float:
    """Compute the mean absolute error divided by `scale`, that of `mase_scale`; NaN if the scale is 0 or NaN."""
    return mae(y, y_hat) / scale if scale > 0 else float("nan")


def rmsse(y: ArrayLike, y_hat: ArrayLike, scale: float) -> float:
    """Compute the root of the mean squared error by `scale`, that of `rmsse_scale`; NaN if the scale is 0 or NaN."""
    return rmse(y, y_hat) / float(np.sqrt(scale)) if scale > 0 else float("nan")


def owa(smape: ArrayLike, mase: ArrayLike, reference_smape: ArrayLike, reference_mase: ArrayLike) -> np.ndarray:
    """Compute the overall weighted average: the mean of sMAPE and MASE, each relative to a reference forecast.

    Returns:
        One value for each value of the arguments; NaN if an error of the reference is 0.
    """
    pairs = ((smape, reference_smape), (mase, reference_mase))
    errors = [(np.asarray(error, dtype=float), np.asarray(reference, dtype=float)) for error, reference in pairs]
    return np.mean([error / np.where(reference == 0, np.nan, reference) for error, reference in errors], axis=0)


def mae(y: ArrayLike, y_hat: ArrayLike) -> float:
    """Compute the mean absolute error, in the units of y."""
    actual, forecast = np.asarray(y, dtype=float), np.asarray(y_hat, dtype=float)
    return _mean(np.abs(actual - forecast)[np.isfinite(actual)])


def bias(y: ArrayLike, y_hat: ArrayLike) -> float:
    """Compute the mean of forecast minus target, in the units of y: positive if forecasts are too high."""
    actual, forecast = np.asarray(y, dtype=float), np.asarray(y_hat, dtype=float)
    return _mean((forecast - actual)[np.isfinite(actual)])


def wape(y: ArrayLike, y_hat: ArrayLike) -> float:
    """Compute the sum of absolute errors divided by the sum of |y|; NaN if every target is 0."""
    actual, forecast = np.asarray(y, dtype=float), np.asarray(y_hat, dtype=float)
    known = np.isfinite(actual)
    total = np.abs(actual[known]).sum()
    return float(np.abs(actual - forecast)[known].sum() / total) if total > 0 else float("nan")


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
    return _mean(percentage_errors(actual[known], forecast[known]))


def percentage_errors(y: ArrayLike, y_hat: ArrayLike) -> np.ndarray:
    """Compute the symmetric percentage error of each pair, 0 to 200; that of a pair of zeros is 0."""
    actual, forecast = np.asarray(y, dtype=float), np.asarray(y_hat, dtype=float)
    error, size = np.abs(actual - forecast), np.abs(actual) + np.abs(forecast)
    size = np.where(np.isinf(size), np.nan, size)  # infinity / infinity is not a percentage
    return 200 * np.where(size == 0, 0.0, error / np.where(size == 0, 1.0, size))


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


def crps(y: ArrayLike, quantiles: ArrayLike, levels: ArrayLike) -> float:
    """Compute the continuous ranked probability score of y (n,) from quantiles (n, Q) at levels (Q,), in units of y."""
    actual = np.asarray(y, dtype=float)
    known = np.isfinite(actual)
    losses = pinball(actual[known, None], np.asarray(quantiles, dtype=float)[known], levels)
    return 2 * _mean(losses.mean(axis=1))


def interval_scores(y: ArrayLike, low: ArrayLike, high: ArrayLike, share: float) -> np.ndarray:
    """Compute the interval (Winkler) score of each central interval that promises `share` of the targets.

    Args:
        y: Targets, (n,).
        low: Lower ends, (n,).
        high: Upper ends, (n,).
        share: Promised coverage, between 0 and 1.

    Returns:
        The width and, for a target outside, 2 / (1 - share) times its distance, (n,), in the units of y.
    """
    actual, below, above = (np.asarray(values, dtype=float) for values in (y, low, high))
    outside = np.maximum(below - actual, 0) + np.maximum(actual - above, 0)
    return (above - below) + 2 / (1 - share) * outside


def coverage(y: ArrayLike, low: ArrayLike, high: ArrayLike) -> float:
    """Compute the share of the known targets inside [low, high], 0 to 1; pairs without an interval are skipped."""
    actual, below, above = (np.asarray(values, dtype=float) for values in (y, low, high))
    inside = ((actual >= below) & (actual <= above)).astype(float)
    return _mean(inside[~np.isnan(actual + below + above)])


def coverage_error(y: ArrayLike, low: ArrayLike, high: ArrayLike, share: float) -> float:
    """Compute how far the coverage of intervals is from the share that they promise; pairs without one are skipped.

    Args:
        y: Targets, (n,).
        low: Lower ends, (n,).
        high: Upper ends, (n,).
        share: Promised coverage, between 0 and 1.

    Returns:
        0 if P(low < y < high) <= share <= P(low <= y <= high), else the distance to the nearer of the two, 0 to 1. Ends
        of intervals of counts are counts too, so that no single share can be expected; of other targets both are equal.
        NaN without a pair.
    """
    actual, below, above = (np.asarray(values, dtype=float) for values in (y, low, high))
    known = ~np.isnan(actual + below + above)
    within = _mean(((actual >= below) & (actual <= above))[known])
    strictly = _mean(((actual > below) & (actual < above))[known])
    return max(share - within, strictly - share, 0.0) if known.any() else float("nan")


def _power_of_two(values: np.ndarray) -> float:
    """Return a unit in which the squares of `values` do not overflow; 1 unless they would."""
    largest = float(np.abs(values).max(initial=0.0))
    if not np.isfinite(largest) or largest < MAX_SQUARED:
        return 1.0
    return float(2.0 ** np.floor(np.log2(largest)))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
