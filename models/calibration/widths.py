"""Width of intervals: factors on the quantiles of a network, or the error quantiles of a point forecast."""

import numpy as np

from models.metrics import pinball

SPREADS = np.exp(np.linspace(-1, 1, 41))  # the middle value is 1.0


def best_spread(normal: np.ndarray, target: np.ndarray, weights: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
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


def error_quantiles(errors: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Quantiles (H, Q) of the errors (n, H) at each step, 0 at the median: the point forecast stays the median."""
    quantiles = np.zeros((errors.shape[1], len(levels)))
    side = np.sign(np.array(levels) - 0.5)
    for step in range(errors.shape[1]):
        known = errors[np.isfinite(errors[:, step]), step]
        if len(known):
            quantiles[step] = side * np.maximum(side * np.quantile(known, levels), 0.0)
    return quantiles
