"""Windows of a panel as arrays: collated on demand, normalised window by window.

b windows · L lookback · H horizon · P past features · F future features
The target of a window is shifted by a location and divided by a scale, both computed from its own lookback, so that a
series without training windows is in the same range. The arrays keep both, to turn forecasts back into source units.
"""

from dataclasses import dataclass, field

import numpy as np

from models.data.imputation import Fill, Filling, fill_gaps
from models.data.panel import Panel
from models.data.scaling import Normalisation, Scaling, scale_covariates
from models.data.seasonal_adjustment import seasonal_factors

INDEX_SCALE = 3.0  # of the logarithm of the seasonal index as an input: its size is then that of other inputs


@dataclass(frozen=True)
class WindowArrays:
    """Arrays of b windows, float32 unless stated."""

    past: np.ndarray  # (b, L, P)
    future: np.ndarray  # (b, H, F)
    static: np.ndarray  # (b, statics) int64
    level: np.ndarray  # (b, 3) location and scale of the normalisation, in comparable units
    linear: np.ndarray  # (b, L) the normalised past target, gaps filled forward
    target: np.ndarray  # (b, H), normalised; NaN where nothing was observed
    location: np.ndarray  # (b, 1) float64, in the units of y
    scale: np.ndarray  # (b, 1) float64
    clock: np.ndarray  # (b,) int64 steps since 1970 on the wall clock, at the cutoff
    factors: np.ndarray  # (b, H) float64, the seasonal index that the target was divided by


