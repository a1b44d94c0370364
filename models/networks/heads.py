"""Heads: the decoder's raw numbers become a distribution, with its loss, its point forecast and its quantiles.

Each head states how many raw numbers it needs for a step (`size`). It turns raw (b, H, size) and base (b, H), the
forecast of the linear map, into `params` (b, H, …), the parameters of its distribution in normalised units.
"""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from models.data.batches import Batch
from models.networks.architecture import HeadName
from models.networks.quantile_functions import negative_binomial_quantiles, student_t_quantiles


class Head(Protocol):
    """A head: raw numbers → params → loss, point (b, H) and quantiles (b, H, Q), the last two in normalised units."""

    size: int

    def __call__(self, raw: Tensor, base: Tensor, batch: Batch) -> Tensor:
        """Return the params (b, H, …) for raw (b, H, size) and base (b, H)."""

    def loss(self, params: Tensor, batch: Batch) -> Tensor:
        """Return the mean loss over the observed targets, a scalar."""

    def point(self, params: Tensor, batch: Batch) -> Tensor:
        """Return the point forecast (b, H)."""

    def quantiles(self, params: Tensor, batch: Batch) -> Tensor:
        """Return the quantiles (b, H, Q), non-decreasing in Q."""


def build_head(name: HeadName, levels: tuple[float, ...]) -> Head:
    """Build the head of that name for the quantile `levels`, which must contain 0.5."""
    if name == "quantiles":
        return QuantileHead(levels)
    if name == "student_t":
        return StudentTHead(levels)
    return NegativeBinomialHead(levels) if name == "negative_binomial" else PointHead(name, levels)


