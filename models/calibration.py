"""After training, by the validation part: how far the closed-form linear map is trusted too, how wide intervals are.

The mean of two forecasts whose errors differ has smaller errors than either (Bates and Granger 1969); a recurrent
network and a ridge regression differ enough for that.
"""

import numpy as np

from models.metrics import pinball
from models.networks.heads import POINTS, HeadName

SHARES = np.linspace(0, 1, 21)
SPREADS = np.exp(np.linspace(-1, 1, 41))  # 1.0 is the middle one


def apply_calibration(
    normal: np.ndarray, linear: np.ndarray | None, tensors: dict[str, np.ndarray], middle: int
) -> np.ndarray:
    """The network's quantiles (b, H, Q) with the linear map's forecast (b, H) mixed in, as wide as they must be."""
    found = _mixed(normal, linear, tensors["share"], middle) if linear is not None else normal
    median = found[..., middle : middle + 1]
    return np.asarray(median + tensors["spread"] * (found - median) + tensors["errors"])


def calibrate(
    normal: np.ndarray,
    linear: np.ndarray | None,
    target: np.ndarray,
    loud: np.ndarray,
    levels: tuple[float, ...],
    head: HeadName,
) -> dict[str, np.ndarray]:
    """`share` of the linear map, `spread` (Q,) of the network's own quantiles, `errors` (H, Q) of a head without any.

    Takes forecasts (n, H, Q) and (n, H) and targets (n, H), NaN where unknown, all in normalised units, and how much
    the errors of each window count (n, 1).
    """
    middle, horizon = levels.index(0.5), target.shape[1]
    found = {"spread": np.ones(len(levels)), "errors": np.zeros((horizon, len(levels))), "share": np.zeros(1)}
    if linear is not None:
        median = normal[..., middle]
        found["share"] = _share(loud * (target - median), loud * (linear - median), squared=head == "mse")
        normal = _mixed(normal, linear, found["share"], middle)
    if head in POINTS:
        found["errors"] = _error_quantiles(target - normal[..., middle], levels)
    else:
        found["spread"] = _spread(normal, target, loud, levels)
    return found


def _mixed(normal: np.ndarray, linear: np.ndarray, share: np.ndarray, middle: int) -> np.ndarray:
    return np.asarray(normal + share * (linear - normal[..., middle])[..., None])


def _share(away: np.ndarray, apart: np.ndarray, squared: bool) -> np.ndarray:
    """Of what the linear map lies `apart` from the network, which is that far `away` from the targets."""
    known = np.isfinite(away)
    away, apart = away[known], apart[known]
    losses = [np.mean(np.square(away - s * apart) if squared else np.abs(away - s * apart)) for s in SHARES]
    return SHARES[[int(np.argmin(losses))]]


def _spread(normal: np.ndarray, target: np.ndarray, loud: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """(Q,) factors on each quantile's distance from the median that lose least."""
    known = np.isfinite(target)
    told, heard = normal[known], np.broadcast_to(loud, target.shape)[known]
    median = told[:, levels.index(0.5)]
    spread = np.ones(len(levels))
    for place, level in enumerate(levels):
        if level != 0.5:
            away = told[:, place] - median
            losses = [(heard * pinball(target[known], median + factor * away, level)).mean() for factor in SPREADS]
            spread[place] = SPREADS[int(np.argmin(losses))]
    return spread


def _error_quantiles(error: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """(H, Q) quantiles of the errors (n, H) at each step, 0 at the median: it stays the forecast."""
    found = np.zeros((error.shape[1], len(levels)))
    side = np.sign(np.array(levels) - 0.5)
    for step in range(error.shape[1]):
        known = error[np.isfinite(error[:, step]), step]
        if len(known):
            found[step] = side * np.maximum(side * np.quantile(known, levels), 0.0)
    return found
