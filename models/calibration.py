"""Calibration on the validation part: the share of the closed-form linear map, and the width of intervals.

The mean of two forecasts whose errors differ has smaller errors than either (Bates and Granger 1969). The errors of a
recurrent network and of a ridge regression differ enough for that. Equal shares are hard to beat (Stock and Watson
2004): the share is shrunk toward 1/2, the more the fewer horizons it is fitted on.
"""

from typing import NamedTuple

import numpy as np

from models.metrics import pinball
from models.networks.architecture import POINT_HEADS, HeadName

SHARES = np.linspace(0, 1, 21)
EQUAL_HORIZONS = 5.0  # horizons of validation that equal shares are worth
SPREADS = np.exp(np.linspace(-1, 1, 41))  # the middle value is 1.0


class CalibrationSpec(NamedTuple):
    """Quantile levels, ascending, with 0.5; the head of the network; horizons that the validation windows cover."""

    levels: tuple[float, ...]
    head: HeadName
    horizons: float = float("inf")


def apply_calibration(
    normal: np.ndarray, linear: np.ndarray | None, tensors: dict[str, np.ndarray], middle: int
) -> np.ndarray:
    """Apply what `calibrate` has fitted.

    Args:
        normal: Quantiles of the network, (n, H, Q), in normalised units.
        linear: Point forecast of the linear map, (n, H), in normalised units; None if it is not blended in.
        tensors: `share`, `spread` and `errors` of `calibrate`.
        middle: Index of the median among the quantiles.

    Returns:
        Calibrated quantiles (n, H, Q), in normalised units, not sorted.
    """
    blended = _blend(normal, linear, tensors["share"], middle) if linear is not None else normal
    median = blended[..., middle : middle + 1]
    return np.asarray(median + tensors["spread"] * (blended - median) + tensors["errors"])


def calibrate(
    normal: np.ndarray,
    linear: np.ndarray | None,
    target: np.ndarray,
    weights: np.ndarray,
    spec: CalibrationSpec,
) -> dict[str, np.ndarray]:
    """Fit the calibration of a network on validation windows. All values are in normalised units.

    Args:
        normal: Quantiles of the network, (n, H, Q).
        linear: Point forecast of the linear map, (n, H); None if it is not blended in.
        target: (n, H), NaN where nothing was observed.
        weights: Weight of the errors of each window, (n, 1), or of each step, (n, H).
        spec: Quantile levels, the network's head, and how much time the windows cover. A point head gets its intervals
            from its errors.

    Returns:
        `share` (1,) of the linear map in the median, `spread` (Q,): factors on the distances of the quantiles from
        the median, and `errors` (H, Q): error quantiles of a point head, else 0.
    """
    levels, head, horizons = spec
    middle, horizon = levels.index(0.5), target.shape[1]
    fitted = {"spread": np.ones(len(levels)), "errors": np.zeros((horizon, len(levels))), "share": np.zeros(1)}
    if linear is not None:
        median = normal[..., middle]
        best = _best_share(weights * (target - median), weights * (linear - median), squared=head == "mse")
        fitted["share"] = best + (0.5 - best) * EQUAL_HORIZONS / (horizons + EQUAL_HORIZONS)
        normal = _blend(normal, linear, fitted["share"], middle)
    if head in POINT_HEADS:
        fitted["errors"] = _error_quantiles(target - normal[..., middle], levels)
    else:
        fitted["spread"] = _best_spread(normal, target, weights, levels)
    return fitted


def _blend(normal: np.ndarray, linear: np.ndarray, share: np.ndarray, middle: int) -> np.ndarray:
    return np.asarray(normal + share * (linear - normal[..., middle])[..., None])


def _best_share(errors: np.ndarray, differences: np.ndarray, squared: bool) -> np.ndarray:
    """Share (1,) with the smallest loss, from errors of the network and differences of the linear map to it, (n, H)."""
    known = np.isfinite(errors)
    errors, differences = errors[known], differences[known]
    remaining = (errors - share * differences for share in SHARES)
    losses = [np.mean(np.square(error) if squared else np.abs(error)) for error in remaining]
    return SHARES[[int(np.argmin(losses))]]


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
