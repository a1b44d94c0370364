"""Seasonal scores: what is left of a series without its season, on the scale of a standard normal variable.

reference: whole seasons                          current
x  - mean of the other seasons at this position   x - mean of the reference without its oldest season

A residual of the reference leaves its own season out of the mean, so that its spread is that of a new observation. Each
mean is over as many seasons: one more would change spread and product with the profile by a share that many series
together show.
"""

from typing import NamedTuple

import numpy as np

MAX_EXCESS = 3.0  # standard deviations beyond the range of the reference; a skewed series has more by chance


class SeasonalScores(NamedTuple):
    """Scores and seasonal profile of S series over T steps, each (S, T); NaN where nothing is known.

    The profile is the mean that was subtracted, over as many seasons for the newest steps as for the reference, so that
    products of score and profile have the same mean.
    """

    scores: np.ndarray
    profile: np.ndarray


def seasonal_scores(values: np.ndarray, reference: int, season: int) -> SeasonalScores:
    """Remove the season of each series, and replace the residuals by normal scores.

    Args:
        values: (S, T), NaN where nothing was observed.
        reference: Number of steps at the beginning that are the reference.
        season: Length of the season, in steps.

    Returns:
        The scores: the normal quantile of the rank of a residual among those of the reference. A residual outside
        their range exceeds the outermost score by its distance in standard deviations, at most MAX_EXCESS.
    """
    from scipy import special  # takes long to import, and a cached night does not need it

    steps = values.shape[1]
    position = np.arange(steps) % season
    padded = np.full((len(values), -(-reference // season) * season), np.nan)
    padded[:, :reference] = values[:, :reference]
    cycles = padded.reshape(len(values), -1, season)
    count = np.isfinite(cycles).sum(axis=1)[:, position]
    total = np.nansum(cycles, axis=1)[:, position]
    # the newest steps leave out the oldest season, so that every mean is over as many seasons
    left_out = np.where(np.arange(steps) < reference, values, cycles[:, 0][:, position])
    own = np.nan_to_num(left_out)
    others = count - np.isfinite(left_out)
    profile = np.where(others > 0, total - own, np.nan) / np.maximum(others, 1)
    residuals = values - profile
    scores = np.full(values.shape, np.nan)
    for series, row in enumerate(residuals):
        known = np.sort(row[:reference][np.isfinite(row[:reference])])
        if len(known) < 2:
            continue
        ranks = (np.searchsorted(known, row, "left") + np.searchsorted(known, row, "right")) / 2 / len(known)
        edge = 0.5 / len(known)
        excess = np.maximum(row - known[-1], 0.0) + np.minimum(row - known[0], 0.0)
        excess = np.clip(excess / _positive(known.std(), np.abs(known).max()), -MAX_EXCESS, MAX_EXCESS)
        scores[series] = special.ndtri(np.clip(ranks, edge, 1 - edge)) + excess
    scores[~np.isfinite(residuals)] = np.nan
    return SeasonalScores(scores, profile)


def _positive(spread: float, largest: float) -> float:
    """Return the spread, or, for a reference without one, the rounding error of its largest value."""
    return max(spread, 1e-12 * largest, np.finfo(float).tiny)
