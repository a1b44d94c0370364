"""How much a series repeats itself after a number of steps, and which of these repetitions is a season.

A trend or a random walk is like itself at every short lag. So the mean over one such season around each step is taken
away first: what is left of a walk is not like itself a season later, what is left of a season is.
"""

from collections.abc import Iterable, Sequence

import numpy as np

PATTERN, RISE = 0.2, 0.05  # least autocorrelation of a season, and how far it stands out from the shorter lags
SURPRISE, AGAIN = 0.5, 0.3  # of one that no calendar knows, and twice as far, where a walk is unlike itself
FEWEST = 12  # pairs of values that a correlation is taken over


def autocorrelation(y: np.ndarray, lag: int, season: int | None = None) -> float:
    """Correlation of values with those `lag` steps before, the mean of a `season` around them (the lag) taken away.

    `y` is (T,) on a regular grid, NaN where nothing was observed; NaN where too few are known.
    """
    level = y - _around(y, season or lag)
    if not 0 < lag < len(level):
        return np.nan
    now, then = level[lag:], level[:-lag]
    known = np.isfinite(now) & np.isfinite(then)
    if known.sum() < FEWEST:
        return np.nan
    a, b = now[known] - now[known].mean(), then[known] - then[known].mean()
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / size) if size > 1e-9 * max(1.0, float(np.nanmax(np.abs(y))) ** 2) else np.nan


def median_autocorrelation(series: Sequence[np.ndarray], lag: int, season: int | None = None) -> float:
    """The median over several series; NaN where none is long enough."""
    told = [one for one in (autocorrelation(y, lag, season) for y in series) if np.isfinite(one)]
    return float(np.median(told)) if told else np.nan


def seasonal_lags_of(series: Sequence[np.ndarray], lags: Iterable[int]) -> dict[int, float]:
    """Those of `lags`, the shortest first, at which the series repeat themselves, with their autocorrelation.

    A longer season counts if it says more than the shorter one does at other times of it.
    """
    found: dict[int, float] = {}
    seasonal = max(PATTERN, 2 / np.sqrt(max([1, *(np.isfinite(y).sum() for y in series)])))  # by chance, in few values
    for lag in lags:
        told = median_autocorrelation(series, lag)
        shorter = max((one for one in found if lag % one == 0), default=None)
        if told >= seasonal and told >= _half_way(series, lag, shorter) + RISE:
            found[lag] = told
    return found


def unexpected_season(series: Sequence[np.ndarray], most: int) -> tuple[int, float] | None:
    """(lag, autocorrelation) of the clearest repetition up to `most` steps, where one is clear."""
    told = {lag: median_autocorrelation(series, lag) for lag in range(2, most + 1)}
    clear = {
        lag: value
        for lag, value in told.items()
        if value >= SURPRISE and value >= max(told.get(lag - 1, -1.0), told.get(lag + 1, -1.0))
        and value >= _half_way(series, lag, None) + RISE and median_autocorrelation(series, 2 * lag, lag) >= AGAIN
    }  # fmt: skip
    if not clear:
        return None
    best = max(clear.values())
    return next((lag, value) for lag, value in clear.items() if value >= best - RISE)  # of its multiples the shortest


def _half_way(series: Sequence[np.ndarray], lag: int, shorter: int | None) -> float:
    """Autocorrelation about half a season apart, at the same place of a `shorter` season; -1 where there is no such."""
    lags = range(2 * shorter, lag - shorter, shorter) if shorter else range(lag // 2, lag // 2 + 1)
    told = [median_autocorrelation(series, one, lag) for one in lags if one > 0]
    return float(np.median([one for one in told if np.isfinite(one)] or [-1.0]))


def _around(y: np.ndarray, width: int) -> np.ndarray:
    """(T,) mean of the known values of `width` steps around each; fewer at the ends; an even width has half ends."""
    known = np.isfinite(y)
    total = _summed(np.where(known, y, 0.0), width)
    count = _summed(known.astype(float), width)
    return np.where(count > 0, total / np.maximum(count, 1e-9), 0.0)


def _summed(values: np.ndarray, width: int) -> np.ndarray:
    added = np.concatenate([[0.0], np.cumsum(values)])
    place, half = np.arange(len(values)), width // 2

    def between(first: np.ndarray, last: np.ndarray) -> np.ndarray:
        return np.asarray(added[np.clip(last, 0, len(values))] - added[np.clip(first, 0, len(values))])

    if width % 2:
        return between(place - half, place + half + 1)
    return (between(place - half, place + half) + between(place - half + 1, place + half + 1)) / 2
