"""Recalibrate quantiles on the errors of recent forecasts, so that an interval holds its share of the actuals.

Three corrections, each of what the ones before leave, as factors on the distance of a quantile from the median:

errors of recent origins ── spread of the newest homogeneous nights ──> quantile of all steps ──> feedback by step

- Spread: if the errors of the newest nights differ significantly from those before, the older ones are scaled to them
  (adaptive pointwise estimation: Mercurio and Spokoiny 2004).
- Split conformal: the factor is the empirical quantile of actual error / forecast distance (conformalised quantile
  regression: Romano, Patterson and Candès 2019, with a ratio in place of a difference).
- Feedback: at each origin the factor of a step grows after a miss and shrinks after a hit (quantile tracking of
  conformal PID control: Angelopoulos, Candès and Tibshirani 2023, in logarithms).

The factors depend only on the forecasts and actuals that are given: nothing is remembered from night to night.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

LEARNING_RATE = 0.2  # of the feedback of a step, in logarithms
COMMON_RATE = 0.3  # of the feedback of the mean over the steps
MIN_ERRORS = 50  # of a series with fewer errors, the ratios of all series are used
MIN_DISTANCE = 0.1  # of a quantile from the median, as a share of the typical outer distance of the series
MIN_FACTOR = 0.05
RECENT_NIGHTS = (1, 2, 3, 5, 7, 10, 14)  # candidates for the newest homogeneous nights
EARLIER_NIGHTS, MIN_EARLIER_NIGHTS = 28, 7  # that the newest ones are compared with
CRITICAL_VALUE = 3.5  # standard deviations: about one false change in 2,000 comparisons of normal values
MIN_CHANGE = 0.2  # of the logarithm of the spread


class Recalibration(NamedTuple):
    """Factors on the distances of quantiles from the median: that of the series times that of the step."""

    by_series: np.ndarray  # (S, Q), 1 at the median
    by_step: np.ndarray  # (H, Q), 1 at the median
    distance: np.ndarray  # (S,) smallest distance that a factor is applied to, in the units of the source
    nights: np.ndarray  # (S,) newest origins whose errors have one spread


def fit_recalibration(
    quantiles: np.ndarray, actuals: np.ndarray, levels: tuple[float, ...], resolution: float = 0.0
) -> Recalibration:
    """Fit the factors for the forecast that follows the given ones.

    Args:
        quantiles: Sorted quantiles of forecasts at K origins, the oldest first, (K, S, H, Q).
        actuals: What was observed, (K, S, H); NaN where it was not, or is not yet known.
        levels: The Q quantile levels, ascending, with 0.5.
        resolution: Smallest difference of two actuals: 1 for counts, else 0. An actual that equals a quantile after
            rounding is neither a hit nor a miss, so that P(y < q) <= level <= P(y <= q).

    Returns:
        The factors. They are 1 where no actual is known.
    """
    middle = levels.index(0.5)
    side = np.sign(np.array(levels) - 0.5)
    errors = actuals - quantiles[..., middle]
    distances = np.abs(quantiles - quantiles[..., middle : middle + 1])
    outer = (distances[..., 0] + distances[..., -1]) / 2
    typical = np.maximum(_by_series(np.nanmedian, outer), _by_series(np.nanmean, np.abs(errors)))
    shortest = MIN_DISTANCE * np.where(np.isfinite(typical), typical, 0.0)
    distances = np.maximum(distances, shortest[:, None, None])
    ratios = np.divide(side * errors[..., None], distances, out=np.full(quantiles.shape, np.nan), where=distances > 0)
    rescaled, nights = _rescale_to_newest(ratios, _log_spread(errors, outer, shortest))
    shares = np.maximum(levels, 1 - np.array(levels))
    by_series = np.maximum(_conformal_quantiles(rescaled, shares), MIN_FACTOR)
    margin = np.divide(resolution / 2, distances, out=np.zeros(quantiles.shape), where=distances > 0)
    by_step = _track(rescaled / by_series[:, None, :], margin / by_series[:, None, :], shares)
    by_series[:, middle] = by_step[:, middle] = 1.0
    return Recalibration(by_series, by_step, shortest, nights)


def apply_recalibration(
    quantiles: np.ndarray, recalibration: Recalibration, levels: tuple[float, ...], series: np.ndarray | None = None
) -> np.ndarray:
    """Apply the factors to quantiles.

    Args:
        quantiles: Sorted quantiles (n, H, Q), in the units of the source.
        recalibration: The factors of S series.
        levels: The Q quantile levels.
        series: Row of the factors of each forecast, (n,); None: n = S.

    Returns:
        Quantiles (n, H, Q), not sorted. The median does not change.
    """
    rows = np.arange(len(quantiles)) if series is None else series
    middle, side = levels.index(0.5), np.sign(np.array(levels) - 0.5)
    factors = recalibration.by_series[rows, None, :] * recalibration.by_step
    median = quantiles[..., middle : middle + 1]
    distances = np.abs(quantiles - median)
    widened = np.maximum(distances, recalibration.distance[rows, None, None])
    return np.asarray(median + side * factors * np.where(factors == 1.0, distances, widened))


def _by_series(function: Callable[..., np.ndarray], values: np.ndarray) -> np.ndarray:
    """Apply `function` to the finite values of each series of (K, S, H), (S,); NaN for a series without any."""
    flat = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
    known, result = np.isfinite(flat).any(axis=1), np.full(len(flat), np.nan)
    if known.any():
        result[known] = function(flat[known], axis=1)
    return result


def _log_spread(errors: np.ndarray, outer: np.ndarray, shortest: np.ndarray) -> np.ndarray:
    """Return the logarithm of mean error / mean distance of each origin and series, (K, S); NaN without an actual."""
    known = np.isfinite(errors)
    size = np.where(known, np.abs(errors), 0.0).sum(axis=2)
    width = np.where(known, np.maximum(outer, shortest[None, :, None]), 0.0).sum(axis=2)
    ratio = np.divide(size, width, out=np.full(size.shape, np.nan), where=width > 0)
    return np.asarray(np.log(ratio + MIN_DISTANCE))  # nights of counts without an error have no spread of 0


def _rescale_to_newest(ratios: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale the ratios (K, S, H, Q) of older origins to the spread of the newest homogeneous ones.

    Returns:
        The ratios, and how many of the newest origins are homogeneous, (S,).
    """
    count = len(spread)
    nights, change = np.full(spread.shape[1], count), np.zeros(spread.shape[1])
    for recent in reversed(RECENT_NIGHTS):  # the shortest that differs counts
        if count < recent + MIN_EARLIER_NIGHTS:
            continue
        newest, earlier = spread[count - recent :], spread[: count - recent][-EARLIER_NIGHTS:]
        enough = np.isfinite(newest).any(axis=0) & (np.isfinite(earlier).sum(axis=0) >= MIN_EARLIER_NIGHTS)
        now, before, size = np.nanmean(newest[:, enough], 0), np.nanmean(earlier[:, enough], 0), len(earlier)
        deviation = np.nanstd(earlier[:, enough], axis=0, ddof=1) * np.sqrt(1 / recent + 1 / size)
        changed = np.abs(now - before) > np.maximum(CRITICAL_VALUE * deviation, MIN_CHANGE)
        where = np.flatnonzero(enough)[changed]
        nights[where], change[where] = recent, (now - before)[changed]
    older = np.arange(count)[:, None] < count - nights[None, :]
    return ratios * np.exp(np.where(older, change, 0.0))[:, :, None, None], nights


