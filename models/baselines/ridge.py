"""Linear map from the lookback to the horizon, over all series at once: ridge regressions, averaged over lookbacks.

Each window is shifted by its last observation. Lookbacks up to four times the pipeline's are read where the history
carries them. Few networks beat it (Zeng et al. 2023, arXiv 2205.13504).
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from models.baselines.moments import Moments
from models.baselines.ridge_search import GroupedMoments, average_ridge, search_ridge, total
from models.data.calendar import seasons
from models.data.panel import InputSpec, Panel, last_observed
from models.data.scaling import error_weights, series_std
from models.data.windows import WindowIndex, WindowRanges

LOOKBACK_FACTORS = (4, 2, 1)  # times the lookback of the pipeline; the longest that the history carries
LOOKBACK_DIVISORS = (1, 2, 4)  # candidates: the longest lookback, its last half, its last quarter
MAX_LOOKBACK = 2048  # steps, unless the lookback of the pipeline is longer
MIN_CARRYING = (
    0.5  # share of the training windows whose history carries a longer lookback, and of its steps with values
)
FOLDS = 3  # of the training windows; 1 if the lookback is longer than MAX_LOOKBACK, because each fold takes memory
SIZE_LIMITS = 0.1, 10.0  # of the errors of a window relative to the typical ones, that its weight follows
MAX_BATCH_SIZE, MAX_BATCH_VALUES = 4096, 3_000_000  # windows, and steps of all their lookbacks
MIN_TRAINING_WINDOWS, MAX_TRAINING_WINDOWS = 20_000, 60_000  # that are used if there are as many
MAX_TRAINING_VALUES = 30_000_000  # steps of all their lookbacks, if more windows than the minimum are used
MAX_VALIDATION_WINDOWS = 8192

_newest_fit: dict[str, dict[str, np.ndarray]] = {}  # by digest


def fit_linear(panel: Panel, index: WindowIndex, view: InputSpec) -> dict[str, np.ndarray]:
    """Fit the linear map on the training windows; choose lookbacks, priors and penalties by cross-validation.

    Args:
        panel: The series; y is NaN where nothing was observed.
        index: Training and validation windows.
        view: Lookback, horizon and frequency.

    Returns:
        {"weights": (longest lookback + 1, horizon)} for normalised windows; the last row is the intercept, 0. If the
        longest lookback is longer than that of `view`, also "weights.short" (lookback + 1, horizon), for windows whose
        history does not carry the longest.
    """
    digest = _digest_of(panel, index, view)
    if digest not in _newest_fit:  # several networks of a night, and the baseline, start from one map
        with threadpool_limits(1):  # the same bytes whatever else the cores do
            maps = _fit(panel, index, view)
        _newest_fit.clear()
        _newest_fit[digest] = maps
    return {name: weights.copy() for name, weights in _newest_fit[digest].items()}


def _digest_of(panel: Panel, index: WindowIndex, view: InputSpec) -> str:
    """Compute a digest of what a fit depends on."""
    digest = hashlib.sha256(repr((view, panel.view)).encode())
    windows = (index.parts[part] for part in ("train", "validation"))
    ranges = [values for part in windows for values in (part.series, part.first, part.last, part.stride)]
    for values in (panel.y, panel.starts, panel.lengths, panel.first, panel.grid.asi8, *ranges):
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _fit(panel: Panel, index: WindowIndex, view: InputSpec) -> dict[str, np.ndarray]:
    train = index.parts["train"].take_evenly(MAX_TRAINING_WINDOWS)
    longest = _longest_lookback(train[1], view.lookback)
    affordable = max(MIN_TRAINING_WINDOWS, MAX_TRAINING_VALUES // longest)
    train = index.parts["train"].take_evenly(min(MAX_TRAINING_WINDOWS, affordable))
    std = series_std(panel, WindowRanges.from_cutoffs(*train))
    gatherer = MomentsGatherer(panel, view, longest, std)
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
    windows = index.parts["validation"].take_evenly(MAX_VALIDATION_WINDOWS)
    losses = np.array([_losses(maps, view, panel, windows, std) for maps in (squared, robust)])
    # absolute and squared losses count alike: neither the median nor the mean of the errors decides alone
    ratio = losses[1] / np.maximum(losses[0], np.finfo(float).tiny)
    return robust if ratio.sum() < len(ratio) else squared


def _losses(
    maps: dict[str, np.ndarray],
    view: InputSpec,
    panel: Panel,
    windows: tuple[np.ndarray, np.ndarray],
    std: np.ndarray,
) -> tuple[float, float]:
    """Mean absolute and mean squared error over windows, in units of the deviation of each series."""
    points = linear_points(maps["weights"], view, panel, *windows, maps.get("weights.short"))
    errors = (panel.take(panel.y, *windows, np.arange(1, view.horizon + 1)) - points) / std[windows[0], None]
    known = errors[np.isfinite(errors)]
    return (float(np.abs(known).mean()), float(np.square(known).mean())) if len(known) else (1.0, 1.0)


def _longest_lookback(position: np.ndarray, lookback: int) -> int:
    """Longest lookback, in steps, that enough of the windows with cutoffs at these positions (n,) carry."""
    for factor in LOOKBACK_FACTORS:
        longest = factor * lookback
        if longest <= MAX_LOOKBACK and len(position) and (position + 1 >= longest).mean() >= MIN_CARRYING:
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


def linear_points(
    weights: np.ndarray,
    view: InputSpec,
    panel: Panel,
    series: np.ndarray,
    position: np.ndarray,
    short: np.ndarray | None = None,
) -> np.ndarray:
    """Forecast with the weights of `fit_linear`.

    Args:
        weights: (longest lookback + 1, horizon).
        view: Lookback and horizon, in steps.
        panel: The series to forecast.
        series: Series code of each window, (n,).
        position: Step of each cutoff within its series, (n,).
        short: (lookback + 1, horizon) for windows whose history does not carry the longest lookback; None: `weights`,
            with the last value for each missing step.

    Returns:
        Point forecasts (n, horizon), in the units of the source.
    """
    points = np.zeros((len(series), view.horizon))
    for part in _batches(len(series), len(weights)):
        past = panel.take(panel.y, series[part], position[part], np.arange(2 - len(weights), 1))
        carries = np.ones(len(past), dtype=bool) if short is None else _carries(past, view.lookback)
        for chosen, rows in ((weights, carries), (short, ~carries)):
            if chosen is not None and rows.any():
                shifted, last, scale = _normalise(past[rows, len(weights) - len(chosen) :])
                points[part.start + np.flatnonzero(rows)] = last + scale * (shifted @ chosen[:-1] + chosen[-1])
    return points


class MomentsGatherer(NamedTuple):
    """Gathers the moments of windows of a panel."""

    panel: Panel
    view: InputSpec
    longest: int  # steps
    std: np.ndarray  # (S,) of the series
    gaps: bool = False  # a missing target is the last value; else the window is left out
    reference: dict[str, np.ndarray] | None = None  # a map: windows that it forecasts well count more
    typical: float = 1.0  # error of that map

    def gather(self, series: np.ndarray, position: np.ndarray) -> GroupedMoments:
        """Return the moments of the windows with these series codes and positions, (n,) each."""
        lookback, horizon = self.view.lookback, self.view.horizon
        complete, partial = Moments.empty(self.longest, horizon), Moments.empty(lookback, horizon)
        for part in _batches(len(series), self.longest):
            codes, cutoffs = series[part], position[part]
            past = self.panel.take(self.panel.y, codes, cutoffs, np.arange(1 - self.longest, 1))
            ahead = self.panel.take(self.panel.y, codes, cutoffs, np.arange(1, horizon + 1))
            usable, carries = self.gaps | np.isfinite(ahead).all(axis=1), _carries(past, lookback)
            complete += self._moments_of(past, ahead, codes, usable & carries)
            partial += self._moments_of(past[:, self.longest - lookback :], ahead, codes, usable & ~carries)
        return GroupedMoments(complete, partial)

    def _moments_of(self, past: np.ndarray, ahead: np.ndarray, codes: np.ndarray, rows: np.ndarray) -> Moments:
        """Moments of some of the windows: lookbacks (n, L), horizons (n, H), series codes (n,) and a mask (n,)."""
        if not rows.any():
            return Moments.empty(past.shape[1], ahead.shape[1])
        shifted, last, scale = _normalise(past[rows])
        weights = error_weights(scale, codes[rows], self.std)
        inputs, targets = weights * shifted, weights * (ahead[rows] - last) / scale
        targets = np.nan_to_num(targets) if self.gaps else targets
        if self.reference is None:
            return Moments.of(inputs, targets)
        maps = {len(chosen) - 1: chosen[:-1] for chosen in self.reference.values()}
        return Moments.of(inputs, targets, _robust_weights(targets - inputs @ maps[past.shape[1]], self.typical))


def _robust_weights(errors: np.ndarray, typical: float) -> np.ndarray:
    """Weights (n, 1) of squared errors (n, H): one step of iteratively reweighted least squares for absolute errors."""
    size = np.sqrt(np.square(errors).mean(axis=1, keepdims=True))
    return np.asarray(1 / np.clip(size / typical, *SIZE_LIMITS))


def _batches(count: int, lookback: int) -> Iterator[slice]:
    """Slices of windows whose lookbacks are bounded in memory."""
    size = max(1, min(MAX_BATCH_SIZE, MAX_BATCH_VALUES // lookback))
    return (slice(start, start + size) for start in range(0, count, size))


def _carries(past: np.ndarray, lookback: int) -> np.ndarray:
    """Whether enough steps before the lookback of the pipeline have values, (n,), of long lookbacks (n, L)."""
    before = past.shape[1] - lookback
    return np.asarray(np.isfinite(past[:, :before]).sum(axis=1) >= MIN_CARRYING * before)


def _normalise(past: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shifted and scaled lookbacks (n, L), last value (n, 1) and scale (n, 1); a missing input is the last value."""
    last = last_observed(past)[:, None]
    shifted = np.where(np.isfinite(past), past - last, 0.0)
    scale = np.sqrt((shifted**2).mean(axis=1, keepdims=True))
    varies = scale > np.maximum(1e-9 * np.abs(last), np.finfo(float).tiny)  # relative: a series may be as small as 1e-9
    scale = np.where(varies, scale, 1.0 + np.abs(last))
    return shifted / scale, last, scale
