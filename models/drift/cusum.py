"""CUSUM chart of the errors of nightly forecasts, with limits from a bootstrap of earlier nights.

nights   ├──── reference ────┼─ newest ─┤
sum      max(0, sum + (error - mean) / deviation - ALLOWANCE), from 0 at the first of the newest nights

A chart whose limits assume independent normal errors of known deviation has a run length that is wrong by a factor for
real errors. Here the whole procedure is drawn again: nights like those of the reference, correlated as they are, their
mean and deviation, and the sum over the newest.
"""

import numpy as np

from models.drift.detection import ColumnDrift

ALLOWANCE = 0.5  # deviations; the chart is fastest for a rise of twice as much
NEWEST_NIGHTS = 7
MIN_REFERENCE_NIGHTS = 28
MAX_NIGHTS = 63  # reference and newest
DRAWS = 1999
BLUR = 0.5  # deviations
MAX_CORRELATION = 0.8  # of successive nights
MIN_ERROR_SIZE = 0.05  # keeps the logarithm of an error of 0 finite


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


def cusum_p_value(values: np.ndarray) -> float:
    """Compute the p-value for H0: the newest nights are not higher than the reference.

    Args:
        values: A value per night, (N,), the newest last; NaN where a night has none.

    Returns:
        The share of bootstrap draws whose CUSUM is at least as large, at least 1 / (DRAWS + 1); 1 if the reference has
        fewer than MIN_REFERENCE_NIGHTS.
    """
    known = values[:-NEWEST_NIGHTS][np.isfinite(values[:-NEWEST_NIGHTS])]
    newest = values[-NEWEST_NIGHTS:]
    if len(known) < MIN_REFERENCE_NIGHTS or not np.isfinite(newest).any():
        return 1.0
    observed = float(upper_cusum(standardised(newest, known)))
    if observed == 0:
        return 1.0
    drawn = draw_nights(known, len(known) + NEWEST_NIGHTS)
    sums = upper_cusum(standardised(drawn[:, len(known) :], drawn[:, : len(known)]))
    return float((1 + np.sum(sums >= observed)) / (DRAWS + 1))


def compare_errors(sizes: np.ndarray, biases: np.ndarray) -> ColumnDrift:
    """Test whether errors grew, or became one-sided, in the newest nights.

    Args:
        sizes: Mean absolute scaled errors, (S, N), the newest night last; NaN without an actual.
        biases: Mean scaled errors, likewise.

    Returns:
        P-values of the mean over the series and of the series whose errors rose most; 1 for the others. Size and both
        signs of the bias share the level (Bonferroni), and so do the series.
    """
    logs = np.log(sizes + MIN_ERROR_SIZE)
    signals = np.stack([logs, biases, -biases])
    panel = len(signals) * min(cusum_p_value(_mean_over_series(signal)) for signal in signals)
    sums = upper_cusum(standardised(signals[..., -NEWEST_NIGHTS:], signals[..., :-NEWEST_NIGHTS]))
    enough = np.isfinite(logs[:, :-NEWEST_NIGHTS]).sum(axis=1) >= MIN_REFERENCE_NIGHTS
    kind, worst = np.unravel_index(int(np.where(enough, sums, -1.0).argmax()), sums.shape)
    series = np.ones(len(sizes))
    series[worst] = min(1.0, sums.size * cusum_p_value(signals[kind, worst]))
    return ColumnDrift(min(1.0, panel), series)


def _mean_over_series(values: np.ndarray) -> np.ndarray:
    """Return the mean over the series that are known, (N,); NaN where none is."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    return np.where(count, np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
