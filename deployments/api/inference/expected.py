"""How unusual an observation is: its error against the forecast made before it, among the errors of earlier nights.

The p-value is that of tasks.anomalies for one actual and one step of the horizon. The scale of a series, which matters
where an interval has no width, is its typical change over the kept steps.
"""

import numpy as np

from deployments.api.inference.champion import ServedChampion
from deployments.api.inference.observations import Taken
from models.anomalies import scaled_errors, step_p_values
from models.streaming.forecaster import StreamingForecaster


class Expectations:
    """The newest forecast of each series, and the errors that earlier forecasts of the champion had."""

    def __init__(self, champion: ServedChampion) -> None:
        count, bundle = len(champion.forecaster.states.ids), champion.bundle
        self.levels, self.limits, self.errors = bundle.levels, champion.limits, champion.errors
        self.season = champion.season
        self.quantiles = np.full((count, bundle.horizon, len(bundle.levels)), np.nan)
        self.cutoff = np.full(count, -1, dtype=np.int64)

    def remember(self, forecaster: StreamingForecaster, rows: np.ndarray, quantiles: np.ndarray) -> None:
        """Keep the forecasts (b, H, Q) of some series, which later observations are compared with."""
        self.quantiles[rows], self.cutoff[rows] = quantiles, forecaster.states.newest[rows]

    def forget(self, rows: np.ndarray) -> None:
        """Forget the forecasts of series whose kept values have changed."""
        self.cutoff[rows] = -1

    def compare(self, forecaster: StreamingForecaster, part: list[Taken]) -> list[tuple[float | None, float | None]]:
        """Return (median, p-value) of each observation, before it is taken.

        Args:
            forecaster: The kept states, before the observations.
            part: One observation per series.

        Returns:
            A pair per observation; None where nothing is forecast for its step, or no earlier error is known.
        """
        rows, steps = np.array([entry.row for entry in part]), np.array([entry.step for entry in part])
        ahead = steps - forecaster.states.newest[rows]
        asked = np.flatnonzero((ahead > 0) & (ahead <= self.quantiles.shape[1]))
        stale = rows[asked][self.cutoff[rows[asked]] != forecaster.states.newest[rows[asked]]]
        if len(stale):
            self.remember(forecaster, stale, forecaster.forecast(stale, *self.limits))
        results: list[tuple[float | None, float | None]] = [(None, None)] * len(part)
        forecasts = self.quantiles[rows[asked], ahead[asked] - 1]
        p_values = self._p_values(forecaster, part, asked, forecasts, ahead[asked])
        for index, forecast, p_value in zip(asked, forecasts, p_values, strict=True):
            if np.isfinite(forecast).all():
                median = float(forecast[self.levels.index(0.5)])
                results[index] = median, float(p_value) if np.isfinite(p_value) else None
        return results

    def _p_values(
        self,
        forecaster: StreamingForecaster,
        part: list[Taken],
        asked: np.ndarray,
        forecasts: np.ndarray,
        ahead: np.ndarray,
    ) -> np.ndarray:
        """Return the p-value of each observation that something is forecast for; NaN without earlier errors."""
        if self.errors is None or not len(asked):
            return np.full(len(asked), np.nan)
        values = [part[index].observation.y for index in asked]
        y = np.array([np.nan if value is None else value for value in values])
        kept = forecaster.states.y[[part[index].row for index in asked]]
        lower = forecasts[:, 0] if self.levels[0] < 0.5 else np.full(len(asked), np.nan)
        upper = forecasts[:, -1] if self.levels[-1] > 0.5 else np.full(len(asked), np.nan)
        median = forecasts[:, self.levels.index(0.5)]
        scaled = scaled_errors(y, median, lower, upper, typical_change(kept, self.season))
        return step_p_values(scaled, ahead, self.errors)


def typical_change(values: np.ndarray, season: int) -> np.ndarray:
    """Return the mean absolute difference of values one season apart.

    Args:
        values: Kept values, (b, B), NaN where nothing was observed.
        season: Steps.

    Returns:
        (b,), NaN for a series without two such values.
    """
    distance = season if season < values.shape[1] else 1
    differences = np.abs(values[:, distance:] - values[:, :-distance])
    known = np.isfinite(differences)
    counts = known.sum(axis=1)
    sums = np.where(known, differences, 0.0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
