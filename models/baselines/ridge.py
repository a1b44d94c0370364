"""Linear map from the lookback to the horizon, over all series at once: ridge regressions, averaged over lookbacks.

Each window is shifted by its last observation. Lookbacks up to four times the pipeline's are read where the history
carries them. Few networks beat it (Zeng et al. 2023, arXiv 2205.13504).
"""

import hashlib

import numpy as np
from threadpoolctl import threadpool_limits

from models.baselines.ridge_search import GroupedMoments, average_ridge, search_ridge, total
from models.baselines.ridge_windows import MomentsGatherer, linear_points
from models.data.calendar import seasons
from models.data.panel import InputSpec, Panel
from models.data.scaling import series_std
from models.data.seasonal_adjustment import adjustable_seasons, is_positive
from models.data.windows import WindowIndex, WindowRanges

LOOKBACK_FACTORS = (4, 2, 1)  # times the lookback of the pipeline; the longest that the history carries
LOOKBACK_DIVISORS = (1, 2, 4)  # candidates: the longest lookback, its last half, its last quarter
MIN_CARRYING = 0.5  # share of the training windows whose history carries a longer lookback
MIN_ADJUSTMENT_GAIN = 0.02  # of the validation loss, below which windows are not seasonally adjusted
MAX_LOOKBACK = 2048  # steps, unless the lookback of the pipeline is longer
FOLDS = 3  # of the training windows; 1 if the lookback is longer than MAX_LOOKBACK, because each fold takes memory
MIN_TRAINING_WINDOWS, MAX_TRAINING_WINDOWS = 20_000, 60_000  # that are used if there are as many
MAX_TRAINING_VALUES = 30_000_000  # steps of all their lookbacks, if more windows than the minimum are used
MAX_VALIDATION_WINDOWS = 8192

_newest_fit: dict[str, dict[str, np.ndarray]] = {}  # by digest


def fit_linear(
    panel: Panel, index: WindowIndex, view: InputSpec, factors: tuple[int, ...] = LOOKBACK_FACTORS
) -> dict[str, np.ndarray]:
    """Fit the linear map on the training windows; choose lookbacks, priors and penalties by cross-validation.

    Args:
        panel: The series; y is NaN where nothing was observed.
        index: Training and validation windows.
        view: Lookback, horizon and frequency.
        factors: Times the lookback, descending: the longest lookback is the first of these that the history carries.

    Returns:
        {"weights": (longest lookback + 1, horizon)} for normalised windows; the last row is the intercept, 0. If the
        longest lookback is longer than that of `view`, also "weights.short" (lookback + 1, horizon), for windows whose
        history does not carry the longest. If the frequency has a season: "adjusted_loss" (1,), the loss of a map of
        seasonally adjusted windows on the validation part relative to one without, NaN if a training value is not
        above 0. If adjustment pays: "seasons" (s,), in steps, and "weights.unadjusted" (lookback + 1, horizon), the map
        of windows that are not adjusted.
    """
    digest = _digest_of(panel, index, view, factors)
    if digest not in _newest_fit:  # several networks of a night, and the baseline, start from one map
        with threadpool_limits(1):  # the same bytes whatever else the cores do
            maps = _fit_adjusted(panel, index, view, factors)
        _newest_fit.clear()
        _newest_fit[digest] = maps
    return {name: weights.copy() for name, weights in _newest_fit[digest].items()}


