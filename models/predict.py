"""Forecast with a bundle of any kind: one `predict` for networks and baselines."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from models.baselines.ridge import linear_points
from models.baselines.seasonal import POINTS, forecast
from models.bundle import Bundle
from models.calibration import apply_calibration
from models.data.batches import Batch
from models.data.panel import Panel
from models.devices import same_threads
from models.restore import restore_collator, restore_network

BATCH_SIZE = 512  # windows


class WindowForecast(NamedTuple):
    """Some windows, and what the network and the linear map say of them, in normalised units."""

    part: slice
    batch: Batch
    normal: np.ndarray  # (b, H, Q)
    linear: np.ndarray | None  # (b, H)


def normalised_forecasts(
    bundle: Bundle, panel: Panel, series: np.ndarray, position: np.ndarray
) -> Iterator[WindowForecast]:
    """Some windows at a time."""
    training, gatherer = bundle.settings["training"], restore_collator(bundle)
    models = [restore_network(bundle, member) for member in range(bundle.settings["members"])]
    for start in range(0, len(series), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        batch = gatherer.collate(panel, series[part], position[part])
        with torch.no_grad(), same_threads(training["threads"]):
            told = [model.quantiles(batch).double().numpy() for model in models]
        normal = np.mean(told, axis=0)
        linear = None
        if "linear.weights" in bundle.tensors:
            points = linear_points(bundle.tensors["linear.weights"], bundle.view, panel, series[part], position[part])
            linear = (points - batch.location.numpy()) / batch.scale.numpy()
        yield WindowForecast(part, batch, normal, linear)


def _predict_network(bundle: Bundle, panel: Panel, series: np.ndarray, position: np.ndarray) -> np.ndarray:
    middle = bundle.levels.index(0.5)
    found = np.zeros((len(series), bundle.horizon, len(bundle.levels)))
    for part, batch, normal, linear in normalised_forecasts(bundle, panel, series, position):
        told = apply_calibration(normal, linear, bundle.tensors, middle)
        found[part] = told * batch.scale.numpy()[:, :, None] + batch.location.numpy()[:, :, None]
    return found


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
    if bundle.kind == "recurrent" and bundle.settings["model"]["head"] == "negative_binomial":
        minimum = max(minimum or 0.0, 0.0)  # intervals are widened, the linear map is mixed in: still counts
    quantiles = np.rint(quantiles) + 0.0 if bundle.settings["whole"] else quantiles  # and never -0
    return np.clip(np.sort(quantiles, axis=-1), minimum, maximum)


PREDICTORS: dict[str, Callable[[Bundle, Panel, np.ndarray, np.ndarray], np.ndarray]] = {
    "recurrent": _predict_network,
    **dict.fromkeys(POINTS, forecast),
}
