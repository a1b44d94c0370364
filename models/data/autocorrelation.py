"""Autocorrelation of a series, and the seasons that it shows.

A series with a trend, and a random walk, correlate with themselves at every short lag. So the moving mean over one
season is subtracted first: a random walk minus its moving mean has no correlation a season later, a season has.
"""

from collections.abc import Iterable, Sequence

import numpy as np

MIN_SEASONAL_CORRELATION = 0.2
MIN_RISE = 0.05  # of the correlation at a season above that at shorter lags
MIN_UNEXPECTED_CORRELATION = 0.5  # at a lag that no calendar explains
MIN_REPEATED_CORRELATION = 0.3  # at twice such a lag, where a random walk has none
MIN_PAIRS = 12
MIN_SPREAD = 1e-9  # of the largest value; a series that varies less is constant


def autocorrelation(y: np.ndarray, lag: int, season: int | None = None) -> float:
    """Compute the autocorrelation of a series minus its moving mean.

    Args:
        y: (T,) on a regular grid, NaN where nothing was observed.
        lag: Steps.
        season: Width of the moving mean in steps; by default the lag.

    Returns:
        The correlation, -1 to 1; NaN if fewer than MIN_PAIRS pairs are observed or the series is constant.
    """
    detrended = y - _moving_mean(y, season or lag)
    if not 0 < lag < len(detrended):
        return np.nan
    now, then = detrended[lag:], detrended[:-lag]
    known = np.isfinite(now) & np.isfinite(then)
    if known.sum() < MIN_PAIRS:
        return np.nan
    a, b = now[known] - now[known].mean(), then[known] - then[known].mean()
    size = np.sqrt((a**2).sum() * (b**2).sum())
    spread, largest = np.sqrt(size / known.sum()), float(np.nanmax(np.abs(y)))
    return float((a * b).sum() / size) if spread > MIN_SPREAD * largest else np.nan


def median_autocorrelation(series: Sequence[np.ndarray], lag: int, season: int | None = None) -> float:
    """Return the median autocorrelation of several series.

    Args:
        series: Each (T,) on a regular grid, NaN where nothing was observed.
        lag: In steps.
        season: Width of the moving mean in steps; by default the lag.

    Returns:
        The median over the series that are long enough; NaN if none is.
    """
    correlations = [value for value in (autocorrelation(y, lag, season) for y in series) if np.isfinite(value)]
    return float(np.median(correlations)) if correlations else np.nan


def seasonal_lags_of(series: Sequence[np.ndarray], lags: Iterable[int]) -> dict[int, float]:
    """Find the lags at which the series repeat themselves.

    A season that is a multiple of a shorter one counts only if its correlation exceeds that at the other multiples of
    the shorter season.

    Args:
        series: Each (T,) on a regular grid, NaN where nothing was observed.
        lags: Candidates in steps, ascending.

    Returns:
        The median autocorrelation of each lag that is a season, in the order of `lags`.
    """
    correlations: dict[int, float] = {}
    chance = 2 / np.sqrt(max([1, *(np.isfinite(y).sum() for y in series)]))  # two standard errors of white noise
    seasonal = max(MIN_SEASONAL_CORRELATION, chance)
    for lag in lags:
        correlation = median_autocorrelation(series, lag)
        shorter = max((season for season in correlations if lag % season == 0), default=None)
        if correlation >= seasonal and correlation >= _correlation_off_season(series, lag, shorter) + MIN_RISE:
            correlations[lag] = correlation
    return correlations


def unexpected_season(series: Sequence[np.ndarray], most: int) -> tuple[int, float] | None:
    """Find the clearest season among all lags, for series whose season the calendar does not explain.

    Args:
        series: Each (T,) on a regular grid, NaN where nothing was observed.
        most: Longest lag, in steps.

    Returns:
        The lag and its median autocorrelation; None if no season is clear.
    """
    correlations = {lag: median_autocorrelation(series, lag) for lag in range(2, most + 1)}
    clear = {
        lag: value
        for lag, value in correlations.items()
        if value >= MIN_UNEXPECTED_CORRELATION
        and value >= max(correlations.get(lag - 1, -1.0), correlations.get(lag + 1, -1.0))
        and value >= _correlation_off_season(series, lag, None) + MIN_RISE
        and median_autocorrelation(series, 2 * lag, lag) >= MIN_REPEATED_CORRELATION
    }
    if not clear:
        return None
    best = max(clear.values())
    return next((lag, value) for lag, value in clear.items() if value >= best - MIN_RISE)  # the shortest of multiples


def _correlation_off_season(series: Sequence[np.ndarray], lag: int, shorter: int | None) -> float:
    """Median autocorrelation about half a season apart, at multiples of a `shorter` season; -1 if it is unknown."""
    lags = range(2 * shorter, lag - shorter, shorter) if shorter else range(lag // 2, lag // 2 + 1)
    correlations = [median_autocorrelation(series, between, lag) for between in lags if between > 0]
    return float(np.median([value for value in correlations if np.isfinite(value)] or [-1.0]))


def _moving_mean(y: np.ndarray, width: int) -> np.ndarray:
    """Centred mean of the known values, (T,); fewer values at the ends; an even width has half weights at its ends."""
    known = np.isfinite(y)
    total = _moving_sum(np.where(known, y, 0.0), width)
    count = _moving_sum(known.astype(float), width)
    return np.where(count > 0, total / np.maximum(count, 1e-9), 0.0)


def _moving_sum(values: np.ndarray, width: int) -> np.ndarray:
    sums = np.concatenate([[0.0], np.cumsum(values)])
    step, half = np.arange(len(values)), width // 2

    def between(first: np.ndarray, last: np.ndarray) -> np.ndarray:
        return np.asarray(sums[np.clip(last, 0, len(values))] - sums[np.clip(first, 0, len(values))])

    if width % 2:
        return between(step - half, step + half + 1)
    return (between(step - half, step + half) + between(step - half + 1, step + half + 1)) / 2