def _digest_of(panel: Panel, index: WindowIndex, view: InputSpec, factors: tuple[int, ...]) -> str:
    """Compute a digest of what a fit depends on."""
    digest = hashlib.sha256(repr((view, panel.view, factors)).encode())
    windows = (index.parts[part] for part in ("train", "validation"))
    ranges = [values for part in windows for values in (part.series, part.first, part.last, part.stride)]
    for values in (panel.y, panel.starts, panel.lengths, panel.first, panel.grid.asi8, *ranges):
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _fit_adjusted(panel: Panel, index: WindowIndex, view: InputSpec, factors: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Fit the map of windows as they are, and of seasonally adjusted ones; the validation part chooses."""
    maps, periods = _fit(panel, index, view, factors, ()), adjustable_seasons(seasons(view.freq))
    if not periods:
        return maps
    if not is_positive(panel, index.parts["train"]):
        return maps | {"adjusted_loss": np.array([np.nan])}
    adjusted = _fit(panel, index, view, factors, periods) | {"seasons": np.array(periods)}
    loss = _relative_loss(adjusted, maps, panel, index, view)
    if loss > 1 - MIN_ADJUSTMENT_GAIN:
        return maps | {"adjusted_loss": np.array([loss])}
    of_lookback = maps.get("weights.short", maps["weights"])
    return adjusted | {"weights.unadjusted": of_lookback, "adjusted_loss": np.array([loss])}


def _fit(
    panel: Panel, index: WindowIndex, view: InputSpec, factors: tuple[int, ...], adjusted: tuple[int, ...]
) -> dict[str, np.ndarray]:
    train = index.parts["train"].take_evenly(MAX_TRAINING_WINDOWS)
    longest = _longest_lookback(train[1], view.lookback, factors)
    affordable = max(MIN_TRAINING_WINDOWS, MAX_TRAINING_VALUES // longest)
    train = index.parts["train"].take_evenly(min(MAX_TRAINING_WINDOWS, affordable))
    std = series_std(panel, WindowRanges.from_cutoffs(*train))
    gatherer = MomentsGatherer(panel, view, longest, std, adjusted)
    parts = [(train[0][fold], train[1][fold]) for fold in _time_folds(panel, train, view.lookback, longest)]
    folds = [gatherer.gather(*part) for part in parts]
    if not any(group.count for fold in folds for group in fold):  # every target has a gap, if nights are never observed
        gatherer = gatherer._replace(gaps=True)
        folds = [gatherer.gather(*part) for part in parts]
    validation = gatherer.gather(*index.parts["validation"].take_evenly(MAX_VALIDATION_WINDOWS))
    lookbacks = dict.fromkeys(max(1, longest // divisor) for divisor in LOOKBACK_DIVISORS)
    candidates = search_ridge(folds, validation, list(lookbacks), seasons(view.freq))
    lengths = {"weights": longest} | ({"weights.short": view.lookback} if longest > view.lookback else {})

    def average(train: GroupedMoments) -> dict[str, np.ndarray]:
        maps = {name: average_ridge(train, candidates, length, view.horizon) for name, length in lengths.items()}
        return {name: np.concatenate([weights, np.zeros((1, view.horizon))]) for name, weights in maps.items()}

    squared = average(total(folds))
    typical = max(float(total(folds).complete.losses(squared["weights"][:-1])) ** 0.5, np.finfo(float).tiny)
    robust = average(gatherer._replace(reference=squared, typical=typical).gather(*train))
    return robust if _relative_loss(robust, squared, panel, index, view) < 1 else squared


def _relative_loss(
    maps: dict[str, np.ndarray], others: dict[str, np.ndarray], panel: Panel, index: WindowIndex, view: InputSpec
) -> float:
    """Loss of maps on the validation part relative to that of others; absolute and squared errors count alike."""
    windows = index.parts["validation"].take_evenly(MAX_VALIDATION_WINDOWS)
    std = series_std(panel, WindowRanges.from_cutoffs(*windows))
    losses = [_losses(linear_points(chosen, view, panel, *windows), panel, windows, std) for chosen in (maps, others)]
    return float(np.mean([new / max(old, np.finfo(float).tiny) for new, old in zip(*losses, strict=True)]))


def _losses(
    points: np.ndarray, panel: Panel, windows: tuple[np.ndarray, np.ndarray], std: np.ndarray
) -> tuple[float, float]:
    """Mean absolute and mean squared error over windows, in units of the deviation of each series."""
    errors = (panel.take(panel.y, *windows, np.arange(1, points.shape[1] + 1)) - points) / std[windows[0], None]
    known = errors[np.isfinite(errors)]
    return (float(np.abs(known).mean()), float(np.square(known).mean())) if len(known) else (1.0, 1.0)


def carries_lookback(position: np.ndarray, steps: int) -> bool:
    """Return whether enough windows have the history of a lookback.

    Args:
        position: Step of each cutoff within its series, (n,).
        steps: The lookback.

    Returns:
        True if at least half of them have `steps` up to the cutoff.
    """
    return bool(len(position)) and float((position + 1 >= steps).mean()) >= MIN_CARRYING


def _longest_lookback(position: np.ndarray, lookback: int, factors: tuple[int, ...]) -> int:
    """Longest lookback, in steps, that enough of the windows with cutoffs at these positions (n,) carry."""
    for factor in factors:
        longest = factor * lookback
        if longest <= MAX_LOOKBACK and carries_lookback(position, longest):
            return longest
    return lookback


def _time_folds(panel: Panel, windows: tuple[np.ndarray, np.ndarray], lookback: int, longest: int) -> list[np.ndarray]:
    """Contiguous parts of time with as many windows each that carry the longest lookback, as masks (n,)."""
    series, position = windows
    time, carries = panel.first[series] + position, position + 1 >= longest
    count = FOLDS if lookback <= MAX_LOOKBACK and len(time) else 1
    borders = np.quantile(time[carries] if carries.any() else time, np.arange(1, count) / count) if count > 1 else []
    number = np.searchsorted(borders, time, side="right")
    return [number == fold for fold in range(count)]
