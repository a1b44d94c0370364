"""CUSUM chart of the errors of nightly forecasts, with limits from a bootstrap of earlier nights.

nights   ├──── reference ────┼─ newest ─┤
sum      max(0, sum + (error - mean) / deviation - ALLOWANCE), from 0 at the first of the newest nights

A chart whose limits assume independent normal errors of known deviation has a run length that is wrong by a factor for
real errors. Here the whole procedure is drawn again: nights like those of the reference, correlated as they are, their
mean and deviation, and the sum over the newest.
"""

from typing import NamedTuple

import numpy as np

from models.drift.detection import ColumnDrift

ALLOWANCE = 0.5  # deviations; the chart is fastest for a rise of twice as much
MAX_NIGHTS = 63  # reference and newest
DRAWS = 1999
TAIL_DRAWS = 20
BLUR = 0.5  # deviations
MAX_CORRELATION = 0.8  # of successive nights
MIN_ERROR_SIZE = 0.05  # keeps the logarithm of an error of 0 finite


class ChartParts(NamedTuple):
    """Nights that the chart adds up, and the least number of nights before them."""

    newest: int
    min_reference: int


ERROR_PARTS, LEVEL_PARTS = ChartParts(7, 28), ChartParts(3, 20)


def upper_cusum(values: np.ndarray) -> np.ndarray:
    """Return the upper CUSUM after the last value.

    Args:
        values: Standardised values, (..., T). NaN leaves the sum as it is.

    Returns:
        The sums, (...), at least 0. Source: Page 1954, "Continuous inspection schemes".
    """
    total = np.zeros(values.shape[:-1])
    for value in np.moveaxis(np.nan_to_num(values, nan=ALLOWANCE), -1, 0):
        total = np.maximum(0.0, total + value - ALLOWANCE)
    return total


