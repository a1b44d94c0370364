"""What a calibration is given: its settings, and the simple forecasts that a network is blended with."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.networks.architecture import HeadName


class CalibrationSpec(NamedTuple):
    """Quantile levels, ascending, with 0.5; the head of the network; when and of which series the windows are."""

    levels: tuple[float, ...]
    head: HeadName
    times: np.ndarray | None = None  # (n,) in horizons from any origin; None: evidence is unlimited
    seasonal: float = 0.0  # share of the best seasonal median that the training part justifies: `seasonal_evidence`
    series: np.ndarray | None = None  # (n,) number of the series, from 0; None: no shares by series

    def weight(self, prior: float) -> float:
        """Return the weight of what is fitted against what is assumed, if that is worth `prior` horizons."""
        horizons = float("inf") if self.times is None else float(np.ptp(self.times)) + 1
        return 1 - prior / (horizons + prior)


class SimpleForecasts(NamedTuple):
    """Point forecasts that a network is blended with, in normalised units."""

    linear: np.ndarray  # (n, H) of the linear map
    last: np.ndarray  # (n, 1) last value of the lookback, the naive forecast of all steps
    seasonal: np.ndarray | None = None  # (n, H) median of the newest seasons; None without one

    @classmethod
    def join(cls, parts: Sequence["SimpleForecasts"]) -> "SimpleForecasts":
        """Join those of successive batches of windows."""
        kept = (values for values in zip(*parts, strict=True) if values[0] is not None)
        return cls(*map(np.concatenate, kept))

    def differences(self, median: np.ndarray) -> np.ndarray:
        """Return the forecasts minus the median (n, H) of the network, (k, n, H)."""
        return np.stack([forecast - median for forecast in self if forecast is not None])
