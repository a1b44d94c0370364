"""Recalibrate quantiles on the errors of recent forecasts, so that an interval holds its share of the actuals.

The median moves with the shares of the simple forecasts in it (`calibration/newest_shares.py`). Then three corrections,
each of what the ones before leave, as factors on the distance of a quantile from the median:

errors of recent origins ── spread of the nights ──> quantile of all steps ──> feedback by step

- Spread: errors of earlier nights are scaled to the spread that is expected tonight (`error_spread.py`).
- Split conformal: the factor is the empirical quantile of actual error / forecast distance (conformalised quantile
  regression: Romano, Patterson and Candès 2019, with a ratio in place of a difference).
- Feedback: at each origin the factor of a step grows after a miss and shrinks after a hit (quantile tracking of
  conformal PID control: Angelopoulos, Candès and Tibshirani 2023, in logarithms).

All factors are drawn toward 1 (`factor_shrinkage.py`).

The factors depend only on the forecasts and actuals that are given: nothing is remembered from night to night.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from models.calibration.shares import SHARES, weigh_differences
from models.error_spread import nightly_spread, scale_to_tonight
from models.factor_shrinkage import MIN_ERRORS, shrink, weigh_errors

LEARNING_RATE = 0.2  # of the feedback of a step, in logarithms
COMMON_RATE = 0.05  # of the feedback of the mean over the steps
MIN_DISTANCE = 0.1  # of a quantile from the median, as a share of the typical outer distance of the series
MIN_WIDTH = 0.001  # of own intervals, as a share of the typical error; narrower ones have none
MIN_FACTOR = 0.05


class Recalibration(NamedTuple):
    """Factors on distances of quantiles from the median, by series times by step, and changes of the shares in it."""

    by_series: np.ndarray  # (S, Q), 1 at the median
    by_step: np.ndarray  # (H, Q), 1 at the median
    distance: np.ndarray  # (S,) smallest distance that a factor is applied to, in the units of the source
    nights: np.ndarray  # (S,) newest origins, without a jump of the spread of their errors
    size: np.ndarray  # (S,) in the units of the source, of a series with a short history; 0 of others
    length: np.ndarray  # (S,) int64, row of `first_errors` for a series with a short history
    first_errors: np.ndarray  # (B, H, Q) smallest distances of short histories, relative to `size`
    share_changes: np.ndarray  # (S, 3) what is added to the shares of the simple forecasts in the median

    @classmethod
    def neutral(cls, count: int, horizon: int, levels: int) -> "Recalibration":
        """Return factors of 1 for `count` series."""
        return cls(
            by_series=np.ones((count, levels)),
            by_step=np.ones((horizon, levels)),
            distance=np.zeros(count),
            nights=np.zeros(count, np.int64),
            size=np.zeros(count),
            length=np.zeros(count, np.int64),
            first_errors=np.zeros((1, horizon, levels)),
            share_changes=np.zeros((count, len(SHARES))),
        )

    def of(self, names: Sequence[str], ids: Sequence[str]) -> "Recalibration":
        """Return the factors of series `names`, where the rows are those of `ids`; others keep their quantiles."""
        rows = {name: row for row, name in enumerate(ids)}
        at = np.array([rows.get(name, len(ids)) for name in names], dtype=np.int64)
        return self._replace(
            by_series=np.concatenate([self.by_series, np.ones((1, self.by_step.shape[1]))])[at],
            by_step=self.by_step if len(ids) else np.ones_like(self.by_step),
            distance=np.append(self.distance, 0.0)[at],
            nights=np.append(self.nights, 0)[at],
            size=np.append(self.size, 0.0)[at],
            length=np.append(self.length, 0)[at],
            share_changes=np.concatenate([self.share_changes, np.zeros((1, len(SHARES)))])[at],
        )

    def to_json(self, ids: Sequence[str]) -> dict[str, Any]:
        """Return the factors and the names of their series as JSON values, which keep every bit."""
        return {"ids": list(ids)} | {name: values.tolist() for name, values in self._asdict().items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> tuple["Recalibration", tuple[str, ...]]:
        """Return the factors and the names of their series. Raises KeyError or ValueError for other values."""
        counts, ids = ("nights", "length"), values["ids"]
        values = {"share_changes": np.zeros((len(ids), len(SHARES)))} | values  # that earlier releases did not store
        arrays = {name: np.array(values[name], np.int64 if name in counts else np.float64) for name in cls._fields}
        return cls(**arrays), tuple(map(str, ids))


def fit_recalibration(
    quantiles: np.ndarray,
    actuals: np.ndarray,
    levels: tuple[float, ...],
    resolution: float = 0.0,
    is_pooled: bool = False,
    spacing: float = 1.0,
) -> Recalibration:
    """Fit the factors for the forecast that follows the given ones.

    Args:
        quantiles: Sorted quantiles of forecasts at K origins, the oldest first, (K, S, H, Q).
        actuals: What was observed, (K, S, H); NaN where it was not, or is not yet known.
        levels: The Q quantile levels, ascending, with 0.5.
        resolution: Smallest difference of two actuals: 1 for counts, else 0. An actual that equals a quantile after
            rounding is neither a hit nor a miss, so that P(y < q) <= level <= P(y <= q).
        is_pooled: Every series gets the factors of all together.
        spacing: Steps from one origin to the next, in horizons: errors of horizons that overlap are of the same few
            events.

    Returns:
        The factors. They are 1 where no actual is known.
    """
    middle = levels.index(0.5)
    side = np.sign(np.array(levels) - 0.5)
    errors = actuals - quantiles[..., middle]
    distances = quantiles - quantiles[..., middle : middle + 1]
    np.abs(distances, out=distances)
    outer = (distances[..., 0] + distances[..., -1]) / 2
    was_forecast = np.isfinite(errors).any(axis=2, keepdims=True)  # a short series has no forecast at old origins
    width = _by_series(np.nanmedian, np.where(was_forecast, outer, np.nan))
    typical = np.maximum(width, _by_series(np.nanmean, np.abs(errors)))
    shortest = MIN_DISTANCE * np.where(np.isfinite(typical), typical, 0.0)
    np.maximum(distances, shortest[:, None, None], out=distances)
    ratios = np.divide(side * errors[..., None], distances, out=np.full(quantiles.shape, np.nan), where=distances > 0)
    spread = nightly_spread(errors, outer, shortest)
    rescaled, nights = scale_to_tonight(ratios, spread)
    shares = np.maximum(levels, 1 - np.array(levels))
    by_series = np.maximum(_conformal_quantiles(rescaled, shares, is_pooled), MIN_FACTOR)
    by_step = _track(rescaled, distances, by_series, resolution, shares)
    has_jumped, has_width = nights < len(spread), ~(width < MIN_WIDTH * typical)
    evidence = weigh_errors(np.isfinite(errors), spread, has_jumped, has_width, is_pooled, spacing)
    by_series, by_step = shrink(by_series, evidence), by_step**evidence.by_step
    by_series[:, middle] = by_step[:, middle] = 1.0
    neutral = Recalibration.neutral(len(by_series), *by_step.shape)
    return neutral._replace(by_series=by_series, by_step=by_step, distance=shortest, nights=nights)


def apply_recalibration(
    quantiles: np.ndarray,
    recalibration: Recalibration,
    levels: tuple[float, ...],
    series: np.ndarray | None = None,
    differences: np.ndarray | None = None,
) -> np.ndarray:
    """Move medians with their shares, and apply the factors to quantiles.

    Args:
        quantiles: Sorted quantiles (n, H, Q), in the units of the source.
        recalibration: The factors of S series.
        levels: The Q quantile levels.
        series: Row of the factors of each forecast, (n,); None: n = S.
        differences: Simple forecasts minus the median of the network, (3, n, H); None if none is blended in.

    Returns:
        Quantiles (n, H, Q), not sorted. The median changes with the shares alone.
    """
    rows = np.arange(len(quantiles)) if series is None else series
    if differences is not None:
        quantiles = quantiles + weigh_differences(recalibration.share_changes[rows], differences)[..., None]
    middle, side = levels.index(0.5), np.sign(np.array(levels) - 0.5)
    factors = recalibration.by_series[rows, None, :] * recalibration.by_step
    median = quantiles[..., middle : middle + 1]
    with np.errstate(invalid="ignore"):  # a forecast that is not finite is not published
        distances = np.abs(quantiles - median)
        widened = np.maximum(distances, recalibration.distance[rows, None, None])
        scaled = factors * np.where(factors == 1.0, distances, widened)
        floor = recalibration.size[rows, None, None] * recalibration.first_errors[recalibration.length[rows]]
        recalibrated = median + side * np.maximum(scaled, floor)
    return np.where((factors == 1.0) & (floor <= scaled), quantiles, recalibrated)


def _by_series(function: Callable[..., np.ndarray], values: np.ndarray) -> np.ndarray:
    """Apply `function` to the finite values of each series of (K, S, H), (S,); NaN for a series without any."""
    flat = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
    known, result = np.isfinite(flat).any(axis=1), np.full(len(flat), np.nan)
    if known.any():
        result[known] = function(flat[known], axis=1)
    return result


def _conformal_quantiles(ratios: np.ndarray, shares: np.ndarray, is_pooled: bool) -> np.ndarray:
    """Return the conformal quantiles of the ratios (K, S, H, Q) of each series, (S, Q): rank ceil((n + 1) share)."""
    quantiles = np.ones((ratios.shape[1], len(shares)))
    takes_pooled = (np.isfinite(ratios[..., 0]).sum(axis=(0, 2)) < MIN_ERRORS) | is_pooled
    for column, share in enumerate(shares):  # one level at a time: a sorted copy of all is as large as the ratios
        values = np.moveaxis(ratios[..., column], 1, 0).reshape(len(quantiles), -1)
        if not is_pooled:
            quantiles[:, column] = _ranked(values, share)
        if takes_pooled.any():
            quantiles[takes_pooled, column] = _ranked(values.reshape(1, -1), share)
    return quantiles


def _ranked(values: np.ndarray, share: float) -> np.ndarray:
    """Return the order statistic of values (n, m) with rank ceil((known + 1) share), (n,); 1 without a value."""
    ordered = np.sort(values, axis=1)  # NaN last
    known = np.isfinite(ordered).sum(axis=1)
    rank = np.clip(np.ceil((known + 1) * share).astype(np.int64) - 1, 0, np.maximum(known - 1, 0))
    taken = np.take_along_axis(ordered, rank[:, None], axis=1)[:, 0] if values.shape[1] else np.ones(len(values))
    return np.where(known > 0, taken, 1.0)


def _track(
    ratios: np.ndarray, distances: np.ndarray, by_series: np.ndarray, resolution: float, shares: np.ndarray
) -> np.ndarray:
    """Return factors by step from origin after origin: larger after misses.

    Args:
        ratios: Error / distance, (K, S, H, Q).
        distances: Of the quantiles from the median, (K, S, H, Q), in the units of the source.
        by_series: Factors of the series, (S, Q), which come first.
        resolution: Smallest difference of two actuals; a ratio within half of it counts neither as a miss nor as a hit.
        shares: Share of the actuals that each quantile shall hold, (Q,).

    Returns:
        The factors, (H, Q).
    """
    logs = np.zeros(ratios.shape[2:])
    for ratio, distance in zip(ratios, distances, strict=True):
        margin = np.divide(resolution / 2, distance, out=np.zeros(distance.shape), where=distance > 0)
        night, near = ratio / by_series[:, None, :], margin / by_series[:, None, :]
        beyond = night - np.exp(logs)
        misses, hits = (beyond > near).sum(axis=0), (beyond < -near).sum(axis=0)
        known = np.maximum(np.isfinite(night).sum(axis=0), 1)
        excess = (misses * shares - hits * (1 - shares)) / known
        logs += LEARNING_RATE * excess + COMMON_RATE * excess.mean(axis=0)
    return np.asarray(np.exp(logs))