@dataclass(frozen=True)
class WindowCollator:
    """Turns windows into arrays; training, evaluation and forecasting use the same normalisation."""

    lookback: int
    horizon: int
    lags: tuple[int, ...]  # seasons, in steps, whose last values are inputs of each horizon step
    scaling: Scaling
    vocabulary: tuple[dict[str, int], ...]  # code of each known value of each static covariate; 0: unknown
    normalisation: Normalisation = "standard"
    filling: Filling = field(default_factory=Filling)
    adjustment: tuple[int, ...] = ()  # seasons, in steps, that windows are adjusted for

    def widths(self, panel: Panel) -> tuple[int, int]:
        """Return the numbers of past and future features, (P, F)."""
        known, observed, calendar = panel.known.shape[1], panel.observed.shape[1], panel.calendar.shape[1]
        known, observed = 2 * known + len(self.filling.gappy_known), 2 * observed + len(self.filling.gappy_observed)
        index = 1 if self.adjustment else 0
        return 2 + known + observed + calendar + index, known + calendar + index + 2 * len(self.lags)

    def collate(self, panel: Panel, series: np.ndarray, position: np.ndarray) -> WindowArrays:
        """Collate windows.

        Args:
            panel: The series; rows after a cutoff are read for the target and for known covariates.
            series: Series code of each window, (b,).
            position: Step of each cutoff within its series, (b,).

        Returns:
            The arrays, in the order of `series`.
        """
        back, ahead = np.arange(1 - self.lookback, 1), np.arange(1, self.horizon + 1)
        factors = self._factors(panel, series, position)
        y = panel.take(panel.y, series, position, back) / factors[:, : self.lookback]
        seen = np.isfinite(y)
        ranges = panel.ranges_at(series, position)[:, None]
        location, scale = self.scaling.window_scale(y, seen, self.normalisation, ranges)
        factors_ahead = factors[:, self.lookback :]
        normal = (fill_gaps(y, self.filling.y, self.filling.season) - location) / scale
        known = panel.take(panel.known, series, position, np.arange(1 - self.lookback, self.horizon + 1))
        known = self._scaled(known, self.scaling.known, self.filling.known, self.filling.gappy_known)
        observed = panel.take(panel.observed, series, position, back)
        observed = self._scaled(observed, self.scaling.observed, self.filling.observed, self.filling.gappy_observed)
        calendar = panel.calendar_at(series, position, np.arange(1 - self.lookback, self.horizon + 1))
        past = [_without_gaps(normal), seen, known[:, : self.lookback], observed, calendar[:, : self.lookback]]
        future = [known[:, self.lookback :], calendar[:, self.lookback :]]
        if self.adjustment:
            index = INDEX_SCALE * np.log(factors)
            past, future = [*past, index[:, : self.lookback]], [*future, index[:, self.lookback :]]
        for lag in self.lags:
            offsets = ahead - lag * -(-ahead // lag)
            lagged = panel.take(panel.y, series, position, offsets) / factors[:, self.lookback - 1 + offsets]
            lagged = (lagged - location) / scale
            future += [_without_gaps(lagged), np.isfinite(lagged)]
        return WindowArrays(
            past=_join_columns(past),
            future=_join_columns(future),
            static=self._codes(panel, series),
            level=_float32(self._level(location, scale)),
            linear=_float32(_carry_forward(normal, np.isfinite(normal))),
            target=_float32((panel.take(panel.y, series, position, ahead) / factors_ahead - location) / scale),
            location=location,
            scale=scale,
            clock=panel.clock[np.clip(panel.first[series] + position, 0, None)],
            factors=factors_ahead,
        )

    def _factors(self, panel: Panel, series: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Seasonal index of the lookback and the horizon of each window, (b, L + H); 1 without an adjustment."""
        if not self.adjustment:
            return np.ones((len(series), self.lookback + self.horizon))
        offsets = np.arange(1 - self.lookback, self.horizon + 1)
        return seasonal_factors(panel, series, position, self.adjustment, offsets)

    def _scaled(
        self, values: np.ndarray, moments: np.ndarray, fills: tuple[Fill, ...], gappy: tuple[int, ...]
    ) -> np.ndarray:
        """Network inputs (b, n, 2K + gappy) of covariates (b, n, K): filled and scaled values, then the masks."""
        if not values.shape[2]:
            return values
        filled = values
        if any(fill != "none" for fill in fills):
            columns = [fill_gaps(values[..., k], fill, self.filling.season) for k, fill in enumerate(fills)]
            filled = np.stack(columns, axis=2)
        masks = np.isfinite(values[..., list(gappy)]).astype(float)
        return np.concatenate([scale_covariates(filled, moments, self.lookback), masks], axis=2)

    def _level(self, location: np.ndarray, scale: np.ndarray) -> np.ndarray:
        typical = max(self.scaling.floor, 1e-12) * 20
        level = [np.log(scale / typical), np.arcsinh(location / scale), np.arcsinh(location / typical)]
        return np.clip(np.concatenate(level, axis=1), -8, 8)

    def _codes(self, panel: Panel, series: np.ndarray) -> np.ndarray:
        covariates = zip(self.vocabulary, panel.static, strict=True)
        codes = [[vocabulary.get(value, 0) for value in values] for vocabulary, values in covariates]
        return np.array(codes, dtype=np.int64).reshape(len(codes), len(panel.ids)).T[series]


def _carry_forward(normal: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Replace missing values by the last observed one, leading ones by 0."""
    last = np.maximum.accumulate(np.where(seen, np.arange(normal.shape[1]), -1), axis=1)
    carried = np.take_along_axis(_without_gaps(normal), np.maximum(last, 0), axis=1)
    return np.where(last < 0, 0.0, carried)


def _without_gaps(values: np.ndarray) -> np.ndarray:
    """Replace NaN by 0; several times faster than `np.nan_to_num` on the few values of one window."""
    return np.where(np.isnan(values), 0.0, values)


def _join_columns(parts: list[np.ndarray]) -> np.ndarray:
    """Join columns (b, n), and groups of columns (b, n, k), to (b, n, K) float32, without an array of float64."""
    groups = [part[:, :, None] if part.ndim == 2 else part for part in parts]
    ends = np.cumsum([group.shape[2] for group in groups])
    joined = np.empty((*groups[0].shape[:2], ends[-1]), dtype=np.float32)
    for group, end in zip(groups, ends, strict=True):
        joined[:, :, end - group.shape[2] : end] = group
    return joined


def _float32(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.float32)
