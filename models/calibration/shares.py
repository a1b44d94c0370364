"""Shares of the simple forecasts in the median, of all series together.

The mean of forecasts whose errors differ has smaller errors than each (Bates and Granger 1969). Equal shares of network
and linear map are hard to beat (Stock and Watson 2004): the best shares are shrunk toward 1/2, 1/2 and 0 of the last
value, the more the fewer horizons they are fitted on. Two choices need evidence, the gain of each horizon of validation
compared with its standard error: a share of the seasonal median, and any forecast other than the last value, the best
one of a random walk. Few horizons of validation seldom prove a median that helps, so its gain over the linear map on
the training part counts as well.
"""

from collections.abc import Callable

import numpy as np

from models.calibration.evidence import evidence, window_losses
from models.calibration.inputs import CalibrationSpec
from models.networks.architecture import HeadName

SHARES = "share", "share.last", "share.seasonal"  # tensors: of the simple forecasts, in their order
CANDIDATES = np.array([(linear, last) for linear in range(21) for last in range(21 - linear)]) / 20  # shares of both
PRIOR = np.array([0.5, 0.0])  # shares of both that the best ones are shrunk toward
PRIOR_HORIZONS = 5.0  # horizons of validation that it is worth
MAX_ERRORS = 200_000  # that decide the shares, of evenly spaced windows


def fit_shares(errors: np.ndarray, spec: CalibrationSpec) -> np.ndarray:
    """Fit the shares (3,) of the linear map, the last value and the seasonal median.

    Args:
        errors: Errors of the network, and differences of two or three simple forecasts to it, (1 + k, n, H).
        spec: The head, whose loss is minimised, and when the n windows begin.

    Returns:
        Shares of at least 0, with a sum of at most 1.
    """
    known, loss = _known_errors(errors), loss_of(spec.head)
    if not known.size:
        return np.zeros(len(SHARES))
    weight = spec.weight(PRIOR_HORIZONS)
    best = _best_shares(known[:3], CANDIDATES, loss)
    shares = np.append(PRIOR + (best - PRIOR) * weight, 0.0)
    blended = remaining_errors(errors, shares)
    if len(errors) > 3:
        alone = np.array([0.0, 0.0, 1.0])
        best, gain = _best_gain(np.stack([blended, blended - remaining_errors(errors, alone)]), loss)
        proven = max(spec.seasonal, evidence(gain, spec.times))
        shares += best * weight * proven * (alone - shares)
        blended = remaining_errors(errors, shares)
    random_walk = np.array([0.0, 1.0, 0.0])
    gain = window_losses(loss(remaining_errors(errors, random_walk))) - window_losses(loss(blended))
    return np.asarray(random_walk + evidence(gain, spec.times, untested=1.0) * (shares - random_walk))


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
    return evidence(_best_gain(errors, loss_of(head))[1], times)


def loss_of(head: HeadName) -> Callable[[np.ndarray], np.ndarray]:
    """Return the loss of an error that a head minimises: squared or absolute."""
    return np.square if head == "mse" else np.abs


def _best_gain(errors: np.ndarray, loss: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Best share (1,) of a forecast whose differences are errors[1], and the gain with it of each window, (n,)."""
    best = _best_shares(_known_errors(errors), CANDIDATES[:21, 1:], loss)
    return best, window_losses(loss(errors[0])) - window_losses(loss(remaining_errors(errors, best)))


def _known_errors(errors: np.ndarray) -> np.ndarray:
    """Errors (k, m) with a known target, of evenly spaced windows of (k, n, H), at most about MAX_ERRORS."""
    spaced = errors[:, :: max(1, -(-errors[0].size // MAX_ERRORS))]
    return np.asarray(spaced[:, np.isfinite(spaced[0])])


def weigh_differences(shares: np.ndarray, differences: np.ndarray) -> np.ndarray:
    """Sum the differences of simple forecasts to the network, each by its share.

    Args:
        shares: (3,) of all windows, or (n, 3) of each.
        differences: (k, n, H), or (k, …) with the shares of all windows; k of at most 3.

    Returns:
        What the shares add to the forecast of the network, (n, H) or (…).
    """
    used = shares[..., : len(differences)]
    return np.tensordot(used, differences, 1) if used.ndim == 1 else np.einsum("nk,knh->nh", used, differences)


def remaining_errors(errors: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Errors of a blend with these shares, (3,) or (n, 3), shaped as those of the network, errors[0]."""
    return np.asarray(errors[0] - weigh_differences(shares, errors[1:]))


def _best_shares(errors: np.ndarray, candidates: np.ndarray, loss: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Candidate (c, k) with the smallest mean loss of errors (1 + k, m)."""
    losses = [loss(remaining_errors(errors, shares)).mean() for shares in candidates]
    return np.asarray(candidates[int(np.argmin(losses))])
