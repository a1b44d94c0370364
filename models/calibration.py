"""Calibration on the validation part: shares of simple forecasts in the median, and the width of intervals.

The mean of forecasts whose errors differ has smaller errors than each (Bates and Granger 1969). Equal shares of network
and linear map are hard to beat (Stock and Watson 2004): the best shares are shrunk toward 1/2, 1/2 and 0 of the last
value, the more the fewer horizons they are fitted on, and factors on widths toward 1. Two choices need evidence, the
gain of each horizon of validation compared with its standard error: a share of the seasonal median, and any forecast
other than the last value, the best one of a random walk. Few horizons of validation seldom prove a median that helps,
so its gain over the linear map on the training part counts as well.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from models.metrics import pinball
from models.networks.architecture import POINT_HEADS, HeadName

SHARES = "share", "share.last", "share.seasonal"  # tensors: of the simple forecasts, in their order
CANDIDATES = np.array([(linear, last) for linear in range(21) for last in range(21 - linear)]) / 20  # shares of both
PRIOR = np.array([0.5, 0.0])  # shares of both that the best ones are shrunk toward
PRIOR_HORIZONS = 5.0  # horizons of validation that it is worth
SPREAD_HORIZONS = 20.0  # that unchanged distances of quantiles from the median are worth
MAX_ERRORS = 200_000  # that decide the shares, of evenly spaced windows
MIN_BLOCKS = 4  # horizons of validation, or seasons of training, whose gains have a standard error
SPREADS = np.exp(np.linspace(-1, 1, 41))  # the middle value is 1.0


class CalibrationSpec(NamedTuple):
    """Quantile levels, ascending, with 0.5; the head of the network; when the validation windows begin."""

    levels: tuple[float, ...]
    head: HeadName
    times: np.ndarray | None = None  # (n,) in horizons from any origin; None: evidence is unlimited
    seasonal: float = 0.0  # share of the best seasonal median that the training part justifies: `seasonal_evidence`

    def weight(self, prior: float) -> float:
        """Return the weight of what is fitted against what is assumed, if that is worth `prior` horizons."""
        horizons = float("inf") if self.times is None else float(np.ptp(self.times)) + 1
        return 1 - prior / (horizons + prior)


class SimpleForecasts(NamedTuple):
    """Point forecasts that a network is blended with, in normalised units."""

    linear: np.ndarray  # (n, H) of the linear map
    last: np.ndarray  # (n, 1) last value of the lookback, the naive forecast of all steps
    seasonal: np.ndarray | None = None  # (n, H) median of the newest seasons; None without one

    @classmethod
    def join(cls, parts: Sequence["SimpleForecasts"]) -> "SimpleForecasts":
        """Join those of successive batches of windows."""
        kept = (values for values in zip(*parts, strict=True) if values[0] is not None)
        return cls(*map(np.concatenate, kept))

    def differences(self, median: np.ndarray) -> np.ndarray:
        """Return the forecasts minus the median (n, H) of the network, (k, n, H)."""
        return np.stack([forecast - median for forecast in self if forecast is not None])


def apply_calibration(
    normal: np.ndarray, simple: SimpleForecasts | None, tensors: dict[str, np.ndarray], middle: int
) -> np.ndarray:
    """Apply what `calibrate` has fitted.

    Args:
        normal: Quantiles of the network, (n, H, Q), in normalised units.
        simple: Forecasts that are blended in; None if there are none.
        tensors: Those of `calibrate`. A share that a bundle of an earlier release lacks is 0.
        middle: Index of the median among the quantiles.

    Returns:
        Calibrated quantiles (n, H, Q), in normalised units, not sorted.
    """
    shares = np.concatenate([tensors.get(name, np.zeros(1)) for name in SHARES])
    blended = _blend(normal, simple, shares, middle) if simple is not None else normal
    median = blended[..., middle : middle + 1]
    return np.asarray(median + tensors["spread"] * (blended - median) + tensors["errors"])


def calibrate(
    normal: np.ndarray,
    simple: SimpleForecasts | None,
    target: np.ndarray,
    weights: np.ndarray,
    spec: CalibrationSpec,
) -> dict[str, np.ndarray]:
    """Fit the calibration of a network on validation windows. All values are in normalised units.

    Args:
        normal: Quantiles of the network, (n, H, Q).
        simple: Forecasts to blend in; None if there are none.
        target: (n, H), NaN where nothing was observed.
        weights: Weight of the errors of each window, (n, 1), or of each step, (n, H).
        spec: Quantile levels, the network's head, and when the windows begin. A point head gets its intervals from its
            errors.

    Returns:
        Shares (1,) in the median: `share` of the linear map, `share.last` of the last value, `share.seasonal` of the
        seasonal median. `spread` (Q,): factors on the distances of the quantiles from the median. `errors` (H, Q):
        error quantiles of a point head, else 0.
    """
    levels, head = spec.levels, spec.head
    middle, horizon = levels.index(0.5), target.shape[1]
    fitted = {"spread": np.ones(len(levels)), "errors": np.zeros((horizon, len(levels)))}
    shares = np.zeros(len(SHARES))
    if simple is not None:
        median = normal[..., middle]
        errors = weights * np.concatenate([(target - median)[None], simple.differences(median)])
        shares = _fit_shares(errors, spec)
        normal = _blend(normal, simple, shares, middle)
    if head in POINT_HEADS:
        fitted["errors"] = _error_quantiles(target - normal[..., middle], levels)
    else:
        fitted["spread"] = _best_spread(normal, target, weights, levels) ** spec.weight(SPREAD_HORIZONS)
    return fitted | dict(zip(SHARES, shares[:, None], strict=True))


def _blend(normal: np.ndarray, simple: SimpleForecasts, shares: np.ndarray, middle: int) -> np.ndarray:
    differences = simple.differences(normal[..., middle])
    shift = np.tensordot(shares[: len(differences)], differences, 1)
    return np.asarray(normal + shift[..., None])


def _fit_shares(errors: np.ndarray, spec: CalibrationSpec) -> np.ndarray:
    """Fit the shares (3,) of the linear map, the last value and the seasonal median.

    Args:
        errors: Errors of the network, and differences of two or three simple forecasts to it, (1 + k, n, H).
        spec: The head, whose loss is minimised, and when the n windows begin.

    Returns:
        Shares of at least 0, with a sum of at most 1.
    """
    known, loss = _known_errors(errors), _loss_of(spec.head)
    if not known.size:
        return np.zeros(len(SHARES))
    weight = spec.weight(PRIOR_HORIZONS)
    best = _best_shares(known[:3], CANDIDATES, loss)
    shares = np.append(PRIOR + (best - PRIOR) * weight, 0.0)
    blended = _remaining(errors, shares)
    if len(errors) > 3:
        alone = np.array([0.0, 0.0, 1.0])
        best, gain = _best_gain(np.stack([blended, blended - _remaining(errors, alone)]), loss)
        evidence = max(spec.seasonal, _evidence(gain, spec.times))
        shares += best * weight * evidence * (alone - shares)
        blended = _remaining(errors, shares)
    random_walk = np.array([0.0, 1.0, 0.0])
    gain = _window_losses(loss(_remaining(errors, random_walk))) - _window_losses(loss(blended))
    return np.asarray(random_walk + _evidence(gain, spec.times, untested=1.0) * (shares - random_walk))


def seasonal_evidence(errors: np.ndarray, times: np.ndarray, head: HeadName) -> float:
    """Compute how far training windows justify a share of the seasonal median.

    Args:
        errors: Errors of the linear map, and differences of the seasonal median to it, (2, n, H); NaN where unknown.
        times: When the windows begin, (n,), in longest seasons from any origin: errors within one depend on each other.
        head: The network's head, whose loss counts.

    Returns:
        A share from 0 to 1, by the gain of the best share of the median.
    """
    if not _known_errors(errors).size:
        return 0.0
    return _evidence(_best_gain(errors, _loss_of(head))[1], times)


def _loss_of(head: HeadName) -> Callable[[np.ndarray], np.ndarray]:
    return np.square if head == "mse" else np.abs


def _best_gain(errors: np.ndarray, loss: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Best share (1,) of a forecast whose differences are errors[1], and the gain with it of each window, (n,)."""
    best = _best_shares(_known_errors(errors), CANDIDATES[:21, 1:], loss)
    return best, _window_losses(loss(errors[0])) - _window_losses(loss(_remaining(errors, best)))


