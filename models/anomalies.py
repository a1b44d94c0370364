"""Anomalies of actuals against their forecasts, with a false-alarm rate that is set and not tuned.

error of an actual ──> scaled by the interval of its forecast ──> largest of the night ──> p-value among the largest
errors of earlier nights ──> Benjamini-Hochberg over the series

What is guaranteed: if the error of a new actual and the errors of the sample are exchangeable, its p-value is at most
`t` with a probability of at most `t`, whatever the model and the distribution (Vovk, Gammerman and Shafer 2005). If
the new errors of all series and the sample are, the share of nights with any false alarm is at most the rate, although
all series share one sample (Bates, Candès, Lei, Romano and Sesia 2023: Benjamini and Hochberg 1995 hold for such
p-values). It is the rate itself if `exact_size` cuts the sample (Mary and Roquain 2022). Errors that change their
distribution, such as those of a model that has become worse, are not exchangeable: this is what an alarm means.

Series that share shocks of a night make the sample less than its size: with 30 % of the variance in common, a rate of
0.05 became 0.067. From 1 / rate - 1 earlier nights on, the level of Benjamini-Hochberg is therefore the one at which
the share of earlier nights with an alarm is the rate (`calibrate_level`): it holds for exchangeable nights.
"""

from collections.abc import Iterator

import numpy as np

MIN_STEP_ERRORS = 99  # the smallest p-value of a step is then 0.01; with fewer errors the steps are pooled
SHRINKAGE = 100  # a step with so few errors gets half of its typical size from the other steps
MIN_WIDTH = 0.1  # of the scale of a series: the least half width of an interval
BLOCK_UNITS = 100_000  # of a sample that are computed with at once, which bounds the memory
MAX_EXCESS = 1.5  # an anomaly of an earlier night counts at most as so many times the largest other error


