"""Simple forecasts that a network is blended with: fit them, and their shares on the validation part."""

from dataclasses import replace

import numpy as np

from models.baselines.ridge import fit_linear
from models.baselines.ridge_windows import linear_points
from models.baselines.seasonal_median import choose_seasons, seasonal_median
from models.bundle import LINEAR_MAP, MEDIAN_SEASONS, Bundle, stored_maps
from models.calibration.calibrate import SERIES_SHARES, calibrate
from models.calibration.inputs import CalibrationSpec, SimpleForecasts
from models.calibration.shares import seasonal_evidence
from models.data.calendar import seasons
from models.data.panel import Panel
from models.data.scaling import error_weights
from models.data.windows import WindowIndex, WindowRanges
from models.predict import BATCH_SIZE, normalised_forecasts
from models.restore import restore_spec
from models.training.fit import WindowSplit
from models.training.recipe import Recipe


def fit_map(panel: Panel, index: WindowIndex, recipe: Recipe) -> dict[str, np.ndarray]:
    """Fit the closed-form map that the network starts from or is blended with; empty if it uses none."""
    return fit_linear(panel, index, recipe.view) if recipe.model.blend or recipe.model.skip else {}


def simple_tensors(maps: dict[str, np.ndarray], recipe: Recipe) -> dict[str, np.ndarray]:
    """Tensors of the forecasts that the network is blended with: the linear map, and the seasonal median if any."""
    if not recipe.model.blend:
        return {}
    read = choose_seasons(seasons(recipe.view.freq))
    tensors = {f"{LINEAR_MAP}{name}": kept for name, kept in stored_maps(maps).items()}
    return tensors | ({MEDIAN_SEASONS: np.array(read)} if read else {})


def start_map(maps: dict[str, np.ndarray], adjustment: tuple[int, ...]) -> np.ndarray | None:
    """Map of the lookback (L + 1, H) for windows with this adjustment, of tensors of `fit_linear`; None without."""
    of_lookback = maps.get("weights.short", maps.get("weights"))
    return of_lookback if adjustment else maps.get("weights.unadjusted", of_lookback)


def calibrated(bundle: Bundle, panel: Panel, windows: WindowSplit, max_windows: int, stds: np.ndarray) -> Bundle:
    """Return the bundle of a network with its calibration, and without the seasonal median if it has no share.

    Args:
        bundle: The network with its linear map, if any.
        panel: The series.
        windows: Validation windows, which decide, and training windows, which tell whether the seasonal median helps.
        max_windows: Windows of each part that are used at most, evenly spread.
        stds: Standard deviation of each series, (S,), in the units of the source.

    Returns:
        The bundle with the tensors of `calibrate`, and the names of the series that have shares of their own.
    """
    series, position = windows.validation.take_evenly(max_windows)
    codes, numbers = np.unique(series, return_inverse=True)
    forecasts = list(normalised_forecasts(bundle, panel, series, position))
    scale, factors = (np.concatenate([getattr(f.arrays, name) for f in forecasts]) for name in ("scale", "factors"))
    simple = [forecast.simple for forecast in forecasts if forecast.simple is not None]
    times = (panel.first[series] + position) / bundle.horizon
    seasonal = _training_evidence(bundle, panel, windows.train, max_windows, stds)
    fitted = calibrate(
        np.concatenate([forecast.normal for forecast in forecasts]),
        SimpleForecasts.join(simple) if simple else None,
        np.concatenate([forecast.arrays.target.astype(np.float64) for forecast in forecasts]),
        error_weights(scale, series, stds) * factors,
        CalibrationSpec(bundle.levels, restore_spec(bundle).head, times, seasonal, numbers),
    )
    unused = {SERIES_SHARES} | (set() if fitted["share.seasonal"].any() else {MEDIAN_SEASONS})  # less history is needed
    tensors = {name: values for name, values in bundle.tensors.items() if name not in unused} | fitted
    names = tuple(panel.ids[code] for code in codes) if SERIES_SHARES in fitted else ()
    settings = bundle.recurrent
    if names != settings.series_shares:
        settings = settings.model_copy(update={"series_shares": names})
    return replace(bundle, settings=settings, tensors=tensors)


def _training_evidence(
    bundle: Bundle, panel: Panel, windows: WindowRanges, max_windows: int, stds: np.ndarray
) -> float:
    """How far the training windows justify a share of the seasonal median, from 0 to 1."""
    if not (bundle.median_seasons and bundle.linear_maps):
        return 0.0
    # Compared with the linear map: the network has learned these windows, so that its errors on them are too small.
    series, position = windows.take_evenly(max_windows)
    errors = np.empty((2, len(series), bundle.horizon))
    for part in panel.window_batches(len(series), BATCH_SIZE):
        cutoffs = series[part], position[part]
        linear = linear_points(bundle.linear_maps, bundle.view, panel, *cutoffs)
        median = seasonal_median(panel, bundle.view, *cutoffs, bundle.median_seasons)
        actual = panel.take(panel.y, *cutoffs, np.arange(1, bundle.horizon + 1))
        errors[:, part] = np.stack([actual - linear, median - linear]) / stds[cutoffs[0], None]
    times = (panel.first[series] + position) / bundle.median_seasons[0]
    return seasonal_evidence(errors, times, restore_spec(bundle).head)