def _known_errors(errors: np.ndarray) -> np.ndarray:
    """Errors (k, m) with a known target, of evenly spaced windows of (k, n, H), at most about MAX_ERRORS."""
    spaced = errors[:, :: max(1, -(-errors[0].size // MAX_ERRORS))]
    return np.asarray(spaced[:, np.isfinite(spaced[0])])


def _remaining(errors: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Errors of a blend with these shares, shaped as those of the network, errors[0]."""
    return np.asarray(errors[0] - np.tensordot(shares[: len(errors) - 1], errors[1:], 1))


def _best_shares(errors: np.ndarray, candidates: np.ndarray, loss: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Candidate (c, k) with the smallest mean loss of errors (1 + k, m)."""
    losses = [loss(_remaining(errors, shares)).mean() for shares in candidates]
    return np.asarray(candidates[int(np.argmin(losses))])


def _window_losses(losses: np.ndarray) -> np.ndarray:
    """Mean of the known losses of each window, (n,), of those of its steps (n, H); NaN without one."""
    known = np.isfinite(losses)
    return np.where(known, losses, 0.0).sum(axis=1) / np.where(known.any(axis=1), known.sum(axis=1), np.nan)


def _evidence(gains: np.ndarray, times: np.ndarray | None, untested: float = 0.0) -> float:
    """Share of a choice that the gains (n,) of windows justify: none up to one standard error, all of it from two on.

    Args:
        gains: Loss without the choice minus loss with it; NaN where unknown.
        times: When the windows begin, (n,), in blocks that are compared; None: the sign of the mean decides.
        untested: The share if the windows cover fewer than MIN_BLOCKS.

    Returns:
        A share from 0 to 1.
    """
    known = np.isfinite(gains)
    if times is None:
        return float(gains[known].mean() > 0)
    _, block = np.unique(np.floor(times[known]), return_inverse=True)
    means = np.bincount(block, gains[known]) / np.maximum(np.bincount(block), 1)
    if len(means) < MIN_BLOCKS:
        return untested
    mean, error = means.mean(), means.std() / np.sqrt(len(means))
    return float(np.clip(mean - error, 0, error) / error) if error > 0 else float(mean > 0)


def _best_spread(normal: np.ndarray, target: np.ndarray, weights: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Factor on the distance of each quantile from the median with the smallest loss, (Q,)."""
    known = np.isfinite(target)
    quantiles, known_weights = normal[known], np.broadcast_to(weights, target.shape)[known]
    median = quantiles[:, levels.index(0.5)]
    spread = np.ones(len(levels))
    for index, level in enumerate(levels):
        if level != 0.5:
            distance = quantiles[:, index] - median
            losses = [
                (known_weights * pinball(target[known], median + factor * distance, level)).mean() for factor in SPREADS
            ]
            spread[index] = SPREADS[int(np.argmin(losses))]
    return spread


def _error_quantiles(errors: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Quantiles (H, Q) of the errors (n, H) at each step, 0 at the median: the point forecast stays the median."""
    quantiles = np.zeros((errors.shape[1], len(levels)))
    side = np.sign(np.array(levels) - 0.5)
    for step in range(errors.shape[1]):
        known = errors[np.isfinite(errors[:, step]), step]
        if len(known):
            quantiles[step] = side * np.maximum(side * np.quantile(known, levels), 0.0)
    return quantiles
