"""Shares of the linear map and the last value in the median of each series, shrunk toward those of all series.

Series of one panel may differ: one is a random walk, and another has a season that the network knows. The best shares
of a series rest on few horizons, so they are shrunk (James and Stein 1961). They count as far as they help on windows
that have not decided them: the validation part is cut into four parts of time, of which three decide the shares of the
fourth. Where the last value alone is kept for all series, because nothing has proven better, each series keeps it too.
"""

import numpy as np

from models.calibration.evidence import evidence, window_losses
from models.calibration.inputs import CalibrationSpec
from models.calibration.shares import loss_of, remaining_errors

TENTHS = np.array([(linear, last) for linear in range(11) for last in range(11 - linear)]) / 10  # shares of both
SERIES_HORIZONS = 20.0  # horizons of validation that the shares of all series are worth
FOLDS = 4  # parts of the validation part
MIN_WINDOWS = 4  # of a series, on average; panels with fewer have no shares by series
MAX_ERRORS = 400_000  # that decide the shares, of evenly spaced windows


def fit_series_shares(errors: np.ndarray, shares: np.ndarray, spec: CalibrationSpec) -> np.ndarray | None:
    """Fit the shares of each series.

    Args:
        errors: Errors of the network, and differences of two or three simple forecasts to it, (1 + k, n, H); NaN where
            the target is unknown.
        shares: Shares of the linear map, the last value and the seasonal median in all series, (3,). That of the
            seasonal median is kept.
        spec: The head, whose loss is minimised; the series of the n windows, and when they begin.

    Returns:
        (S, 3), a row for each series of `spec.series`; None if there is one series, if there are too few windows, if
        all series are forecast by the last value alone, or if shares by series do not help.
    """
    if spec.series is None or spec.times is None or spec.series.max(initial=0) == 0 or shares[1] == 1.0:
        return None
    step = max(1, -(-errors[0].size // MAX_ERRORS))
    kept = np.flatnonzero(np.isfinite(errors[0]).any(axis=1))[::step]
    count = int(spec.series.max()) + 1
    if len(kept) < MIN_WINDOWS * count:
        return None
    windows = _Windows(errors[:, kept], shares, spec._replace(series=spec.series[kept], times=spec.times[kept]), count)
    share = evidence(windows.gains(), spec.times[kept])
    return shares + share * (windows.fit(np.ones(FOLDS, bool)) - shares) if share > 0 else None


class _Windows:
    """Errors of validation windows, and their sums by candidate, series and part of time."""

    def __init__(self, errors: np.ndarray, shares: np.ndarray, spec: CalibrationSpec, count: int) -> None:
        self.errors, self.shares, self.loss = errors, shares, loss_of(spec.head)
        self.series, horizon = np.asarray(spec.series), np.floor(np.asarray(spec.times)).astype(np.int64)
        self.fold = np.searchsorted(np.quantile(horizon, np.arange(1, FOLDS) / FOLDS), horizon, side="right")
        self.candidates = np.column_stack([TENTHS * (1 - shares[2]), np.full(len(TENTHS), shares[2])])
        cell, shape = self.series * FOLDS + self.fold, (count, FOLDS)
        losses = (window_losses(self.loss(remaining_errors(errors, candidate))) for candidate in self.candidates)
        self.sums = np.stack([np.bincount(cell, values, minlength=count * FOLDS).reshape(shape) for values in losses])
        seen, _ = np.unique(np.stack([cell, horizon]), axis=1)
        self.horizons = np.bincount(seen, minlength=count * FOLDS).reshape(shape)

    def fit(self, folds: np.ndarray) -> np.ndarray:
        """Best shares of each series in these parts (FOLDS,), shrunk toward those of all series, (S, 3)."""
        best = self.candidates[np.argmin(self.sums[:, :, folds].sum(axis=-1), axis=0)]
        horizons = self.horizons[:, folds].sum(axis=1)
        return np.asarray(self.shares + (horizons / (horizons + SERIES_HORIZONS))[:, None] * (best - self.shares))

    def gains(self) -> np.ndarray:
        """Gain of each window, (n,), with the shares that the windows of the other parts decide."""
        gains = window_losses(self.loss(remaining_errors(self.errors, self.shares)))
        for fold in range(FOLDS):
            held = self.fold == fold
            fitted = self.fit(np.arange(FOLDS) != fold)[self.series[held]]
            gains[held] -= window_losses(self.loss(remaining_errors(self.errors[:, held], fitted)))
        return gains
