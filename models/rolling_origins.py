"""Recalibrate a model on its own forecasts at origins before the cutoff, which nothing has to remember.

series     · · · o · · · o · · · o · · · c        o: origins at the hour of the day of the cutoff c
errors           └ h h h └ h h h └ h h h            of forecasts whose actuals are known at c
"""

import numpy as np
import pandas as pd

from models.data.panel import Panel
from models.predict import Predictor
from models.recalibration import Recalibration, fit_recalibration

MAX_ORIGINS = 56  # of each series, at the same phase of the day as the forecast
MAX_CELLS = 2_000_000  # series x origins x steps: of more series, a sample gives the factors of all


def recalibrate(predictor: Predictor, panel: Panel, series: np.ndarray, position: np.ndarray) -> Recalibration:
    """Fit the factors of forecasts at the given cutoffs from the forecasts of the same model at earlier origins.

    Origins before the last training target of a network are left out: its errors there are too small.

    Args:
        predictor: The model.
        panel: The series; nothing after a cutoff is read but known covariates.
        series: Series code of each forecast, (n,), each at most once.
        position: Step of each cutoff within its series, (n,).

    Returns:
        Factors of the n forecasts, in their order.
    """
    bundle, count = predictor.bundle, len(series)
    horizon = bundle.horizon
    most = max(1, MAX_CELLS // (MAX_ORIGINS * horizon))
    sample = np.arange(count) if count <= most else np.unique(np.linspace(0, count - 1, most).astype(np.int64))
    back = panel.view.phase * np.arange(MAX_ORIGINS, 0, -1)[:, None]
    origins = position[sample][None, :] - back  # (K, s)
    usable = origins >= _first_unseen(predictor, panel, series[sample])
    nights = usable.any(axis=1)
    origins, usable = origins[nights], usable[nights]
    codes = np.broadcast_to(series[sample], origins.shape)
    actuals = np.full((*origins.shape, horizon), np.nan)
    quantiles = np.zeros((*origins.shape, horizon, len(bundle.levels)))
    at = codes[usable].astype(np.int32), origins[usable].astype(np.int32)
    if usable.any():
        forecasts, ahead = np.sort(predictor.quantiles(panel, *at), axis=-1), np.arange(1, horizon + 1)
        is_finite = np.isfinite(forecasts).all(axis=-1)
        known = (origins[..., None] + ahead <= position[sample][None, :, None])[usable] & is_finite
        quantiles[usable] = np.where(is_finite[..., None], forecasts, 0.0)
        actuals[usable] = np.where(known, panel.take(panel.y, *at, ahead), np.nan)
    resolution = 1.0 if bundle.settings.whole else 0.0
    fitted = fit_recalibration(quantiles, actuals, bundle.levels, resolution, is_pooled=count > most)
    if count <= most:
        return fitted
    return Recalibration(
        np.repeat(fitted.by_series[:1], count, axis=0), fitted.by_step, np.zeros(count), np.full(count, len(origins))
    )


def _first_unseen(predictor: Predictor, panel: Panel, series: np.ndarray) -> np.ndarray:
    """Return the first position of each series from which a model has seen no target, (s,)."""
    until = getattr(predictor.bundle.settings, "trained_until", None)
    first = np.zeros(len(series), dtype=np.int64)
    if until is None:
        return first
    moment = pd.Timestamp(until)
    moment = moment.tz_convert(None) if moment.tzinfo else moment
    seen = int(panel.grid.tz_localize(None).searchsorted(moment, side="left"))
    return np.maximum(first, seen - panel.first[series])
