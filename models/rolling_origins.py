"""Recalibrate a model on its own forecasts at origins before the cutoff, which nothing has to remember.

series     · · · o · · · o · · · o · · · c        o: origins at the hour of the day of the cutoff c
errors           └ h h h └ h h h └ h h h            of forecasts whose actuals are known at c
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.calibration.newest_shares import FIFTHS, NewestShares, PastMedians, candidate_losses, fit_newest_shares
from models.calibration.shares import SHARES, weigh_differences
from models.data.mapped_pages import release_pages
from models.data.panel import Panel
from models.predict import Predictor
from models.recalibration import Recalibration, fit_recalibration
from models.short_histories import fit_first_errors, history_lengths, sizes_of

MAX_ORIGINS = 56  # before each cutoff, at its phase of the day
MAX_CELLS = 1_500_000  # series x origins x steps: of more series, a sample gives the factors of all


class OriginForecasts(NamedTuple):
    """Forecasts of the sampled series from one step of the grid."""

    quantiles: np.ndarray  # (S, H, Q), sorted; 0 where not forecast
    differences: np.ndarray  # (3, S, H) simple forecasts minus the network's median; 0 where none is blended in
    losses: np.ndarray  # (C, S) of the median with each of the candidate shares
    actuals: np.ndarray  # (S, H), NaN where unknown
    is_forecast: np.ndarray  # (S,) bool

    @classmethod
    def empty(cls, count: int, horizon: int, levels: int) -> "OriginForecasts":
        """Return the origin before anything is forecast from it."""
        unknown = np.full((count, horizon), np.nan)
        differences, losses = np.zeros((len(SHARES), count, horizon)), np.full((len(FIFTHS), count), np.nan)
        return cls(np.zeros((count, horizon, levels)), differences, losses, unknown, np.zeros(count, dtype=bool))


class RollingOrigins:
    """A model and its forecasts at the origins before a cutoff; the next cutoff reuses them."""

    def __init__(self, predictor: Predictor, panel: Panel) -> None:
        """Take a model and the series; nothing after a cutoff is read but known covariates.

        Args:
            predictor: The model.
            panel: The series.
        """
        self.predictor, self.panel = predictor, panel
        stride = -(-len(panel.ids) * MAX_ORIGINS * predictor.bundle.horizon // MAX_CELLS)
        self._sampled = np.arange(0, len(panel.ids), max(stride, 1))
        settings = predictor.bundle.settings
        self._first = _first_after(getattr(settings, "trained_until", None), panel, self._sampled)
        validated = _first_after(getattr(settings, "validated_until", None), panel, self._sampled)
        self._first_unvalidated = np.maximum(self._first, validated)
        self._shares = predictor.shares_of([panel.ids[code] for code in self._sampled])
        self._origins: dict[int, OriginForecasts] = {}  # by step of the grid

    def recalibrate(self, series: np.ndarray, position: np.ndarray) -> Iterator[tuple[np.ndarray, Recalibration]]:
        """Fit the factors of forecasts from the forecasts of the same model at origins before each cutoff.

        Origins before the last training target of a network are left out: its errors there are too small.

        Args:
            series: Series code of each forecast, (n,), each at most once per cutoff.
            position: Step of each cutoff within its series, (n,).

        Yields:
            For each cutoff, the oldest first: which of the n forecasts are made at it, and their factors in this order.
        """
        cutoffs = self.panel.first[series] + position
        groups = {int(cutoff): np.flatnonzero(cutoffs == cutoff) for cutoff in np.unique(cutoffs)}
        wanted: dict[int, np.ndarray] = {}
        for cutoff, rows in groups.items():
            used = self._is_used(series[rows])
            for step in self._steps_before(cutoff):
                wanted[step] = wanted.get(step, False) | (used & self._is_usable(step))
        self._forecast(wanted)
        for cutoff, rows in groups.items():
            yield rows, self._widen_short(self._fit(cutoff, series[rows]), cutoff, series[rows])

    def _steps_before(self, cutoff: int) -> list[int]:
        phase = self.panel.view.phase
        return [cutoff - phase * back for back in range(MAX_ORIGINS, 0, -1) if cutoff >= phase * back]

    def _is_used(self, series: np.ndarray) -> np.ndarray:
        return np.isin(self._sampled, series)

    def _is_usable(self, step: int) -> np.ndarray:
        return step - self.panel.first[self._sampled] >= self._first

    def _forecast(self, wanted: dict[int, np.ndarray]) -> None:
        """Forecast what is wanted and not kept yet, in one batch; keep only what is wanted."""
        horizon, levels, count = self.predictor.bundle.horizon, self.predictor.bundle.levels, len(self._sampled)
        self._origins = {
            step: self._origins.get(step) or OriginForecasts.empty(count, horizon, len(levels)) for step in wanted
        }
        missing = {step: np.flatnonzero(rows & ~self._origins[step].is_forecast) for step, rows in wanted.items()}
        series = np.concatenate([self._sampled[rows] for rows in missing.values()] or [self._sampled[:0]])
        if not len(series):
            return
        steps = np.repeat(list(missing), [len(rows) for rows in missing.values()])
        at = series.astype(np.int32), (steps - self.panel.first[series]).astype(np.int32)
        quantiles, differences = self.predictor.forecast(self.panel, *at)
        quantiles.sort(axis=-1)
        is_finite = np.isfinite(quantiles).all(axis=-1)
        quantiles[~is_finite] = 0.0
        actuals = np.where(is_finite, self.panel.take(self.panel.y, *at, np.arange(1, horizon + 1)), np.nan)
        release_pages(self.panel.y)
        start = 0
        for step, rows in missing.items():
            origin, part = self._origins[step], slice(start, start + len(rows))
            origin.quantiles[rows], origin.actuals[rows] = quantiles[part], actuals[part]
            if differences is not None:
                simple = np.where(is_finite[part], differences[:, part], 0.0)
                medians = quantiles[part][..., self.predictor.bundle.levels.index(0.5)]
                past = PastMedians(actuals[part], medians, simple, self.predictor.bundle.settings.whole)
                origin.differences[:, rows] = simple
                origin.losses[:, rows] = candidate_losses(past, self._shares[rows], self.predictor.head)
            origin.is_forecast[rows] = True
            start += len(rows)

    def _fit(self, cutoff: int, series: np.ndarray) -> Recalibration:
        """Fit the factors of `series` at a cutoff from the kept forecasts."""
        used = np.flatnonzero(self._is_used(series))
        bundle = self.predictor.bundle
        steps = [step for step in self._steps_before(cutoff) if self._is_usable(step)[used].any()]
        if not steps or not len(used):
            return Recalibration.neutral(len(series), bundle.horizon, len(bundle.levels))
        usable = np.stack([self._is_usable(step)[used] for step in steps])
        known = np.array(steps)[:, None] + np.arange(1, bundle.horizon + 1) <= cutoff
        actuals = np.stack([self._origins[step].actuals[used] for step in steps])
        actuals = np.where(usable[..., None] & known[:, None, :], actuals, np.nan)
        quantiles = np.stack([self._origins[step].quantiles[used] for step in steps])
        resolution = 1.0 if bundle.settings.whole else 0.0
        is_pooled = len(self._sampled) < len(self.panel.ids)
        newest = self._fit_newest_shares(cutoff, steps, used, is_pooled)
        changes = newest.changes(self._shares[used]) if newest else np.zeros((len(used), len(SHARES)))
        for number, step in enumerate(steps):
            quantiles[number] += weigh_differences(changes, self._origins[step].differences[:, used])[..., None]
        spacing = self.panel.view.phase / bundle.horizon
        fitted = fit_recalibration(quantiles, actuals, bundle.levels, resolution, is_pooled, spacing)
        fitted = fitted._replace(share_changes=changes)
        if not is_pooled:
            return fitted.of(list(map(str, series)), list(map(str, self._sampled[used])))
        neutral = Recalibration.neutral(len(series), bundle.horizon, len(bundle.levels))
        by_series = np.repeat(fitted.by_series[:1], len(series), axis=0)
        nights = np.full(len(series), len(steps))
        fitted = neutral._replace(by_series=by_series, by_step=fitted.by_step, nights=nights)
        if newest is None:
            return fitted
        names = [self.panel.ids[code] for code in series]
        return fitted._replace(share_changes=newest.changes(self.predictor.shares_of(names)))

    def _fit_newest_shares(
        self, cutoff: int, steps: list[int], used: np.ndarray, is_pooled: bool
    ) -> NewestShares | None:
        """Fit the shares of the simple forecasts to origins after validation whose horizons are over; None without."""
        view = self.panel.view
        over = [step for step in steps if step + view.horizon <= cutoff]
        if not self.predictor.is_blended or not over:
            return None
        first = self.panel.first[self._sampled] + self._first_unvalidated
        losses = np.stack([np.where(first <= step, self._origins[step].losses, np.nan)[:, used] for step in over])
        return fit_newest_shares(losses, self._shares[used], view.phase / view.horizon, is_pooled)

    def _widen_short(self, fitted: Recalibration, cutoff: int, series: np.ndarray) -> Recalibration:
        """Add the errors of short histories, if any series has less than a season of them."""
        position = cutoff - self.panel.first[series]
        length = history_lengths(self.panel, series, position)
        is_short = length >= 0
        if not is_short.any():
            return fitted
        errors = fit_first_errors(self.predictor, self.panel, series[~is_short], cutoff)
        if errors is None:
            return fitted
        size = sizes_of(self.panel, series, position, errors.typical)
        return fitted._replace(
            size=np.where(is_short, size, 0.0), length=np.where(is_short, length, 0), first_errors=errors.relative
        )


def _first_after(moment: str | None, panel: Panel, series: np.ndarray) -> np.ndarray:
    """Return the first position of each series at or after a moment in UTC, (s,); 0 without one."""
    first = np.zeros(len(series), dtype=np.int64)
    if moment is None:
        return first
    time = pd.Timestamp(moment)
    time = time.tz_convert(None) if time.tzinfo else time
    step = int(panel.grid.tz_localize(None).searchsorted(time, side="left"))
    return np.maximum(first, step - panel.first[series])
