"""Draw factors on intervals toward 1, as far as the errors that they are fitted to leave a doubt.

Own intervals count as if they had been right in 20 more horizons. A factor of a series is drawn by at most two of its
standard errors, if enough horizons give one, so that intervals that are wrong for certain are corrected (limited
translation: Efron and Morris 1972). It is kept after a jump of the spread, and where own intervals have no width.
"""

from typing import NamedTuple

import numpy as np

from models.error_spread import spread_error

OWN_HORIZONS = 20.0  # newest horizons that the own intervals are worth
MAX_SHIFT = 2.0  # standard errors by which the logarithm of a factor is drawn toward 0
MIN_HORIZONS = 14  # that give a standard error
MIN_ERRORS = 50  # a series with fewer errors has the factors of all series


class FactorEvidence(NamedTuple):
    """What the errors say about the factors of S series."""

    by_series: np.ndarray  # (S,) shares of their logarithms that are kept
    by_step: float  # share of the logarithms of factors by step that is kept
    shift: np.ndarray  # (S,) by which the logarithm of a factor is drawn toward 0 at most; infinite: no limit


def weigh_errors(
    known: np.ndarray,
    spread: np.ndarray,
    has_jumped: np.ndarray,
    has_width: np.ndarray,
    is_pooled: bool = False,
    spacing: float = 1.0,
) -> FactorEvidence:
    """Weigh the errors of forecasts from K origins against the own intervals.

    Args:
        known: Whether there is an actual, (K, S, H).
        spread: Spread of the errors of each night, (K, S); NaN without an actual.
        has_jumped: Whether the spread of a series has jumped, (S,). Its factors are kept, unless horizons overlap by
            more than a half.
        has_width: Whether the own intervals of a series have a width, (S,). Without one, its factors are kept.
        is_pooled: Every series has the factors of all together, and what is true of most of them counts.
        spacing: Steps from one origin to the next, in horizons: errors of horizons that overlap are of the same few
            events.

    Returns:
        The evidence.
    """
    spacing, origins = min(spacing, 1.0), known.any(axis=2).sum(axis=0)
    shift = MAX_SHIFT * spread_error(spread) / np.sqrt(spacing)
    shift[origins * spacing < MIN_HORIZONS] = np.inf
    takes_all = (known.sum(axis=(0, 2)) < MIN_ERRORS) | is_pooled
    if takes_all.any():
        origins = np.where(takes_all, origins.max(), origins)
        shift = np.where(takes_all, np.median(shift), shift)
        has_jumped = np.where(takes_all, np.median(has_jumped) > 0, has_jumped)
        has_width = np.where(takes_all, np.median(has_width) > 0, has_width)
    shares = origins * spacing / (origins * spacing + OWN_HORIZONS)
    kept = np.where(has_jumped, np.maximum(shares, min(1.0, 2 * spacing)), shares)
    kept = np.where(has_width, kept, 1.0)
    return FactorEvidence(kept, float(shares.max(initial=0.0)), shift)


def shrink(factors: np.ndarray, evidence: FactorEvidence) -> np.ndarray:
    """Draw factors toward 1.

    Args:
        factors: Factors by series, (S, Q), positive.
        evidence: What the errors say about them.

    Returns:
        The factors, (S, Q).
    """
    logs = np.log(factors)
    drawn = np.minimum((1 - evidence.by_series)[:, None] * np.abs(logs), evidence.shift[:, None])
    return np.asarray(np.exp(logs - np.sign(logs) * drawn))
