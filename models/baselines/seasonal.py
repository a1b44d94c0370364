"""What any network must beat: naive, seasonal naive, seasonal mean, and a linear map fitted in closed form.

Each becomes a bundle like a network's. Its median is its point forecast; its other quantiles are that point plus the
empirical quantiles of its own errors, by series and step, at recent origins of the same phase before the test part.
"""

from collections.abc import Callable

import numpy as np

from models.baselines.ridge import fit_linear, linear_points
from models.bundle import Bundle
from models.data.panel import InputSpec, Panel
from models.data.windows import WindowIndex

SEASONS_AVERAGED = 8
ERRORS_KEPT = 112  # origins, at the same hour of the day
ERRORS_NEEDED = 20  # of one series; with fewer, the errors of all series stand in, scaled


def fit_baselines(
    panel: Panel, index: WindowIndex, view: InputSpec, quantiles: tuple[float, ...], cycles: tuple[int, ...]
) -> list[Bundle]:
    """naive, seasonal_naive_<m> for each season m, seasonal_mean_<longest m>, linear.

    `panel` and `index` hold the training and validation parts alone.
    """
    seasonal = [m for m in dict.fromkeys(cycles) if m > 1]
    named: list[tuple[str, str, int, dict[str, np.ndarray]]] = [("naive", "seasonal_naive", 1, {})]
    named += [(f"seasonal_naive_{m}", "seasonal_naive", m, {}) for m in seasonal]
    named += [(f"seasonal_mean_{m}", "seasonal_mean", m, {}) for m in seasonal[-1:]]
    named.append(("linear", "linear", 1, fit_linear(panel, index, view)))
    settings: dict[str, object] = {
        "view": view.model_dump(mode="json"),
        "quantiles": list(quantiles),
        "ids": list(panel.ids),
    }
    settings["whole"] = panel.whole
    origins = _origins(panel, index)
    bundles = []
    for name, kind, season, tensors in named:
        bare = Bundle(name, kind, {**settings, "season": season}, tensors)
        bundles.append(Bundle(name, kind, bare.settings, tensors | _errors(bare, panel, origins)))
    return bundles


def forecast(bundle: Bundle, panel: Panel, series: np.ndarray, position: np.ndarray) -> np.ndarray:
    """(n, H, Q) quantiles in the units of the source."""
    point = POINTS[bundle.kind](bundle, panel, series, position)
    place = {name: number for number, name in enumerate(bundle.settings["ids"])}
    known = np.array([place.get(panel.ids[number], -1) for number in series], dtype=np.int64)
    pooled = bundle.tensors["errors.pooled"][None] * _spread(panel, series, position, bundle.view)[:, None, None]
    own = bundle.tensors["errors.series"][known]
    return point[:, :, None] + np.where((known < 0)[:, None, None] | np.isnan(own), pooled, own)


def _seasonal_naive(bundle: Bundle, panel: Panel, series: np.ndarray, position: np.ndarray) -> np.ndarray:
    return _seasonal_average(bundle, panel, series, position, 1)


def _seasonal_mean(bundle: Bundle, panel: Panel, series: np.ndarray, position: np.ndarray) -> np.ndarray:
    return _seasonal_average(bundle, panel, series, position, SEASONS_AVERAGED)


def _seasonal_average(bundle: Bundle, panel: Panel, series: np.ndarray, position: np.ndarray, count: int) -> np.ndarray:
    """The mean of the last `count` values at each step's place in the season; gaps fall back to the last value."""
    season = bundle.settings["season"]
    ahead = np.arange(1, bundle.horizon + 1)
    latest = ahead - season * -(-ahead // season)
    values = np.stack([panel.take(panel.y, series, position, latest - season * back) for back in range(count)])
    seen = np.isfinite(values)
    mean = np.where(seen, values, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    return np.where(seen.any(axis=0), mean, last_value(panel, series, position, bundle.view)[:, None])


def last_value(panel: Panel, series: np.ndarray, position: np.ndarray, view: InputSpec) -> np.ndarray:
    """(n,) the last observation of each window; 0 where its whole lookback is empty."""
    past = panel.take(panel.y, series, position, np.arange(1 - max(view.lookback, view.season), 1))
    newest = past.shape[1] - 1 - np.argmax(np.isfinite(past)[:, ::-1], axis=1)
    return np.nan_to_num(past[np.arange(len(past)), newest])


def _spread(panel: Panel, series: np.ndarray, position: np.ndarray, view: InputSpec) -> np.ndarray:
    """(n,) mean absolute change from step to step in each lookback, to scale pooled errors with."""
    past = panel.take(panel.y, series, position, np.arange(1 - max(view.lookback, 2), 1))
    changes = np.abs(np.diff(past, axis=1))
    seen = np.isfinite(changes)
    return np.where(seen, changes, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)


def _origins(panel: Panel, index: WindowIndex) -> tuple[np.ndarray, np.ndarray]:
    """Recent windows whose cutoffs have the phase of the border of the test part, and so of the cutoffs in it."""
    learned = [index.of(part) for part in ("train", "validation")]
    series, position = (np.concatenate([part[side] for part in learned]) for side in (0, 1))
    place = panel.first[series] + position
    phase, age = panel.view.phase, place.max() + panel.view.horizon - place
    kept = (age % phase == 0) & (age < ERRORS_KEPT * phase)
    return series[kept], position[kept]


def _errors(bundle: Bundle, panel: Panel, origins: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    """Quantiles of the errors: of each series (S, H, Q), NaN where it has too few, and of all, scaled (H, Q)."""
    series, position = origins
    levels, horizon = bundle.levels, bundle.horizon
    point = POINTS[bundle.kind](bundle, panel, series, position)
    error = panel.take(panel.y, series, position, np.arange(1, horizon + 1)) - point
    own = np.full((len(panel.ids), horizon, len(levels)), np.nan)
    for number in np.unique(series):
        mine = error[series == number]
        if np.isfinite(mine).sum(axis=0).min() >= ERRORS_NEEDED:
            own[number] = np.nanquantile(mine, levels, axis=0).T
    spread = _spread(panel, series, position, bundle.view)[:, None]
    scaled = error / np.where(spread > 0, spread, np.nan)  # what a still lookback missed is no multiple of its changes
    pooled = np.stack([_quantiles(scaled[:, step], levels) for step in range(horizon)])
    return {"errors.series": _around_zero(own, levels), "errors.pooled": _around_zero(pooled, levels)}


def _around_zero(errors: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """The same quantiles (…, Q), but the point forecast stays the median even where it is always too low."""
    side = np.sign(np.array(levels) - 0.5)
    return np.asarray(side * np.maximum(side * errors, 0.0))


def _quantiles(values: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    known = values[np.isfinite(values)]
    return np.quantile(known, levels) if len(known) else np.zeros(len(levels))


def _linear(bundle: Bundle, panel: Panel, series: np.ndarray, position: np.ndarray) -> np.ndarray:
    return linear_points(bundle.tensors["weights"], bundle.view, panel, series, position)


POINTS: dict[str, Callable[[Bundle, Panel, np.ndarray, np.ndarray], np.ndarray]] = {
    "seasonal_naive": _seasonal_naive,
    "seasonal_mean": _seasonal_mean,
    "linear": _linear,
}
