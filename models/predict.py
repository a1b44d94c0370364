"""Forecast with a bundle of any kind: one `predict` for networks and baselines."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from models.baselines.ridge import linear_points
from models.baselines.seasonal import POINT_FORECASTS, forecast_baseline
from models.bundle import Bundle
from models.calibration import apply_calibration
from models.data.batches import Batch
from models.data.panel import Panel
from models.devices import fixed_threads
from models.restore import restore_collator, restore_network, restore_spec

BATCH_SIZE = 512  # windows


class WindowForecast(NamedTuple):
    """Forecasts of one batch of windows, in normalised units, before calibration."""

    part: slice  # of the windows that were asked for
    batch: Batch
    normal: np.ndarray  # (b, H, Q) quantiles of the network, the mean over its members
    linear: np.ndarray | None  # (b, H) point forecast of the linear map; None if the network is not blended


def normalised_forecasts(
    bundle: Bundle, panel: Panel, series: np.ndarray, position: np.ndarray
) -> Iterator[WindowForecast]:
    """Forecast with a recurrent network, one batch of windows at a time, without calibration.

    Args:
        bundle: A recurrent network.
        panel: The series to forecast.
        series: Series code of each window, (n,).
        position: Step of each cutoff within its series, (n,).

    Yields:
        Batches of at most BATCH_SIZE windows, in the order of `series`.
    """
    stored, collator = bundle.recurrent, restore_collator(bundle)
    networks = [restore_network(bundle, member) for member in range(stored.members)]
    for start in range(0, len(series), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        batch = collator.collate(panel, series[part], position[part])
        with torch.no_grad(), fixed_threads(stored.training.threads):
            quantiles = [network.quantiles(batch).double().numpy() for network in networks]
        normal = np.mean(quantiles, axis=0)
        linear = None
        if "linear.weights" in bundle.tensors:
            points = linear_points(bundle.tensors["linear.weights"], bundle.view, panel, series[part], position[part])
            linear = (points - batch.location.numpy()) / batch.scale.numpy()
        yield WindowForecast(part, batch, normal, linear)


def _predict_network(bundle: Bundle, panel: Panel, series: np.ndarray, position: np.ndarray) -> np.ndarray:
    middle = bundle.levels.index(0.5)
    quantiles = np.zeros((len(series), bundle.horizon, len(bundle.levels)))
    for part, batch, normal, linear in normalised_forecasts(bundle, panel, series, position):
        calibrated = apply_calibration(normal, linear, bundle.tensors, middle)
        quantiles[part] = calibrated * batch.scale.numpy()[:, :, None] + batch.location.numpy()[:, :, None]
    return quantiles


def predict(
    bundle: Bundle,
    panel: Panel,
    series: np.ndarray,
    position: np.ndarray,
    minimum: float | None = None,
    maximum: float | None = None,
) -> np.ndarray:
    """Forecast quantiles at the given cutoffs, in the units of the source.

    Nothing after a cutoff is read except known covariates. If every training target was a whole number, the forecast
    is rounded, so that the median of counts that are mostly 0 is 0 and not 0.2.

    Args:
        bundle: A model of any kind.
        panel: The series to forecast, with at least one lookback before each cutoff.
        series: Series code of each window, (n,).
        position: Step of each cutoff within its series, (n,).
        minimum: Lower limit of every forecast, or None.
        maximum: Upper limit of every forecast, or None.

    Returns:
        Quantiles (n, H, Q), float64, non-decreasing in Q and inside the limits.
    """
    quantiles = PREDICTORS[bundle.kind](bundle, panel, series, position)
    if bundle.kind == "recurrent" and restore_spec(bundle).head == "negative_binomial":
        minimum = max(minimum or 0.0, 0.0)  # calibration can push a quantile of a count below 0
    quantiles = np.rint(quantiles) + 0.0 if bundle.settings.whole else quantiles  # + 0.0: no -0
    return np.clip(np.sort(quantiles, axis=-1), minimum, maximum)


PREDICTORS: dict[str, Callable[[Bundle, Panel, np.ndarray, np.ndarray], np.ndarray]] = {
    "recurrent": _predict_network,
    **dict.fromkeys(POINT_FORECASTS, forecast_baseline),
}
