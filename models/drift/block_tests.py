"""Compare the newest blocks of a panel with those of the reference: level, spread and shape of the season.

A block is the shortest season, a day for hourly data, so that hours that resemble each other count once. The mean over
the newest 1, 3, … blocks is divided by the deviation of the same mean over the reference. Student's t distribution has
as few degrees of freedom as the reference has windows of that length.
"""

from collections.abc import Callable

import numpy as np

from models.drift.scores import SeasonalScores

MIN_SPREAD_SCORE = 0.1  # keeps the logarithm of the spread of a constant finite
MIN_SHARE_OBSERVED = 0.5
MIN_SERIES_TO_POOL = 5
MAX_PRIOR_DEGREES = 30.0
STATISTICS = ("level", "spread", "shape")
Transform = Callable[[np.ndarray], np.ndarray]


def _identity(values: np.ndarray) -> np.ndarray:
    return values


def _log_spread(values: np.ndarray) -> np.ndarray:
    return np.log(values + MIN_SPREAD_SCORE)


def block_means(values: np.ndarray, block: int) -> np.ndarray:
    """Return the means of successive blocks, (…, T // block); NaN where less than half of a block is known.

    Args:
        values: (…, T). Steps before the last whole block at the beginning are left out.
        block: Length of a block, in steps.
    """
    whole = values[..., values.shape[-1] % block :].reshape(*values.shape[:-1], -1, block)
    return _mean_of_known(whole)


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis; NaN where less than MIN_SHARE_OBSERVED is known."""
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    mean = np.where(known, values, 0.0).sum(axis=-1) / np.maximum(count, 1)
    return np.where(count >= MIN_SHARE_OBSERVED * values.shape[-1], mean, np.nan)


def signals(seasonal: SeasonalScores, block: int, season: int) -> dict[str, np.ndarray]:
    """Return what is averaged over blocks, by statistic, each (S, T).

    The level is the score, the spread its absolute value. The shape is the score times the seasonal profile within the
    block: it falls if the season moves, shrinks or grows flat, and rises if it grows.

    Args:
        seasonal: Scores and profile.
        block: Length of a block, in steps.
        season: Length of the season of the profile, in steps. Its blocks share one profile, which has less noise.
    """
    scores, profile = seasonal.scores, seasonal.profile
    whole = season - season % block
    seasons = profile[:, profile.shape[1] % whole :].reshape(len(profile), -1, whole // block, block)
    mean = _mean_of_known(np.moveaxis(seasons, 2, -1))  # (S, seasons, block)
    centred = np.full_like(profile, np.nan)
    centred[:, profile.shape[1] % whole :] = np.repeat(
        (mean - _mean_of_known(mean)[..., None])[:, :, None], whole // block, axis=2
    ).reshape(len(profile), -1)
    size = np.sqrt(np.nanmean(np.nan_to_num(centred) ** 2, axis=1, keepdims=True))
    unit = centred / np.where(size > 1e-9 * np.abs(np.nan_to_num(profile)).max(initial=0.0), size, np.inf)
    return {"level": scores, "spread": np.abs(scores), "shape": scores * unit}


def mean_over_series(values: np.ndarray) -> np.ndarray:
    """Return the mean over the series at each step, (1, T); NaN where less than half of the series is known."""
    return _mean_of_known(values.T)[None]


def moderate_variances(variances: np.ndarray, degrees: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shrink the variances of many series toward a common one, as far as they are alike.

    Scores have one unit, so that the series of a panel often have nearly one variance. The common variance then adds
    its degrees of freedom to the few of each series. If the variances differ by more than their own error, it adds few.

    Args:
        variances: (S,), each a scaled chi-square variable.
        degrees: Degrees of freedom, (S,).

    Returns:
        Variances and degrees of freedom, each (S,). Source: Smyth 2004, "Linear models and empirical Bayes methods".
    """
    from scipy import special  # takes long to import, and a cached night does not need it

    usable = variances > 1e-12 * variances.max(initial=0.0)
    if usable.sum() < MIN_SERIES_TO_POOL:
        return variances, degrees
    half = degrees[usable] / 2
    logs = np.log(variances[usable]) - special.digamma(half) + np.log(half)
    excess = float(np.mean((logs - logs.mean()) ** 2) * len(logs) / (len(logs) - 1) - special.polygamma(1, half).mean())
    prior = min(2 * _inverse_trigamma(excess), MAX_PRIOR_DEGREES) if excess > 0 else MAX_PRIOR_DEGREES
    common = np.exp(logs.mean() + special.digamma(prior / 2) - np.log(prior / 2))
    shrunk = (degrees * variances + prior * common) / (degrees + prior)
    return np.where(usable, shrunk, variances), np.where(usable, degrees + prior, degrees)


def _inverse_trigamma(value: float) -> float:
    """Solve trigamma(x) = value by Newton's method, which converges from below for this start."""
    from scipy import special

    root = 0.5 + 1 / value
    for _ in range(20):
        trigamma = float(special.polygamma(1, root))
        root += trigamma * (1 - trigamma / value) / float(special.polygamma(2, root))
    return root


def compare_newest(values: np.ndarray, statistic: str, reference: int, block: int, window: int) -> np.ndarray:
    """Compute two-sided p-values for H0: the newest blocks are like those of the reference.

    Args:
        values: A signal, (S, T).
        statistic: Which of STATISTICS it is.
        reference: Number of steps at the beginning that are the reference; the others end with the newest.
        block: Length of a block, in steps.
        window: Number of newest blocks.

    Returns:
        P-values, (S,); 1 where the reference has too few windows, or nothing new is known.
    """
    from scipy import special  # takes long to import, and a cached night does not need it

    transform: Transform = _log_spread if statistic == "spread" else _identity
    before = block_means(values[:, :reference], block)
    newest = transform(_mean_of_known(block_means(values[:, reference:], block)[:, -window:]))
    windows = np.lib.stride_tricks.sliding_window_view(before, window, axis=1)
    means = transform(_mean_of_known(windows))
    known = np.isfinite(means)
    whole = known.sum(axis=1) / window  # windows that do not overlap
    centre = np.where(known, means, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    variance = np.where(known, (means - centre[:, None]) ** 2, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    variance *= (whole + 1) / np.maximum(whole - 1, 1e-9)  # of the centre, and of a variance about an estimated centre
    degrees = np.maximum(whole / 2 if window == 1 else 0.75 * whole - 1, 1.0)
    variance, degrees = moderate_variances(variance, degrees)
    change = np.abs(newest - centre)
    noise = np.sqrt(variance)
    rounding = 1e-9 * np.maximum(np.abs(centre), 1.0)
    ratio = np.where(noise > rounding, change / np.maximum(noise, 1e-300), np.where(change > rounding, np.inf, 0.0))
    p_values = 2 * special.stdtr(degrees, -ratio)
    return np.where(np.isfinite(newest) & (whole >= 4), p_values, 1.0)
