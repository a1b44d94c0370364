"""Baselines that every network has to beat: naive, seasonal naive, seasonal mean and ridge regression.

Each is a bundle, as a network is. Its median is its point forecast. Each other quantile is the point forecast plus the
empirical quantile of its own errors, by series and step, at recent origins at the same hour of the day, before the
test part.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from models.baselines.ridge import fit_linear
from models.baselines.ridge_windows import linear_points
from models.bundle import BaselineSettings, Bundle, stored_maps
from models.data.mapped_pages import release_pages
from models.data.panel import InputSpec, Panel, last_observed
from models.data.windows import WindowIndex, WindowRanges, concat_ranges

SEASONS_AVERAGED = 8
MAX_ERROR_ORIGINS = 112  # at the same hour of the day
SERIES_PER_BLOCK = 1000  # bounds the memory
BATCH_WINDOWS = 8192  # that are forecast at once
WINDOWS_PER_BLOCK = 1_000_000
MAX_POOLED_SERIES = 10_000  # of more series, every second, third … counts in the pooled errors
MIN_SERIES_ERRORS = 20  # of a series with fewer errors, the scaled errors of all series are used


class _Method(NamedTuple):
    """A baseline before its error quantiles are known."""

    name: str
    kind: str
    season: int  # steps
    tensors: dict[str, np.ndarray]


def fit_baselines(
    panel: Panel, index: WindowIndex, view: InputSpec, quantiles: tuple[float, ...], cycles: tuple[int, ...]
) -> Iterator[Bundle]:
    """Fit every baseline on the training and validation windows, each when it is asked for.

    Args:
        panel: The series, without the test part.
        index: Training and validation windows.
        view: Lookback and horizon, in steps.
        quantiles: Levels of the forecast quantiles, ascending, with 0.5.
        cycles: Season lengths in steps, ascending.

    Yields:
        naive, seasonal_naive_<m> for each season m above 1, seasonal_mean_<longest m>, linear.
    """
    seasons = [m for m in dict.fromkeys(cycles) if m > 1]
    methods = [_Method("naive", "seasonal_naive", 1, {})]
    methods += [_Method(f"seasonal_naive_{m}", "seasonal_naive", m, {}) for m in seasons]
    methods += [_Method(f"seasonal_mean_{m}", "seasonal_mean", m, {}) for m in seasons[-1:]]
    methods.append(_Method("linear", "linear", 1, stored_maps(fit_linear(panel, index, view))))
    origins = _error_origins(panel, index)
    changes = _changes_of(panel, *origins)
    for name, kind, season, tensors in methods:
        settings = BaselineSettings(view=view, quantiles=quantiles, ids=panel.ids, whole=panel.whole, season=season)
        method = Bundle(name, kind, settings, tensors)
        yield Bundle(name, kind, settings, tensors | _error_quantiles(method, panel, origins, changes))


def forecast_baseline(bundle: Bundle, panel: Panel, series: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Forecast with a baseline.

    Args:
        bundle: A bundle of `fit_baselines`.
        panel: The series to forecast; a series that was not fitted gets the pooled error quantiles.
        series: Series code of each window, (n,).
        position: Step of each cutoff within its series, (n,).

    Returns:
        Quantiles (n, H, Q), in the units of the source, neither sorted nor limited.
    """
    rows = {name: row for row, name in enumerate(bundle.baseline.ids)}
    fitted = np.array([rows.get(name, -1) for name in panel.ids], dtype=np.int64)[series]
    quantiles = np.empty((len(series), bundle.horizon, len(bundle.levels)))
    for part in panel.window_batches(len(series), BATCH_WINDOWS):
        point = POINT_FORECASTS[bundle.kind](bundle, panel, series[part], position[part])
        change = _mean_change(panel, series[part], position[part], bundle.view)
        pooled = bundle.tensors["errors.pooled"][None] * change[:, None, None]
        own = bundle.tensors["errors.series"][fitted[part]]
        is_pooled = (fitted[part] < 0)[:, None, None] | np.isnan(own)
        quantiles[part] = point[:, :, None] + np.where(is_pooled, pooled, own)
    return quantiles