def standardised(newest: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Standardise the newest values by mean and deviation of the reference, each (..., T) with its own T."""
    known = np.isfinite(reference)
    count = np.maximum(known.sum(axis=-1, keepdims=True), 1)
    mean = np.where(known, reference, 0.0).sum(axis=-1, keepdims=True) / count
    squares = np.where(known, (reference - mean) ** 2, 0.0).sum(axis=-1, keepdims=True)
    deviation = np.sqrt(squares / np.maximum(count - 1, 1))
    return (newest - mean) / np.maximum(deviation, 1e-9 * np.maximum(np.abs(mean), 1.0))


def autocorrelation(values: np.ndarray) -> float:
    """Estimate the correlation of successive values.

    Args:
        values: (N,), all known.

    Returns:
        The correlation, within 0 and MAX_CORRELATION. That of a short series is too low, so that (1 + 3 r) / N is
        added. Source: Kendall 1954, "Note on bias in the estimation of autocorrelation".
    """
    centred = values - values.mean()
    squares = float((centred**2).sum())
    if squares == 0:
        return 0.0
    raw = float((centred[1:] * centred[:-1]).sum()) / squares
    return min(max(raw + (1 + 3 * raw) / len(values), 0.0), MAX_CORRELATION)


def draw_nights(known: np.ndarray, nights: int) -> np.ndarray:
    """Draw series of nights that resemble the reference in distribution and correlation.

    Args:
        known: Values of the reference, (N,).
        nights: Length of a series.

    Returns:
        Values, (DRAWS, nights), in a unit of their own: residuals of an AR(1) model, drawn with replacement, and
        blurred, because a few of them have no tail.
    """
    draw, phi, warm_up = np.random.default_rng(0), autocorrelation(known), 20
    centred = known - known.mean()
    residuals = centred[1:] - phi * centred[:-1]
    residuals = residuals - residuals.mean()
    residuals = residuals / max(float(residuals.std()), np.finfo(float).tiny)
    shape = DRAWS, nights + warm_up
    drawn = draw.choice(residuals, size=shape) + BLUR * draw.normal(size=shape)
    for night in range(1, nights + warm_up):
        drawn[:, night] += phi * drawn[:, night - 1]
    return drawn[:, warm_up:]


def tail_p_value(sums: np.ndarray, observed: float) -> float:
    """Compute the share of draws that are at least as large, beyond the draws by their tail.

    Args:
        sums: CUSUMs of the bootstrap, (draws,).
        observed: The CUSUM of the data.

    Returns:
        The p-value. Fewer than TAIL_DRAWS draws count as an exponential tail, which is that of a CUSUM (Siegmund 1985,
        "Sequential Analysis"), fitted to the largest draws.
    """
    exceeding = int((sums >= observed).sum())
    if exceeding >= TAIL_DRAWS:
        return (1 + exceeding) / (len(sums) + 1)
    largest = np.sort(sums)[-5 * TAIL_DRAWS :]
    mean_excess = max(float((largest - largest[0]).mean()), np.finfo(float).tiny)
    return float(len(largest) / len(sums) * np.exp(-max(observed - largest[0], 0.0) / mean_excess))


def cusum_p_value(values: np.ndarray, parts: ChartParts) -> float:
    """Compute the p-value for H0: the newest nights are not higher than the reference.

    Args:
        values: A value per night, (N,), the newest last; NaN where a night has none.
        parts: Number of newest nights, and least number of nights before them.

    Returns:
        The p-value of the CUSUM among bootstrap draws; 1 if the reference has too few nights.
    """
    known = values[: -parts.newest][np.isfinite(values[: -parts.newest])]
    newest = values[-parts.newest :]
    if len(known) < parts.min_reference or not np.isfinite(newest).any():
        return 1.0
    observed = float(upper_cusum(standardised(newest, known)))
    if observed == 0:
        return 1.0
    drawn = draw_nights(known, len(known) + parts.newest)
    sums = upper_cusum(standardised(drawn[:, len(known) :], drawn[:, : len(known)]))
    return tail_p_value(sums, observed)


def compare_errors(sizes: np.ndarray, biases: np.ndarray) -> ColumnDrift:
    """Test whether errors grew, or became one-sided, in the newest nights.

    Args:
        sizes: Mean absolute scaled errors, (S, N), the newest night last; NaN without an actual.
        biases: Mean scaled errors, likewise.

    Returns:
        P-values of the mean over the series and of the series whose errors rose most; 1 for the others. Size and both
        signs of the bias share the level (Bonferroni), and so do the series.
    """
    return _compare_signals(np.stack([np.log(sizes + MIN_ERROR_SIZE), biases, -biases]), ERROR_PARTS)


def compare_levels(levels: np.ndarray) -> ColumnDrift:
    """Test whether values of the newest nights are higher or lower than those before.

    Args:
        levels: A value per series and night, (S, N), the newest night last; NaN where it is not known.

    Returns:
        P-values as those of `compare_errors`; both directions share the level.
    """
    return _compare_signals(np.stack([levels, -levels]), LEVEL_PARTS)


def _compare_signals(signals: np.ndarray, parts: ChartParts) -> ColumnDrift:
    """Compare signals (K, S, N): the mean over the series, and the series with the largest CUSUM."""
    panel = len(signals) * min(cusum_p_value(_mean_over_series(signal), parts) for signal in signals)
    series = np.ones(signals.shape[1])
    if signals.shape[2] > parts.newest and len(series):
        reference = signals[..., : -parts.newest]
        sums = upper_cusum(standardised(signals[..., -parts.newest :], reference))
        enough = np.isfinite(reference).sum(axis=2) >= parts.min_reference
        kind, worst = np.unravel_index(int(np.where(enough, sums, -1.0).argmax()), sums.shape)
        series[worst] = min(1.0, sums.size * cusum_p_value(signals[kind, worst], parts))
    return ColumnDrift(min(1.0, panel), series)


def _mean_over_series(values: np.ndarray) -> np.ndarray:
    """Return the mean over the series that are known, (N,); NaN where none is."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    return np.where(count, np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
