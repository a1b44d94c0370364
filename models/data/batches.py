"""Windows of a panel as tensors: gathered when they are needed, normalised window by window.

b windows · L lookback · H horizon · P past features · F future features · Q quantiles
A window's target is shifted by its location and divided by its scale, both from its own lookback, so that a series
that was never seen is no stranger; what it was divided by goes with it, and forecasts are put back into its units.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from models.data.imputation import Fill, Filling, filled
from models.data.panel import Panel
from models.data.scaling import Normalisation, Scaling, covariates


@dataclass(frozen=True)
class Batch:
    """Tensors of b windows; `target` is NaN where nothing was observed."""

    past: Tensor  # (b, L, P)
    future: Tensor  # (b, H, F)
    static: Tensor  # (b, statics) int64
    level: Tensor  # (b, 3) what normalisation took away: location and scale, made comparable
    linear: Tensor  # (b, L) the normalised target alone, missing values filled by carrying the last one on
    target: Tensor  # (b, H), normalised
    location: Tensor  # (b, 1) float64, in the units of y
    scale: Tensor  # (b, 1) float64
    clock: Tensor  # (b,) int64 steps of the wall clock at the cutoff
    error_weights: Tensor  # (b, 1) how much its errors count in training

    def to(self, device: torch.device) -> "Batch":
        """The same batch where the network is; itself where it is there already."""
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})

    def flip_sign(self, chosen: Tensor, echoes: int) -> "Batch":
        """The same batch with the series of the `chosen` windows (b,) upside down; so many echoes close `future`."""
        sign = torch.where(chosen, -1.0, 1.0).to(self.target).unsqueeze(1)
        past, future, level = self.past.clone(), self.future.clone(), self.level.clone()
        past[..., 0] *= sign
        if echoes:
            future[..., -2 * echoes :: 2] *= sign.unsqueeze(2)
        level[:, 1:] *= sign
        return replace(
            self,
            past=past,
            future=future,
            level=level,
            linear=self.linear * sign,
            target=self.target * sign,
            location=self.location * sign,
        )


@dataclass(frozen=True)
class WindowCollator:
    """How windows become batches; the same in training, in evaluation and at night."""

    lookback: int
    horizon: int
    lags: tuple[int, ...]  # seasons whose last values are shown beside each step of the horizon
    scaling: Scaling
    vocabulary: tuple[dict[str, int], ...]  # a code for each known value of each static covariate; 0 is unknown
    normalisation: Normalisation = "standard"
    filling: Filling = field(default_factory=Filling)

    def widths(self, panel: Panel) -> tuple[int, int]:
        """(P, F)."""
        known, observed, calendar = panel.known.shape[1], panel.observed.shape[1], panel.calendar.shape[1]
        known, observed = 2 * known + len(self.filling.gappy_known), 2 * observed + len(self.filling.gappy_observed)
        return 2 + known + observed + calendar, known + calendar + 2 * len(self.lags)

    def collate(self, panel: Panel, series: np.ndarray, position: np.ndarray) -> Batch:
        """The batch of the windows whose cutoffs stand at `position` of `series`, both (b,)."""
        back, ahead = np.arange(1 - self.lookback, 1), np.arange(1, self.horizon + 1)
        y = panel.take(panel.y, series, position, back)
        seen = np.isfinite(y)
        location, scale = self.scaling.window_scale(y, seen, self.normalisation)
        normal = (filled(y, self.filling.y, self.filling.season) - location) / scale
        known = panel.take(panel.known, series, position, np.concatenate([back, ahead]))
        known = self._shown(known, self.scaling.known, self.filling.known, self.filling.gappy_known)
        observed = panel.take(panel.observed, series, position, back)
        observed = self._shown(observed, self.scaling.observed, self.filling.observed, self.filling.gappy_observed)
        past = [np.nan_to_num(normal)[:, :, None], seen[:, :, None].astype(float), known[:, : self.lookback], observed]
        future = [known[:, self.lookback :], panel.calendar_at(series, position, ahead)]
        for lag in self.lags:
            echo = panel.take(panel.y, series, position, ahead - lag * -(-ahead // lag))
            echo = (echo - location) / scale
            future.append(np.stack([np.nan_to_num(echo), np.isfinite(echo).astype(float)], axis=2))
        return Batch(
            past=_tensor(np.concatenate([*past, panel.calendar_at(series, position, back)], axis=2)),
            future=_tensor(np.concatenate(future, axis=2)),
            static=torch.from_numpy(self._codes(panel, series)),
            level=_tensor(self._level(location, scale)),
            linear=_tensor(_carried(normal, np.isfinite(normal))),
            target=_tensor((panel.take(panel.y, series, position, ahead) - location) / scale),
            location=torch.from_numpy(location),
            scale=torch.from_numpy(scale),
            clock=torch.from_numpy(panel.clock[np.clip(panel.first[series] + position, 0, None)]),
            error_weights=torch.ones(len(series), 1),
        )

    def _shown(
        self, values: np.ndarray, moments: np.ndarray, fills: tuple[Fill, ...], gappy: tuple[int, ...]
    ) -> np.ndarray:
        """Covariates (b, n, K) as the network sees them (b, n, 2K + gappy): filled, scaled, then the masks."""
        told = values
        if any(fill != "none" for fill in fills):
            columns = [filled(values[..., k], fill, self.filling.season) for k, fill in enumerate(fills)]
            told = np.stack(columns, axis=2)
        masks = np.isfinite(values[..., list(gappy)]).astype(float)
        return np.concatenate([covariates(told, moments, self.lookback), masks], axis=2)

    def _level(self, location: np.ndarray, scale: np.ndarray) -> np.ndarray:
        typical = max(self.scaling.floor, 1e-12) * 20
        level = [np.log(scale / typical), np.arcsinh(location / scale), np.arcsinh(location / typical)]
        return np.clip(np.concatenate(level, axis=1), -8, 8)

    def _codes(self, panel: Panel, series: np.ndarray) -> np.ndarray:
        codes = [[words.get(v, 0) for v in values] for words, values in zip(self.vocabulary, panel.static, strict=True)]
        return np.array(codes, dtype=np.int64).reshape(len(codes), len(panel.ids)).T[series]


def _carried(normal: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Missing values replaced by the last observed one, leading ones by 0."""
    last = np.maximum.accumulate(np.where(seen, np.arange(normal.shape[1]), -1), axis=1)
    carried = np.take_along_axis(np.nan_to_num(normal), np.maximum(last, 0), axis=1)
    return np.where(last < 0, 0.0, carried)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
