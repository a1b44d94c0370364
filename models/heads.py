"""What a forecast is made of: quantiles that can't cross, and the loss that teaches them."""

import torch
from torch import Tensor, nn


class QuantileHead(nn.Module):
    """(…, width) → (…, Q): the median, and distances from it that are never negative."""

    def __init__(self, width: int, levels: tuple[float, ...]) -> None:
        super().__init__()
        self.middle = levels.index(0.5)
        self.out = nn.Linear(width, len(levels))

    def forward(self, decoded: Tensor) -> Tensor:
        raw = self.out(decoded)
        median = raw[..., self.middle : self.middle + 1]
        gaps = nn.functional.softplus(raw)
        above = gaps[..., self.middle + 1 :].cumsum(-1)
        below = gaps[..., : self.middle].flip(-1).cumsum(-1).flip(-1)
        return torch.cat([median - below, median, median + above], dim=-1)


def pinball_loss(quantiles: Tensor, target: Tensor, levels: Tensor) -> Tensor:
    """Mean quantile loss of (b, H, Q) against (b, H); missing targets (NaN) do not count, and do not poison."""
    known = torch.isfinite(target)
    excess = torch.where(known, target, 0.0).unsqueeze(-1) - quantiles
    losses = torch.maximum(levels * excess, (levels - 1) * excess).mean(-1)
    return torch.where(known, losses, 0.0).sum() / known.sum().clamp(min=1)
