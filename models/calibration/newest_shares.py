"""Shares of the simple forecasts in the median, moved toward those with the smallest errors of the newest forecasts.

Validation ends before the newest actuals, and a champion can be old: which forecast is best has changed by then, most
of all in single series. Past errors of each forecast decide the weights of the next combination (Bates and Granger
1969), shrunk toward those of validation, because few horizons decide them (Diebold and Pauly 1990).
"""

from typing import NamedTuple

import numpy as np

from models.calibration.evidence import window_losses
from models.calibration.shares import loss_of, weigh_differences
from models.networks.architecture import HeadName

NEWEST_HORIZONS = 20.0  # newest horizons that the shares of validation are worth
TOLERANCE = 1e-9  # of losses that are the same
FIFTHS = np.array([(a, b, c) for a in range(6) for b in range(6 - a) for c in range(6 - a - b)]) / 5  # (C, 3)


class PastMedians(NamedTuple):
    """Medians of n earlier forecasts, and what was observed."""

    actuals: np.ndarray  # (n, H); NaN where unknown
    medians: np.ndarray  # (n, H)
    differences: np.ndarray  # (3, n, H) simple forecasts minus the network's median; 0 of one that is not blended in
    is_whole: bool  # published medians are rounded


class NewestShares(NamedTuple):
    """The shares with the smallest newest losses, of S series or one row for all."""

    best: np.ndarray  # (S, 3)
    weight: np.ndarray  # (S,) from 0 to 1, how much they count against the shares of validation

    def changes(self, shares: np.ndarray) -> np.ndarray:
        """Return what is added to shares (n, 3) of validation; 0 where only the last value is proven."""
        weight = np.where(shares[:, 1] == 1.0, 0.0, self.weight)
        return np.asarray(weight[:, None] * (self.best - shares))


def candidate_losses(forecasts: PastMedians, shares: np.ndarray, head: HeadName) -> np.ndarray:
    """Compute the loss of forecasts with each of the candidate shares FIFTHS.

    Args:
        forecasts: Medians with their own shares, and the actuals.
        shares: Shares of the simple forecasts in these medians, (n, 3).
        head: The head of the network, whose loss counts.

    Returns:
        The mean loss over the known steps of each forecast, (C, n); NaN where none is known.
    """
    loss, differences = loss_of(head), forecasts.differences
    network = forecasts.medians - weigh_differences(shares, differences)
    blends = (network + weigh_differences(candidate, differences) for candidate in FIFTHS)
    rounded = (np.rint(blend) if forecasts.is_whole else blend for blend in blends)
    return np.stack([window_losses(loss(forecasts.actuals - blend)) for blend in rounded])


def fit_newest_shares(losses: np.ndarray, shares: np.ndarray, spacing: float, is_pooled: bool = False) -> NewestShares:
    """Fit the shares to the losses of the newest forecasts.

    Args:
        losses: Losses of the candidates at K origins, (K, C, S); NaN where unknown.
        shares: Shares of validation, (S, 3). Of candidates with the same loss, the nearest to them is the best:
            medians of rare counts are 0 with many shares.
        spacing: Steps from one origin to the next, in horizons.
        is_pooled: All series get the same shares, from losses relative to the mean loss of each series.

    Returns:
        The best shares of each series, or one row for all, and how much they count.
    """
    counts = np.isfinite(losses).any(axis=1).sum(axis=0).astype(float)
    sums = np.nansum(losses, axis=0)
    if is_pooled:
        typical = sums.mean(axis=0)
        sums = np.divide(sums, typical, out=np.zeros(sums.shape), where=typical > 0).sum(axis=1, keepdims=True)
        counts, shares = counts.max(keepdims=True, initial=0.0), shares.mean(axis=0, keepdims=True)
    distance = np.abs(FIFTHS[:, None] - shares).sum(axis=2)  # (C, S)
    distance[sums > sums.min(axis=0) * (1 + TOLERANCE)] = np.inf
    horizons = counts * min(spacing, 1.0)
    return NewestShares(FIFTHS[np.argmin(distance, axis=0)], horizons / (horizons + NEWEST_HORIZONS))
