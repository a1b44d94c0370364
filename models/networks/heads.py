"""What a forecast is made of: how the decoder's raw numbers become a distribution, its loss, and its quantiles.

Each head says how many raw numbers a step needs (`size`), and turns raw (b, H, size) and base (b, H), the linear map's
forecast, into `told`, the parameters of its distribution in normalised units.
"""

from typing import Literal, Protocol

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional

from models.data.batches import Batch

HeadName = Literal["quantiles", "mae", "mse", "huber", "student_t", "negative_binomial"]
POINTS = ("mae", "mse", "huber")


class Head(Protocol):
    """A head: raw numbers → parameters → loss, point and quantiles; all but the loss in normalised units."""

    size: int

    def __call__(self, raw: Tensor, base: Tensor, batch: Batch) -> Tensor: ...
    def loss(self, told: Tensor, batch: Batch) -> Tensor: ...
    def point(self, told: Tensor, batch: Batch) -> Tensor: ...
    def quantiles(self, told: Tensor, batch: Batch) -> Tensor: ...


def build_head(name: HeadName, levels: tuple[float, ...]) -> Head:
    """The head of that name, asked for these levels, of which one is 0.5."""
    if name == "quantiles":
        return Quantiles(levels)
    if name == "student_t":
        return StudentT(levels)
    return NegativeBinomial(levels) if name == "negative_binomial" else Point(name, levels)


def known_mean(losses: Tensor, known: Tensor) -> Tensor:
    """Mean over the known targets; 0 where there are none."""
    return torch.where(known, losses, 0.0).sum() / known.sum().clamp(min=1)


def pinball_loss(quantiles: Tensor, target: Tensor, levels: Tensor, loudness: Tensor) -> Tensor:
    """Mean quantile loss of (b, H, Q) against (b, H) times `loudness` (b, 1); missing targets (NaN) do not count."""
    known = torch.isfinite(target)
    excess = torch.where(known, target, 0.0).unsqueeze(-1) - quantiles
    return known_mean(torch.maximum(levels * excess, (levels - 1) * excess).mean(-1) * loudness, known)


class Quantiles:
    """The median, and distances from it that are never negative: quantiles that can't cross."""

    def __init__(self, levels: tuple[float, ...]) -> None:
        self.levels, self.size, self.middle = levels, len(levels), levels.index(0.5)

    def __call__(self, raw: Tensor, base: Tensor, batch: Batch) -> Tensor:
        median = raw[..., self.middle : self.middle + 1] + base.unsqueeze(-1)
        gaps = functional.softplus(raw)
        above = gaps[..., self.middle + 1 :].cumsum(-1)
        below = gaps[..., : self.middle].flip(-1).cumsum(-1).flip(-1)
        return torch.cat([median - below, median, median + above], dim=-1)

    def loss(self, told: Tensor, batch: Batch) -> Tensor:
        return pinball_loss(told, batch.target, torch.tensor(self.levels, device=told.device), batch.error_weights)

    def point(self, told: Tensor, batch: Batch) -> Tensor:
        return told[..., self.middle]

    def quantiles(self, told: Tensor, batch: Batch) -> Tensor:
        return told


class Point:
    """One number a step and nothing about how sure it is: its interval comes from its errors on the validation part."""

    size = 1

    def __init__(self, name: HeadName, levels: tuple[float, ...]) -> None:
        self.name, self.levels = name, levels

    def __call__(self, raw: Tensor, base: Tensor, batch: Batch) -> Tensor:
        return raw + base.unsqueeze(-1)

    def loss(self, told: Tensor, batch: Batch) -> Tensor:
        known = torch.isfinite(batch.target)
        away = torch.where(known, batch.target, 0.0) - told[..., 0]
        if self.name == "huber":
            losses = functional.smooth_l1_loss(away, torch.zeros_like(away), reduction="none")
        else:
            losses = away.abs() if self.name == "mae" else away.square()
        return known_mean(losses * batch.error_weights, known)

    def point(self, told: Tensor, batch: Batch) -> Tensor:
        return told[..., 0]

    def quantiles(self, told: Tensor, batch: Batch) -> Tensor:
        return told.expand(*told.shape[:2], len(self.levels))


class StudentT:
    """Location, scale and degrees of freedom (above 2, so that there is a variance), as in DeepAR's heavy tails."""

    size = 3

    def __init__(self, levels: tuple[float, ...]) -> None:
        self.levels = levels

    def __call__(self, raw: Tensor, base: Tensor, batch: Batch) -> Tensor:
        scale, freedom = functional.softplus(raw[..., 1]) + 1e-3, 2 + functional.softplus(raw[..., 2])
        return torch.stack([raw[..., 0] + base, scale, freedom], dim=-1)

    def loss(self, told: Tensor, batch: Batch) -> Tensor:
        known = torch.isfinite(batch.target)
        spread = torch.distributions.StudentT(told[..., 2], told[..., 0], told[..., 1])
        likely: Tensor = spread.log_prob(torch.where(known, batch.target, 0.0))  # type: ignore[no-untyped-call]
        return known_mean(-likely, known)

    def point(self, told: Tensor, batch: Batch) -> Tensor:
        return told[..., 0]

    def quantiles(self, told: Tensor, batch: Batch) -> Tensor:
        location, scale, freedom = (told[..., place : place + 1].double() for place in range(3))
        away = stats.t.ppf(np.array(self.levels), freedom.cpu().numpy())
        return location + scale * torch.from_numpy(away).to(told.device)


class NegativeBinomial:
    """Mean and dispersion of a count in its own units: variance = mean + dispersion × mean² (Salinas et al. 2020)."""

    size = 2

    def __init__(self, levels: tuple[float, ...]) -> None:
        self.levels = levels

    def __call__(self, raw: Tensor, base: Tensor, batch: Batch) -> Tensor:
        shift = (batch.location / batch.scale).to(raw.dtype)
        mean = functional.softplus(raw[..., 0] + base + shift) * batch.scale.to(raw.dtype) + 1e-6
        return torch.stack([mean, functional.softplus(raw[..., 1]) + 1e-4], dim=-1)

    def loss(self, told: Tensor, batch: Batch) -> Tensor:
        known = torch.isfinite(batch.target)
        count = torch.where(known, batch.target * batch.scale + batch.location, 0.0).round().clamp(min=0)
        mean, dispersion = told.double().unbind(-1)
        spread = torch.distributions.NegativeBinomial(1 / dispersion, logits=(mean * dispersion).log())
        likely: Tensor = spread.log_prob(count)  # type: ignore[no-untyped-call]  # so in torch's own annotations
        return known_mean(-likely, known)

    def point(self, told: Tensor, batch: Batch) -> Tensor:
        """The mean: a median of counts has no gradient."""
        return (told[..., 0] - batch.location.to(told.dtype)) / batch.scale.to(told.dtype)

    def quantiles(self, told: Tensor, batch: Batch) -> Tensor:
        mean, dispersion = (told[..., place : place + 1].double().cpu().numpy() for place in range(2))
        counts = stats.nbinom.ppf(np.array(self.levels), 1 / dispersion, 1 / (1 + mean * dispersion))
        found = torch.from_numpy(counts).to(told.device)
        return (found - batch.location.unsqueeze(-1)) / batch.scale.unsqueeze(-1)