def masked_mean(losses: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of `losses` where `mask` is true; 0 if it is true nowhere."""
    return torch.where(mask, losses, 0.0).sum() / mask.sum().clamp(min=1)


def pinball_loss(quantiles: Tensor, target: Tensor, levels: Tensor, weights: Tensor) -> Tensor:
    """Return the mean pinball loss, a scalar, over the observed targets.

    Args:
        quantiles: Forecast quantiles, (b, H, Q).
        target: Actual values in the same units, (b, H); NaN if not observed.
        levels: Quantile levels, (Q,).
        weights: Weight of each window's errors, (b, 1).

    Returns:
        The mean over steps, windows and levels; 0 if no target was observed.
    """
    observed = torch.isfinite(target)
    excess = torch.where(observed, target, 0.0).unsqueeze(-1) - quantiles
    return masked_mean(torch.maximum(levels * excess, (levels - 1) * excess).mean(-1) * weights, observed)


class QuantileHead:
    """The median and non-negative distances from it, so that quantiles cannot cross."""

    def __init__(self, levels: tuple[float, ...]) -> None:
        self.levels, self.size, self.middle = levels, len(levels), levels.index(0.5)

    def __call__(self, raw: Tensor, base: Tensor, batch: Batch) -> Tensor:
        """Return the quantiles (b, H, Q)."""
        median = raw[..., self.middle : self.middle + 1] + base.unsqueeze(-1)
        gaps = functional.softplus(raw)
        above = gaps[..., self.middle + 1 :].cumsum(-1)
        below = gaps[..., : self.middle].flip(-1).cumsum(-1).flip(-1)
        return torch.cat([median - below, median, median + above], dim=-1)

    def loss(self, params: Tensor, batch: Batch) -> Tensor:
        """Return the weighted pinball loss."""
        levels = torch.tensor(self.levels, device=params.device)
        return pinball_loss(params, batch.target, levels, batch.error_weights)

    def point(self, params: Tensor, batch: Batch) -> Tensor:
        """Return the median."""
        return params[..., self.middle]

    def quantiles(self, params: Tensor, batch: Batch) -> Tensor:
        """Return the parameters: they are the quantiles."""
        return params


class PointHead:
    """A point forecast without a spread: calibration makes its intervals from its errors on the validation part."""

    size = 1

    def __init__(self, name: HeadName, levels: tuple[float, ...]) -> None:
        self.name, self.levels = name, levels

    def __call__(self, raw: Tensor, base: Tensor, batch: Batch) -> Tensor:
        """Return the forecast (b, H, 1)."""
        return raw + base.unsqueeze(-1)

    def loss(self, params: Tensor, batch: Batch) -> Tensor:
        """Return the weighted mean absolute, squared or Huber error."""
        observed = torch.isfinite(batch.target)
        errors = torch.where(observed, batch.target, 0.0) - params[..., 0]
        if self.name == "huber":
            losses = functional.smooth_l1_loss(errors, torch.zeros_like(errors), reduction="none")
        else:
            losses = errors.abs() if self.name == "mae" else errors.square()
        return masked_mean(losses * batch.error_weights, observed)

    def point(self, params: Tensor, batch: Batch) -> Tensor:
        """Return the forecast."""
        return params[..., 0]

    def quantiles(self, params: Tensor, batch: Batch) -> Tensor:
        """Return the forecast at every level."""
        return params.expand(*params.shape[:2], len(self.levels))


class StudentTHead:
    """Location, scale and degrees of freedom; these exceed 2, so that the variance is finite.

    Source: StudentTOutput of GluonTS.
    """

    size = 3

    def __init__(self, levels: tuple[float, ...]) -> None:
        self.levels = levels

    def __call__(self, raw: Tensor, base: Tensor, batch: Batch) -> Tensor:
        """Return location, scale and degrees of freedom (b, H, 3)."""
        scale, freedom = functional.softplus(raw[..., 1]) + 1e-3, 2 + functional.softplus(raw[..., 2])
        return torch.stack([raw[..., 0] + base, scale, freedom], dim=-1)

    def loss(self, params: Tensor, batch: Batch) -> Tensor:
        """Return the mean negative log-likelihood."""
        observed = torch.isfinite(batch.target)
        distribution = torch.distributions.StudentT(params[..., 2], params[..., 0], params[..., 1])
        target = torch.where(observed, batch.target, 0.0)
        log_likelihood: Tensor = distribution.log_prob(target)  # type: ignore[no-untyped-call]
        return masked_mean(-log_likelihood, observed)

    def point(self, params: Tensor, batch: Batch) -> Tensor:
        """Return the location, which is the median."""
        return params[..., 0]

    def quantiles(self, params: Tensor, batch: Batch) -> Tensor:
        """Return the quantiles in float64."""
        return torch.from_numpy(student_t_quantiles(params.cpu().numpy(), self.levels)).to(params.device)


class NegativeBinomialHead:
    """Mean and dispersion of a count in units of the source: variance = mean + dispersion × mean².

    Source: DeepAR (Salinas et al. 2020).
    """

    size = 2

    def __init__(self, levels: tuple[float, ...]) -> None:
        self.levels = levels

    def __call__(self, raw: Tensor, base: Tensor, batch: Batch) -> Tensor:
        """Return mean and dispersion (b, H, 2)."""
        shift = (batch.location / batch.scale).to(raw.dtype)
        mean = functional.softplus(raw[..., 0] + base + shift) * batch.scale.to(raw.dtype) + 1e-6
        return torch.stack([mean, functional.softplus(raw[..., 1]) + 1e-4], dim=-1)

    def loss(self, params: Tensor, batch: Batch) -> Tensor:
        """Return the mean negative log-likelihood of the counts."""
        observed = torch.isfinite(batch.target)
        count = torch.where(observed, batch.target * batch.scale + batch.location, 0.0).round().clamp(min=0)
        mean, dispersion = params.double().unbind(-1)
        distribution = torch.distributions.NegativeBinomial(1 / dispersion, logits=(mean * dispersion).log())
        log_likelihood: Tensor = distribution.log_prob(count)  # type: ignore[no-untyped-call]  # torch has no type here
        return masked_mean(-log_likelihood, observed)

    def point(self, params: Tensor, batch: Batch) -> Tensor:
        """Return the mean, since the median of a count has no gradient."""
        return (params[..., 0] - batch.location.to(params.dtype)) / batch.scale.to(params.dtype)

    def quantiles(self, params: Tensor, batch: Batch) -> Tensor:
        """Return the quantiles in float64; each is a whole number in units of the source."""
        location, scale = batch.location.cpu().numpy(), batch.scale.cpu().numpy()
        quantiles = negative_binomial_quantiles(params.cpu().numpy(), self.levels, location, scale)
        return torch.from_numpy(quantiles).to(params.device)
