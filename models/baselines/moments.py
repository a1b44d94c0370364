"""Second moments of windows: what a ridge regression of any lookback, penalty and prior is fitted and scored from."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Moments:
    """Sums over windows of products of their inputs x (L,) and targets y (H,), each sum with the weights of windows."""

    gram: np.ndarray  # (L, L) sum of x x'
    cross: np.ndarray  # (L, H) sum of x y'
    squares: np.ndarray  # (H,) sum of y²
    count: float  # windows, or the sum of their weights

    @classmethod
    def of(cls, inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None) -> "Moments":
        """Return the moments of windows with inputs (n, L), targets (n, H) and weights of errors (n, 1), or 1."""
        count = float(len(inputs))
        if weights is not None:
            inputs, targets, count = inputs * np.sqrt(weights), targets * np.sqrt(weights), float(weights.sum())
        return cls(inputs.T @ inputs, inputs.T @ targets, np.square(targets).sum(axis=0), count)

    @classmethod
    def empty(cls, lookback: int, horizon: int) -> "Moments":
        """Return the moments of no windows."""
        return cls(np.zeros((lookback, lookback)), np.zeros((lookback, horizon)), np.zeros(horizon), 0.0)

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.gram + other.gram, self.cross + other.cross, self.squares + other.squares, self.count + other.count
        )

    def __sub__(self, other: "Moments") -> "Moments":
        return Moments(
            self.gram - other.gram, self.cross - other.cross, self.squares - other.squares, self.count - other.count
        )

    def newest(self, lookback: int) -> "Moments":
        """Return the moments of the same windows with only the newest `lookback` steps as inputs."""
        kept = slice(len(self.gram) - lookback, None)
        return Moments(self.gram[kept, kept], self.cross[kept], self.squares, self.count)

    def at_steps(self, steps: np.ndarray) -> "Moments":
        """Return the moments of the same windows with only these steps of the horizon, from 0, as targets."""
        return Moments(self.gram, self.cross[:, steps], self.squares[steps], self.count)

    def losses(self, weights: np.ndarray) -> np.ndarray:
        """Compute mean squared errors of linear maps.

        Args:
            weights: Maps from inputs to targets, (…, L, H).

        Returns:
            Mean squared error of each map over all windows and steps, (…).
        """
        explained = 2 * self.cross * weights - weights * (self.gram @ weights)
        remaining = np.maximum(self.squares.sum() - explained.sum(axis=(-2, -1)), 0.0)  # rounding can go below 0
        return np.asarray(remaining / max(self.count * len(self.squares), np.finfo(float).tiny))