def _seasonal_naive(bundle: Bundle, panel: Panel, series: np.ndarray, position: np.ndarray) -> np.ndarray:
    return _seasonal_average(bundle, panel, series, position, 1)


def _seasonal_mean(bundle: Bundle, panel: Panel, series: np.ndarray, position: np.ndarray) -> np.ndarray:
    return _seasonal_average(bundle, panel, series, position, SEASONS_AVERAGED)


def _seasonal_average(bundle: Bundle, panel: Panel, series: np.ndarray, position: np.ndarray, count: int) -> np.ndarray:
    """Mean of the values `count` seasons back, (n, H); the last observation if all of them are missing."""
    season = bundle.baseline.season
    ahead = np.arange(1, bundle.horizon + 1)
    latest = ahead - season * -(-ahead // season)
    values = np.stack([panel.take(panel.y, series, position, latest - season * back) for back in range(count)])
    observed = np.isfinite(values)
    mean = np.where(observed, values, 0.0).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
    is_known = observed.any(axis=0)
    rows = np.flatnonzero(~is_known.all(axis=1))
    if len(rows):
        past = np.arange(1 - max(bundle.lookback, bundle.view.season), 1)
        last = last_observed(panel.take(panel.y, series[rows], position[rows], past))
        mean[rows] = np.where(is_known[rows], mean[rows], last[:, None])
    return np.asarray(mean)


def _linear(bundle: Bundle, panel: Panel, series: np.ndarray, position: np.ndarray) -> np.ndarray:
    return linear_points(bundle.linear_maps, bundle.view, panel, series, position)


POINT_FORECASTS: dict[str, Callable[[Bundle, Panel, np.ndarray, np.ndarray], np.ndarray]] = {
    "seasonal_naive": _seasonal_naive,
    "seasonal_mean": _seasonal_mean,
    "linear": _linear,
}


def _mean_change(panel: Panel, series: np.ndarray, position: np.ndarray, view: InputSpec) -> np.ndarray:
    """Mean absolute change from step to step in each lookback, (n,): the unit of pooled errors."""
    past = panel.take(panel.y, series, position, np.arange(1 - max(view.lookback, 2), 1))
    changes = np.abs(np.diff(past, axis=1))
    observed = np.isfinite(changes)
    return np.where(observed, changes, 0.0).sum(axis=1) / np.maximum(observed.sum(axis=1), 1)


def _changes_of(panel: Panel, series: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Mean absolute change from step to step in each lookback, (n,), a batch of windows at a time."""
    parts = panel.window_batches(len(series), BATCH_WINDOWS)
    changes = [_mean_change(panel, series[part], position[part], panel.view) for part in parts]
    return np.concatenate([np.empty(0), *changes])


def _error_origins(panel: Panel, index: WindowIndex) -> tuple[np.ndarray, np.ndarray]:
    """Recent windows, by series, whose cutoffs have the phase of the border of the test part, and so of those in it."""
    windows = concat_ranges([index.parts[part] for part in ("train", "validation")])
    phase, newest = panel.view.phase, int((panel.first[windows.series] + windows.last).max()) + panel.view.horizon
    oldest = newest - MAX_ERROR_ORIGINS * phase
    near = np.maximum(windows.first, oldest - panel.first[windows.series])
    kept = near <= windows.last
    near = near[kept].astype(np.int32)
    recent = WindowRanges(windows.series[kept], near, windows.last[kept], windows.stride[kept])
    chosen: list[tuple[np.ndarray, np.ndarray]] = []
    for begin in range(0, len(recent), WINDOWS_PER_BLOCK):
        series, position = recent.take(np.arange(begin, min(begin + WINDOWS_PER_BLOCK, len(recent))))
        age = newest - panel.first[series] - position
        rows = (age % phase == 0) & (age < MAX_ERROR_ORIGINS * phase)
        chosen.append((series[rows], position[rows]))
    series, position = (np.concatenate(values) for values in zip(*chosen, strict=True))
    order = np.argsort(series, kind="stable")
    return series[order], position[order]


def _error_quantiles(
    bundle: Bundle, panel: Panel, origins: tuple[np.ndarray, np.ndarray], changes: np.ndarray
) -> dict[str, np.ndarray]:
    """Error quantiles of each series (S, H, Q), NaN if it has too few errors, and of all series, scaled, (H, Q)."""
    series, position = origins
    levels, horizon, count = bundle.levels, bundle.horizon, len(panel.ids)
    own, scaled = np.full((count, horizon, len(levels)), np.nan), list[np.ndarray]()
    every = -(-count // MAX_POOLED_SERIES)
    for begin in range(0, count, SERIES_PER_BLOCK):
        rows = slice(*np.searchsorted(series, (begin, begin + SERIES_PER_BLOCK)))
        codes, cutoffs = series[rows], position[rows]
        point = POINT_FORECASTS[bundle.kind](bundle, panel, codes, cutoffs)
        errors = panel.take(panel.y, codes, cutoffs, np.arange(1, horizon + 1)) - point
        by_series = series_quantiles(errors, codes - begin, min(SERIES_PER_BLOCK, count - begin), levels)
        own[begin : begin + SERIES_PER_BLOCK] = _around_zero(by_series, levels)
        change = changes[rows, None]
        unit = np.where(change > 0, change, np.nan)  # a lookback without changes gives no unit
        scaled.append((errors / unit)[codes % every == 0])
        release_pages(panel.y)
    errors = np.concatenate(scaled)
    pooled = np.stack([_quantiles(errors[:, step], levels) for step in range(horizon)])
    return {"errors.series": own, "errors.pooled": _around_zero(pooled, levels)}


def series_quantiles(errors: np.ndarray, series: np.ndarray, count: int, levels: tuple[float, ...]) -> np.ndarray:
    """Quantiles (S, H, Q) of the errors (n, H) of each series; NaN if a step of the series has too few errors."""
    order = np.argsort(series, kind="stable")
    codes, starts, sizes = np.unique(series[order], return_index=True, return_counts=True)
    quantiles = np.full((count, errors.shape[1], len(levels)), np.nan)
    slots = np.arange(sizes.max(initial=0))
    rows = order[np.minimum(starts[:, None] + slots, len(order) - 1)]
    padded = np.where((slots < sizes[:, None])[:, :, None], errors[rows], np.nan)
    enough = np.isfinite(padded).sum(axis=1).min(axis=1) >= MIN_SERIES_ERRORS
    quantiles[codes[enough]] = _nan_quantiles(padded[enough], levels)
    return quantiles


def _nan_quantiles(values: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Quantiles of (S, n, H) over n without NaN, (S, H, Q): those of np.nanquantile, for all series at once."""
    ordered = np.sort(values, axis=1)  # NaN last
    last = np.isfinite(ordered).sum(axis=1) - 1
    quantiles = np.empty((*last.shape, len(levels)))
    for column, level in enumerate(levels):
        at = level * last
        below = np.floor(at).astype(np.int64)
        low, high = (
            np.take_along_axis(ordered, rank[:, None, :], axis=1)[:, 0] for rank in (below, np.minimum(below + 1, last))
        )
        share, gap = at - below, high - low
        quantiles[..., column] = np.where(share >= 0.5, high - gap * (1 - share), low + gap * share)  # as numpy rounds
    return quantiles


def _around_zero(errors: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Error quantiles (…, Q) with 0 at the median: the point forecast stays the median even if it is biased."""
    side = np.sign(np.array(levels) - 0.5)
    return np.asarray(side * np.maximum(side * errors, 0.0))


def _quantiles(values: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    known = values[np.isfinite(values)]
    return np.quantile(known, levels) if len(known) else np.zeros(len(levels))