def scaled_errors(
    y: np.ndarray, median: np.ndarray, lower: np.ndarray, upper: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """Divide errors by the half width of the interval on their side, which makes series and steps comparable.

    Args:
        y: Actuals, (n,); NaN gives NaN.
        median: Median forecasts, (n,), in the units of y.
        lower: Lowest quantile, (n,); NaN or the median itself if no quantile is below it.
        upper: Highest quantile, (n,), likewise.
        scale: A typical change of the series, (n,) or a number, in the units of y; NaN or 0 if it never changed. A half
            width is at least a tenth of it, so that an interval without width does not make every error an anomaly.

    Returns:
        Signed distances from the median, (n,): 1 at the upper and -1 at the lower end of the interval.
    """
    y, median = np.asarray(y, float), np.asarray(median, float)
    below, above = median - lower, np.asarray(upper - median)
    below, above = np.where(below > 0, below, np.nan), np.where(above > 0, above, np.nan)
    width = np.where(y < median, np.where(np.isnan(below), above, below), np.where(np.isnan(above), below, above))
    size = np.where(np.asarray(scale) > 0, scale, 1e-9 * np.maximum(np.abs(median), 1.0))
    floor = np.where(np.isnan(width), size, MIN_WIDTH * size)  # without an interval the scale is the width
    return np.asarray((y - median) / np.fmax(width, floor))


def conformal_p_values(scaled: np.ndarray | float, sample: np.ndarray) -> np.ndarray:
    """Return two-sided conformal p-values: the share of the sample, with the value itself, that is as far from 0.

    Ties count whole, which is deterministic and on the safe side. No p-value is below 1 / (n + 1).

    Args:
        scaled: Scaled errors of new actuals, of any shape; NaN gives NaN.
        sample: Scaled errors of earlier actuals, (n,); NaN values do not count.

    Returns:
        P-values of the shape of `scaled`, which fall with the distance from 0.
    """
    sizes = np.sort(np.abs(sample[np.isfinite(sample)]))
    distance = np.abs(np.asarray(scaled, float))
    at_least = len(sizes) - np.searchsorted(sizes, distance, "left")
    return np.where(np.isnan(distance), np.nan, (1.0 + at_least) / (1.0 + len(sizes)))


def typical_sizes(*samples: np.ndarray) -> np.ndarray:
    """Return the typical size of the scaled errors at each step of the horizon.

    Args:
        samples: Scaled errors of earlier forecasts, at least one array (n, H); NaN where nothing was observed.

    Returns:
        Mean absolute errors (H,), above 0. A step with few errors is drawn to the mean of all steps.
    """
    sums, counts = np.zeros(samples[0].shape[1]), np.zeros(samples[0].shape[1])
    for errors in samples:
        for block in _blocks(errors):
            known = np.isfinite(block)
            sums += np.abs(block, where=known, out=np.zeros(block.shape)).sum(0)
            counts += known.sum(0)
    overall = sums.sum() / max(counts.sum(), 1)
    sizes = (sums + SHRINKAGE * overall) / (counts + SHRINKAGE)
    return np.where(sizes > 0, sizes, 1.0)


def step_p_values(scaled: np.ndarray, steps: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return the p-value of each actual among the errors of its own step, or of all steps if its own has too few.

    Args:
        scaled: Scaled errors of new actuals, (n,).
        steps: The step of each, (n,), from 1.
        errors: Scaled errors of earlier forecasts, (units, H); NaN where nothing was observed.

    Returns:
        P-values, (n,). Pooled errors are divided by the typical size of their step, and so is the new one. All are
        compared in single precision, in which samples are kept, so that equal errors are equal.
    """
    scaled, errors = np.asarray(scaled, np.float32), np.asarray(errors, np.float32)
    sizes, result, pooled = typical_sizes(errors), np.full(len(scaled), np.nan), np.empty(0)
    for step in np.unique(steps):
        rows, own = steps == step, errors[:, step - 1]
        if np.isfinite(own).sum() >= MIN_STEP_ERRORS:
            result[rows] = conformal_p_values(scaled[rows], own)
        else:
            pooled = pooled if len(pooled) else (errors / sizes).reshape(-1)
            result[rows] = conformal_p_values(scaled[rows] / sizes[step - 1], pooled)
    return result


def largest_relative_errors(errors: np.ndarray, sizes: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return `largest_errors` of scaled errors (units, H) in typical sizes (H,), without a copy of all of them."""
    largest = [largest_errors(np.abs(block) / sizes, steps) for block in _blocks(errors)]
    return np.concatenate(largest) if largest else np.empty(0)


def largest_errors(errors: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return the largest error of each earlier forecast over the steps that a night has observed.

    The largest error of a night is compared with these, and not each of its errors with a stricter level: the errors
    of one night are correlated, by how much does not have to be known then.

    Args:
        errors: Absolute errors in typical sizes, (units, H); NaN where nothing was observed.
        steps: The steps that the night has observed, from 1.

    Returns:
        Maxima, (units,), over these steps; of a unit that lacks some, over as many other steps; NaN if it has fewer.
    """
    chosen = errors[:, np.asarray(steps) - 1]
    largest, gaps = np.max(chosen, axis=1, initial=0.0), ~np.isfinite(chosen).all(axis=1)
    if gaps.any():
        others = errors[gaps]
        ordered = np.take_along_axis(others, np.argsort(np.isnan(others), axis=1, kind="stable"), axis=1)
        largest[gaps] = ordered[:, : len(steps)].max(axis=1, initial=0.0)  # NaN if fewer were observed
    return largest


def _blocks(errors: np.ndarray) -> Iterator[np.ndarray]:
    return (errors[begin : begin + BLOCK_UNITS] for begin in range(0, len(errors), BLOCK_UNITS))


def limit_anomalies(errors: np.ndarray, anomalous: np.ndarray) -> np.ndarray:
    """Limit the errors that were anomalies of an earlier night, so that they neither vanish nor hide the next anomaly.

    Without them, a false alarm would cut off the tail of the sample, and the alarms would become more and more. With
    their full size, no smaller anomaly is seen as long as they are in the sample.

    Args:
        errors: Scaled errors of n forecasts, (n, …); NaN where nothing was observed.
        anomalous: Which of them were anomalies, of the same shape.

    Returns:
        The errors of the k anomalies, (k,), at most `MAX_EXCESS` times as large as the largest other error; as they are
        without another error.
    """
    limited = errors[anomalous]
    if not len(limited):
        return np.asarray(limited)
    largest = [
        np.max(np.abs(block), where=~marks & np.isfinite(block), initial=-1.0)
        for block, marks in zip(_blocks(errors), _blocks(anomalous), strict=True)
    ]
    limit = MAX_EXCESS * max(largest)
    return np.asarray(np.clip(limited, -limit, limit) if limit >= 0 else limited)
