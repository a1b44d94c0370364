"""Ridge regression from the lookback to the horizon, over all series at once, solved in closed form.

Each window is shifted by its last observation and divided by its standard deviation. A map is fitted for the whole
lookback, its last half and its last quarter, each with the penalty that is best on the validation part, and their mean
is one map again. Maps of several lookbacks err differently, so that their mean is better than the best of them. Few
networks beat it (Zeng et al. 2023, arXiv 2205.13504).
"""

import numpy as np

from models.data.panel import InputSpec, Panel, last_observed
from models.data.scaling import error_weights, series_std
from models.data.windows import WindowIndex, WindowRanges

PENALTIES = (1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 0.3, 1.0, 10.0)  # times the number of windows
LOOKBACK_DIVISORS = (1, 2, 4)  # the whole lookback, its last half, its last quarter
MAX_EXCESS = 1.03  # of the validation loss of a map over that of the best: worse ones are not averaged
BATCH_SIZE = 4096  # windows
MAX_TRAINING_WINDOWS = 60_000
MAX_VALIDATION_WINDOWS = 8192


def fit_linear(panel: Panel, index: WindowIndex, view: InputSpec) -> dict[str, np.ndarray]:
    """Fit ridge regressions on the training windows; choose their penalties on the validation windows, and average.

    Args:
        panel: The series; y is NaN where nothing was observed.
        index: Training and validation windows.
        view: Lookback and horizon, in steps.

    Returns:
        {"weights": (lookback + 1, horizon)} for normalised windows; the last row is the intercept.
    """
    train = index.parts["train"].take_evenly(MAX_TRAINING_WINDOWS)
    std = series_std(panel, WindowRanges.from_cutoffs(*train))
    gram, cross, count = _moments(panel, *train, view, std)
    if count == 0:  # every target has a gap, for example if nights are never observed
        gram, cross, count = _moments(panel, *train, view, std, gaps=True)
    validation = index.parts["validation"].take_evenly(MAX_VALIDATION_WINDOWS)
    inputs, targets, _, scale = _normalised_windows(panel, *validation, view)
    window_weights = error_weights(scale, validation[0], std)

    def loss(weights: np.ndarray) -> np.ndarray:
        error = window_weights * (targets - inputs @ weights)
        return np.array([np.nanmean(np.abs(error)), np.nanmean(np.square(error))])

    last_value = np.zeros_like(cross)  # no other forecast of a random walk is better
    # absolute and squared losses count alike: neither the median nor the mean of the errors decides alone
    unit = np.maximum(loss(last_value), np.finfo(float).tiny)
    maps, losses = [last_value], [2.0]
    for steps in sorted({max(1, view.lookback // divisor) for divisor in LOOKBACK_DIVISORS}):
        penalised = _solve(gram, cross, steps, [penalty * count for penalty in PENALTIES])
        found = [float((loss(weights) / unit).sum()) for weights in penalised]
        if not np.isfinite(found).any():
            continue
        best = int(np.nanargmin(found))
        maps.append(penalised[best])
        losses.append(found[best])
    if not np.nanmin(losses) < losses[0]:
        return {"weights": last_value}
    good = [
        weights for weights, size in zip(maps[1:], losses[1:], strict=True) if size <= MAX_EXCESS * np.nanmin(losses)
    ]
    return {"weights": np.mean(good, axis=0)}


def _solve(gram: np.ndarray, cross: np.ndarray, steps: int, penalties: list[float]) -> list[np.ndarray]:
    """Return the weights (L + 1, H) of the ridge regression on the last `steps` of the lookback for each penalty.

    The intercept has no penalty, so it is projected out; the eigenvectors of the rest serve all penalties.
    """
    kept, count = slice(len(gram) - 1 - steps, len(gram) - 1), gram[-1, -1]
    sums, totals = gram[kept, -1], cross[-1]
    values, vectors = np.linalg.eigh(gram[kept, kept] - np.outer(sums, sums) / count)
    projected = vectors.T @ (cross[kept] - np.outer(sums, totals) / count)
    solutions = []
    for penalty in penalties:
        weights = np.zeros_like(cross)
        weights[kept] = vectors @ (projected / (np.maximum(values, 0.0) + penalty)[:, None])
        weights[-1] = (totals - sums @ weights[kept]) / count
        solutions.append(weights)
    return solutions


def linear_points(
    weights: np.ndarray, view: InputSpec, panel: Panel, series: np.ndarray, position: np.ndarray
) -> np.ndarray:
    """Forecast with the weights of `fit_linear`.

    Args:
        weights: (lookback + 1, horizon).
        view: Lookback and horizon, in steps.
        panel: The series to forecast.
        series: Series code of each window, (n,).
        position: Step of each cutoff within its series, (n,).

    Returns:
        Point forecasts (n, horizon), in the units of the source.
    """
    points = np.zeros((len(series), view.horizon))
    for start in range(0, len(series), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        inputs, _, last, scale = _normalised_windows(panel, series[part], position[part], view)
        points[part] = last + scale * (inputs @ weights)
    return points


def _moments(
    panel: Panel, series: np.ndarray, position: np.ndarray, view: InputSpec, std: np.ndarray, gaps: bool = False
) -> tuple[np.ndarray, np.ndarray, int]:
    """Gram matrix, cross products and count of windows without a missing target; with `gaps`, it is the last value."""
    gram, cross, count = np.zeros((view.lookback + 1,) * 2), np.zeros((view.lookback + 1, view.horizon)), 0
    for start in range(0, len(series), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        inputs, targets, _, scale = _normalised_windows(panel, series[part], position[part], view)
        window_weights = error_weights(scale, series[part], std)
        inputs, targets = window_weights * inputs, window_weights * (np.nan_to_num(targets) if gaps else targets)
        complete = np.isfinite(targets).all(axis=1)
        gram += inputs[complete].T @ inputs[complete]
        cross += inputs[complete].T @ targets[complete]
        count += int(complete.sum())
    return gram, cross, count


def _normalised_windows(
    panel: Panel, series: np.ndarray, position: np.ndarray, view: InputSpec
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Inputs (n, L + 1), targets (n, H), last value (n, 1) and scale (n, 1); a missing input is the last value."""
    past = panel.take(panel.y, series, position, np.arange(1 - view.lookback, 1))
    last = last_observed(past)[:, None]
    shifted = np.where(np.isfinite(past), past - last, 0.0)
    scale = np.sqrt((shifted**2).mean(axis=1, keepdims=True))
    varies = scale > np.maximum(1e-9 * np.abs(last), np.finfo(float).tiny)  # relative: a series may be as small as 1e-9
    scale = np.where(varies, scale, 1.0 + np.abs(last))
    ahead = panel.take(panel.y, series, position, np.arange(1, view.horizon + 1))
    inputs = np.concatenate([shifted / scale, np.ones((len(past), 1))], axis=1)
    return inputs, (ahead - last) / scale, last, scale
