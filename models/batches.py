"""Windows of a panel as tensors: gathered when they are needed, normalised window by window.

b windows · L lookback · H horizon · P past features · F future features · Q quantiles
A window's target is shifted by its location and divided by its scale, both from its own lookback, so that a series
that was never seen is no stranger; what it was divided by goes with it, and forecasts are put back into its units.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.panel import Panel


@dataclass(frozen=True)
class Scaling:
    """What was learned from the training windows: mean and deviation of each covariate, and the least scale."""

    known: np.ndarray  # (2, K)
    observed: np.ndarray  # (2, O)
    floor: float  # stands in for the deviation of a window that is constant, in the units of y

    @classmethod
    def fitted(cls, panel: Panel, series: np.ndarray, position: np.ndarray, lookback: int) -> "Scaling":
        """From the training windows alone: everything at or before their last cutoffs."""
        last = np.full(len(panel.ids), -1)
        np.maximum.at(last, series, position)
        rows = np.arange(len(panel.y)) <= np.repeat(panel.starts + last, panel.lengths)
        sample = np.linspace(0, len(series) - 1, min(len(series), 2000)).astype(int)
        past = panel.take(panel.y, series[sample], position[sample], np.arange(1 - lookback, 1))
        with np.errstate(invalid="ignore"):
            spread = np.array([np.nanstd(one) if np.isfinite(one).any() else np.nan for one in past])
        typical = float(np.nanmedian(spread[spread > 0])) if (spread > 0).any() else 1.0
        return cls(_moments(panel.known[rows]), _moments(panel.observed[rows]), 0.05 * typical)


def _moments(values: np.ndarray) -> np.ndarray:
    moments = np.zeros((2, values.shape[1]))
    moments[1] = 1.0
    for place in range(values.shape[1]):
        known = values[np.isfinite(values[:, place]), place]
        if len(known):
            mean, spread = known.mean(), known.std()
            moments[:, place] = mean, spread if spread > 1e-9 * abs(mean) else 1.0  # a constant's is mere rounding
    return moments


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

    def to(self, device: torch.device) -> "Batch":
        """The same batch where the network is; itself where it is there already."""
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})


@dataclass(frozen=True)
class Gatherer:
    """How windows become batches; the same in training, in evaluation and at night."""

    lookback: int
    horizon: int
    lags: tuple[int, ...]  # seasons whose last values are shown beside each step of the horizon
    scaling: Scaling
    vocabulary: tuple[dict[str, int], ...]  # a code for each known value of each static covariate; 0 is unknown

    def widths(self, panel: Panel) -> tuple[int, int]:
        """(P, F)."""
        known, observed, calendar = panel.known.shape[1], panel.observed.shape[1], panel.calendar.shape[1]
        return 2 + 2 * (known + observed) + calendar, 2 * known + calendar + 2 * len(self.lags)

    def gather(self, panel: Panel, series: np.ndarray, position: np.ndarray) -> Batch:
        """The batch of the windows whose cutoffs stand at `position` of `series`, both (b,)."""
        back, ahead = np.arange(1 - self.lookback, 1), np.arange(1, self.horizon + 1)
        y = panel.take(panel.y, series, position, back)
        seen = np.isfinite(y)
        location, scale = self._instance(y, seen)
        normal = (y - location) / scale
        known = panel.take(panel.known, series, position, np.concatenate([back, ahead]))
        known = _both(known, self.scaling.known, self.lookback)
        observed = _both(panel.take(panel.observed, series, position, back), self.scaling.observed, self.lookback)
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
            linear=_tensor(_carried(normal, seen)),
            target=_tensor((panel.take(panel.y, series, position, ahead) - location) / scale),
            location=torch.from_numpy(location),
            scale=torch.from_numpy(scale),
        )

    def _instance(self, y: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Location and scale (b, 1) of each lookback: mean and deviation of what was observed in it, never 0."""
        count = np.maximum(seen.sum(axis=1, keepdims=True), 1)
        location = np.where(seen, y, 0.0).sum(axis=1, keepdims=True) / count
        spread = np.sqrt((np.where(seen, y - location, 0.0) ** 2).sum(axis=1, keepdims=True) / count)
        reach = np.abs(np.where(seen, y - location, 0.0)).max(axis=1, keepdims=True)
        scale = np.maximum(spread, 0.2 * reach)  # one event in a quiet week is no reason to shout at the second
        quiet = np.minimum(self.scaling.floor, 0.05 * np.abs(location))
        residue = 1e-15 * self.scaling.floor  # what rounding leaves of a zero is no size to measure with
        constant = scale <= np.maximum(1e-6 * np.abs(location), residue)
        return location, np.where(constant, np.where(quiet > residue, quiet, self.scaling.floor), scale)

    def _level(self, location: np.ndarray, scale: np.ndarray) -> np.ndarray:
        typical = max(self.scaling.floor, 1e-12) * 20
        level = [np.log(scale / typical), np.arcsinh(location / scale), np.arcsinh(location / typical)]
        return np.clip(np.concatenate(level, axis=1), -8, 8)

    def _codes(self, panel: Panel, series: np.ndarray) -> np.ndarray:
        codes = [[words.get(v, 0) for v in values] for words, values in zip(self.vocabulary, panel.static, strict=True)]
        return np.array(codes, dtype=np.int64).reshape(len(codes), len(panel.ids)).T[series]


def _both(values: np.ndarray, moments: np.ndarray, lookback: int) -> np.ndarray:
    """(b, n, 2K): each covariate against all training rows, and against its own lookback; missing values are 0."""
    overall = (values - moments[0]) / moments[1]
    past = overall[:, :lookback]
    seen = np.isfinite(past)
    count = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    mean = np.where(seen, past, 0.0).sum(axis=1, keepdims=True) / count
    spread = np.sqrt((np.where(seen, past - mean, 0.0) ** 2).sum(axis=1, keepdims=True) / count)
    own = (overall - mean) / np.maximum(spread, 0.05)
    return np.clip(np.nan_to_num(np.concatenate([overall, own], axis=2)), -10, 10)


def _carried(normal: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Missing values replaced by the last observed one, leading ones by 0."""
    last = np.maximum.accumulate(np.where(seen, np.arange(normal.shape[1]), -1), axis=1)
    carried = np.take_along_axis(np.nan_to_num(normal), np.maximum(last, 0), axis=1)
    return np.where(last < 0, 0.0, carried)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