def _conformal_quantiles(ratios: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the conformal quantiles of the ratios (K, S, H, Q) of each series, (S, Q): rank ceil((n + 1) share)."""
    flat = np.moveaxis(ratios, 1, 0).reshape(ratios.shape[1], -1, ratios.shape[3])
    own = _ranked(flat, shares)
    few = np.isfinite(flat[..., 0]).sum(axis=1) < MIN_ERRORS
    pooled = _ranked(flat.reshape(1, -1, flat.shape[2]), shares)
    return np.where(few[:, None], pooled, own)


def _ranked(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    ordered = np.sort(values, axis=1)  # NaN last
    known = np.isfinite(ordered).sum(axis=1)
    rank = np.clip(np.ceil((known + 1) * shares).astype(np.int64) - 1, 0, np.maximum(known - 1, 0))
    taken = np.take_along_axis(ordered, rank[:, None, :], axis=1)[:, 0] if values.shape[1] else np.ones(known.shape)
    return np.where(known > 0, taken, 1.0)


def _track(ratios: np.ndarray, margin: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return factors (H, Q) from the ratios (K, S, H, Q) of origin after origin: larger after misses.

    A ratio within `margin` of the factor counts neither as a miss nor as a hit.
    """
    logs = np.zeros(ratios.shape[2:])
    for night, near in zip(ratios, margin, strict=True):
        beyond = night - np.exp(logs)
        misses, hits = (beyond > near).sum(axis=0), (beyond < -near).sum(axis=0)
        known = np.maximum(np.isfinite(night).sum(axis=0), 1)
        excess = (misses * shares - hits * (1 - shares)) / known
        logs += LEARNING_RATE * excess + COMMON_RATE * excess.mean(axis=0)
    return np.asarray(np.exp(logs))
