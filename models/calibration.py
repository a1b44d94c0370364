"""Calibration on the validation part: shares of simple forecasts in the median, and the width of intervals.

The mean of forecasts whose errors differ has smaller errors than each (Bates and Granger 1969). The errors of a
recurrent network, of a ridge regression and of the last value differ enough for that. Equal shares of network and map
are hard to beat (Stock and Watson 2004): the best shares on the validation part are shrunk toward 1/2, 1/2 and 0, the
more the fewer horizons they are fitted on. So the last value has a share only where that part gives it one.
"""

from typing import NamedTuple

import numpy as np

from models.metrics import pinball
from models.networks.architecture import POINT_HEADS, HeadName

SHARES = np.array([(linear, last) for linear in range(21) for last in range(21 - linear)]) / 20  # of both, candidates
PRIOR = np.array([0.5, 0.0])  # shares of both that the best ones are shrunk toward
PRIOR_HORIZONS = 5.0  # horizons of validation that it is worth
MAX_ERRORS = 200_000  # that decide the shares, of evenly spaced windows
SPREADS = np.exp(np.linspace(-1, 1, 41))  # the middle value is 1.0


class CalibrationSpec(NamedTuple):
    """Quantile levels, ascending, with 0.5; the head of the network; horizons that the validation windows cover."""

    levels: tuple[float, ...]
    head: HeadName
    horizons: float = float("inf")


class SimpleForecasts(NamedTuple):
    """Point forecasts that a network is blended with, in normalised units."""

    linear: np.ndarray  # (n, H) of the linear map
    last: np.ndarray  # (n, 1) last value of the lookback, the naive forecast of all steps

    def differences(self, median: np.ndarray) -> np.ndarray:
        """Return both forecasts minus the median (n, H) of the network, (2, n, H)."""
        return np.stack([self.linear - median, self.last - median])


def apply_calibration(
    normal: np.ndarray, simple: SimpleForecasts | None, tensors: dict[str, np.ndarray], middle: int
) -> np.ndarray:
    """Apply what `calibrate` has fitted.

    Args:
        normal: Quantiles of the network, (n, H, Q), in normalised units.
        simple: Forecasts that are blended in; None if there are none.
        tensors: `share`, `share.last`, `spread` and `errors` of `calibrate`; bundles of earlier releases have no
            `share.last`, which is then 0.
        middle: Index of the median among the quantiles.

    Returns:
        Calibrated quantiles (n, H, Q), in normalised units, not sorted.
    """
    shares = np.concatenate([tensors["share"], tensors.get("share.last", np.zeros(1))])
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
        spec: Quantile levels, the network's head, and how much time the windows cover. A point head gets its intervals
            from its errors.

    Returns:
        `share` (1,) of the linear map in the median, `share.last` (1,) of the last value, `spread` (Q,): factors on
        the distances of the quantiles from the median, and `errors` (H, Q): error quantiles of a point head, else 0.
    """
    levels, head, horizons = spec
    middle, horizon = levels.index(0.5), target.shape[1]
    fitted = {"spread": np.ones(len(levels)), "errors": np.zeros((horizon, len(levels)))}
    shares = np.zeros(2)
    if simple is not None:
        median = normal[..., middle]
        errors = weights * np.concatenate([(target - median)[None], simple.differences(median)])
        shares = _fit_shares(_known_errors(errors), horizons, squared=head == "mse")
        normal = _blend(normal, simple, shares, middle)
    if head in POINT_HEADS:
        fitted["errors"] = _error_quantiles(target - normal[..., middle], levels)
    else:
        fitted["spread"] = _best_spread(normal, target, weights, levels)
    return fitted | {"share": shares[:1], "share.last": shares[1:]}


def _blend(normal: np.ndarray, simple: SimpleForecasts, shares: np.ndarray, middle: int) -> np.ndarray:
    shift = np.tensordot(shares, simple.differences(normal[..., middle]), 1)
    return np.asarray(normal + shift[..., None])


def _known_errors(errors: np.ndarray) -> np.ndarray:
    """Errors (3, m) with a known target, of evenly spaced windows of (3, n, H), at most about MAX_ERRORS."""
    spaced = errors[:, :: max(1, -(-errors[0].size // MAX_ERRORS))]
    return np.asarray(spaced[:, np.isfinite(spaced[0])])


def _fit_shares(errors: np.ndarray, horizons: float, squared: bool) -> np.ndarray:
    """Fit the shares (2,) of the linear map and the last value.

    Args:
        errors: Errors of the network, and differences of both forecasts to it, (3, m).
        horizons: Horizons that the errors cover.
        squared: Minimise squared errors instead of absolute ones.

    Returns:
        Shares of at least 0, with a sum of at most 1.
    """
    if not errors.size:
        return np.zeros(2)
    network, linear, last = errors
    remaining = (network - shares[0] * linear - shares[1] * last for shares in SHARES)
    losses = [np.mean(np.square(error) if squared else np.abs(error)) for error in remaining]
    best = SHARES[int(np.argmin(losses))]
    return np.asarray(best + (PRIOR - best) * PRIOR_HORIZONS / (horizons + PRIOR_HORIZONS))


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
