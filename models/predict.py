"""Forecast with a bundle of any kind: a Predictor has everything restored once, `predict` is one call of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from models.baselines.ridge_windows import linear_points
from models.baselines.seasonal import forecast_baseline
from models.baselines.seasonal_median import seasonal_median
from models.bundle import Bundle
from models.calibration.calibrate import apply_calibration, stored_shares
from models.calibration.inputs import SimpleForecasts
from models.calibration.shares import SHARES
from models.data.collation import WindowArrays
from models.data.panel import Panel
from models.engines import Engine, TorchEngine
from models.networks.quantile_functions import distribution_quantiles
from models.restore import restore_collator, restore_spec

BATCH_SIZE = 512  # windows


class WindowForecast(NamedTuple):
    """Forecasts of one batch of windows, in normalised units, before calibration."""

    arrays: WindowArrays
    normal: np.ndarray  # (b, H, Q) quantiles of the network, the mean over its members
    simple: SimpleForecasts | None  # that the network is blended with; None if it is not
    state: np.ndarray  # (b, M, k, l, hidden) of the encoders, after the last step that was read
    rows: np.ndarray | None  # (b,) row of each window in the shares by series, -1 without; None: none has its own


class CalibratedForecast(NamedTuple):
    """Forecasts in the units of the source, and what a change of the shares in their median adds to them."""

    quantiles: np.ndarray  # (n, H, Q) neither sorted, rounded nor limited
    differences: np.ndarray | None  # (3, n, H) simple forecasts minus the network's median; None if none is blended in

    @classmethod
    def join(cls, parts: Sequence["CalibratedForecast"]) -> "CalibratedForecast":
        """Join those of successive batches of windows of one model."""
        differences = [part.differences for part in parts if part.differences is not None]
        return cls(
            np.concatenate([part.quantiles for part in parts]),
            np.concatenate(differences, axis=1) if differences else None,
        )


class Predictor:
    """A bundle ready to forecast: of a recurrent network, its engine and its window normalisation are restored once."""

    def __init__(self, bundle: Bundle, engine: Engine | None = None) -> None:
        self.bundle = bundle
        if bundle.kind == "recurrent":
            self.engine, self.collator = engine or TorchEngine(bundle), restore_collator(bundle)
            self.head = restore_spec(bundle).head
            self.members = bundle.recurrent.members
            self.rows = {name: row for row, name in enumerate(bundle.recurrent.series_shares)}

    def forecast_windows(
        self,
        panel: Panel,
        series: np.ndarray,
        position: np.ndarray,
        state: np.ndarray | None = None,
        steps: int | None = None,
    ) -> WindowForecast:
        """Forecast with the network, without calibration.

        Args:
            panel: The series to forecast.
            series: Series code of each window, (b,).
            position: Step of each cutoff within its series, (b,).
            state: State of the encoders `steps` steps before the cutoff; None: the whole lookback is read.
            steps: Newest steps to read, a whole number of segments.

        Returns:
            The forecasts of these windows, computed as one batch.
        """
        arrays = self.collator.collate(panel, series, position)
        read = replace(arrays, past=np.ascontiguousarray(arrays.past[:, -steps:])) if steps else arrays
        output, levels = self.engine.run(read, state), self.bundle.levels
        scales = arrays.location, arrays.scale
        quantiles = [distribution_quantiles(self.head, params, levels, *scales) for params in output.params]
        simple = self._simple_forecasts(arrays, panel, series, position)
        rows = self._share_rows([panel.ids[code] for code in series])
        return WindowForecast(arrays, np.mean(quantiles, axis=0), simple, output.state, rows)

    def _simple_forecasts(
        self, arrays: WindowArrays, panel: Panel, series: np.ndarray, position: np.ndarray
    ) -> SimpleForecasts | None:
        """Forecasts that the network is blended with, in the normalised units of its windows; None if it is not."""
        maps, view = self.bundle.linear_maps, self.bundle.view
        if not maps:
            return None
        points = [linear_points(maps, view, panel, series, position)]
        if seasons := self.bundle.median_seasons:
            points.append(seasonal_median(panel, view, series, position, seasons))
        linear, *seasonal = ((values / arrays.factors - arrays.location) / arrays.scale for values in points)
        return SimpleForecasts(linear, arrays.linear[:, -1:].astype(np.float64), *seasonal)

    def calibrated(self, forecast: WindowForecast) -> CalibratedForecast:
        """Calibrate forecasts of windows, in the units of the source."""
        middle, arrays = self.bundle.levels.index(0.5), forecast.arrays
        normal = apply_calibration(forecast.normal, forecast.simple, self.bundle.tensors, middle, forecast.rows)
        adjusted = normal * arrays.scale[:, :, None] + arrays.location[:, :, None]
        quantiles = np.asarray(adjusted * arrays.factors[:, :, None])
        if forecast.simple is None:
            return CalibratedForecast(quantiles, None)
        differences = np.zeros((len(SHARES), *quantiles.shape[:2]))
        for number, values in enumerate(forecast.simple.differences(forecast.normal[..., middle])):
            differences[number] = values * arrays.scale * arrays.factors
        return CalibratedForecast(quantiles, differences)

    @property
    def is_blended(self) -> bool:
        """Whether simple forecasts are blended into the median."""
        return self.bundle.kind == "recurrent" and bool(self.bundle.linear_maps)

    def shares_of(self, names: Sequence[str]) -> np.ndarray:
        """Return the shares (n, 3) of the simple forecasts in the median of each series; 0 if none is blended in."""
        shares = np.zeros((len(names), len(SHARES)))
        return shares + stored_shares(self.bundle.tensors, self._share_rows(names)) if self.is_blended else shares

    def _share_rows(self, names: Sequence[str]) -> np.ndarray | None:
        """Return the row of each series in the shares by series, -1 without; None: none has its own."""
        return np.array([self.rows.get(name, -1) for name in names], dtype=np.int64) if self.rows else None

    def restricted(self, quantiles: np.ndarray, minimum: float | None, maximum: float | None) -> np.ndarray:
        """Sort quantiles (b, H, Q), round those of counts, and keep them inside the limits."""
        if self.bundle.kind == "recurrent" and self.head == "negative_binomial":
            minimum = max(minimum or 0.0, 0.0)  # calibration can push a quantile of a count below 0
        quantiles = np.rint(quantiles) + 0.0 if self.bundle.settings.whole else quantiles  # + 0.0: no -0
        ordered = np.sort(quantiles, axis=-1)
        return ordered if minimum is None and maximum is None else np.clip(ordered, minimum, maximum, out=ordered)

    def quantiles(self, panel: Panel, series: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Forecast calibrated quantiles (n, H, Q), as `forecast` does."""
        return self.forecast(panel, series, position).quantiles

    def forecast(self, panel: Panel, series: np.ndarray, position: np.ndarray) -> CalibratedForecast:
        """Forecast calibrated quantiles, neither sorted, rounded nor limited.

        Args:
            panel: The series to forecast.
            series: Series code of each window, (n,).
            position: Step of each cutoff within its series, (n,).

        Returns:
            Quantiles (n, H, Q), float64, in the units of the source, and the differences of the simple forecasts.
        """
        if self.bundle.kind != "recurrent":
            return CalibratedForecast(forecast_baseline(self.bundle, panel, series, position), None)
        count, horizon = len(series), self.bundle.horizon
        quantiles = np.zeros((count, horizon, len(self.bundle.levels)))
        differences = np.zeros((len(SHARES), count, horizon)) if self.is_blended else None
        for part in panel.window_batches(count, BATCH_SIZE):
            forecast = self.calibrated(self.forecast_windows(panel, series[part], position[part]))
            quantiles[part] = forecast.quantiles
            if differences is not None:
                differences[:, part] = forecast.differences
        return CalibratedForecast(quantiles, differences)


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
    predictor = Predictor(bundle)
    for part in panel.window_batches(len(series), BATCH_SIZE):
        yield predictor.forecast_windows(panel, series[part], position[part])


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
    predictor = Predictor(bundle)
    return predictor.restricted(predictor.quantiles(panel, series, position), minimum, maximum)
