"""Whether the level of the newest forecasts differs from that of earlier forecasts: seen before actuals arrive.

y        ... s  s  s  s │ cutoff          the same step of the seasons before
y_hat                   │ f               f - median(s), in deviations of the series: its mean is a point of the chart

Forecasts are compared with forecasts, not with observations: the median of counts or of skewed values lies off their
mean every night.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from models.data.panel import Panel
from models.drift.cusum import compare_levels
from models.drift.detection import NIGHTS, ColumnDrift

COLUMN = "forecasts"
TEST = "CUSUM of the level"
SEASONS = 7  # before a forecast, whose median it is compared with


def forecast_levels(tables: Iterable[pd.DataFrame], panel: Panel) -> np.ndarray:
    """Compute how far forecasts lie above the seasons before them.

    Args:
        tables: Forecast tables, the oldest first: unique_id, cutoff, step and y_hat. Of those with one cutoff the last
            counts; one without rows, or with a cutoff that is not on the grid, does not.
        panel: The series.

    Returns:
        Mean distances in standard deviations of each series, (S, N); NaN without a forecast.
    """
    by_cutoff = {table["cutoff"].max(): table for table in tables if len(table)}
    series, levels = np.arange(len(panel.ids)), list[np.ndarray]()
    spread = _spread_by_series(panel)
    for cutoff, table in sorted(by_cutoff.items()):
        position = int(panel.grid.get_indexer(pd.DatetimeIndex([cutoff]))[0])
        if position < 0:
            continue
        step = np.arange(1, int(table["step"].max()) + 1)
        forecast = np.full((len(series), len(step)), np.nan)
        row, column = pd.Index(panel.ids).get_indexer(pd.Index(table["unique_id"])), table["step"].to_numpy(int) - 1
        forecast[row[row >= 0], column[row >= 0]] = table["y_hat"].to_numpy(float)[row >= 0]
        first = -(-step // panel.view.season)  # seasons back to the newest that was known at the cutoff
        back = step[:, None] - panel.view.season * (first[:, None] + np.arange(SEASONS))
        past = panel.take(panel.y, series, position - panel.first, back.reshape(-1))
        expected = _median_of_known(past.reshape(len(series), len(step), SEASONS))
        levels.append(_mean_of_known(forecast - expected) / spread)
    return np.column_stack(levels) if levels else np.empty((len(series), 0))


def compare_forecast_nights(levels: np.ndarray) -> list[dict[str, ColumnDrift]]:
    """Compare as of the newest night and of the nights before, as they have seen it, the newest first."""
    count = levels.shape[1]
    return [{COLUMN: compare_levels(levels[:, : count - back])} for back in range(min(NIGHTS, count))]


def _spread_by_series(panel: Panel) -> np.ndarray:
    """Return the standard deviation of y of each series, (S,); NaN for a constant."""
    known = pd.Series(panel.y).groupby(np.repeat(np.arange(len(panel.ids)), panel.lengths)).std().to_numpy(float)
    return np.where(known > 0, known, np.nan)


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis; NaN where nothing is known."""
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    return np.where(count, np.where(known, values, 0.0).sum(axis=-1) / np.maximum(count, 1), np.nan)


def _median_of_known(values: np.ndarray) -> np.ndarray:
    """Return the median over the last axis; NaN where nothing is known."""
    result = np.full(values.shape[:-1], np.nan)
    known = np.isfinite(values).any(axis=-1)
    result[known] = np.nanmedian(values[known], axis=-1)
    return result
