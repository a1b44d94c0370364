"""A learned cycle, such as a day or a week, that is subtracted from the lookback and added to the forecast.

Source: CycleNet (Lin et al. 2024, arXiv 2409.18479). Here all series share one cycle, and each value of a static
covariate adds one of its own.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.data.batches import Batch


class CycleRemoval(NamedTuple):
    """The lookback of a batch without the cycle, and the cycle over the horizon."""

    past: Tensor  # (b, n, P), the last n steps of the lookback
    linear: Tensor  # (b, L)
    horizon: Tensor  # (b, H)


class Cycle(nn.Module):
    """`length` values in normalised units, one for each step of the cycle, counted on the wall clock."""

    def __init__(self, length: int, statics: tuple[int, ...]) -> None:
        super().__init__()
        self.length = length
        self.shared = nn.Parameter(torch.zeros(length))
        self.own = nn.ModuleList(nn.Embedding(size, length) for size in statics)
        for embedding in self.own:
            nn.init.zeros_(embedding.weight)  # type: ignore[arg-type]  # ModuleList loses the type of its modules

    def forward(self, clock: Tensor, offsets: Tensor, codes: Tensor) -> Tensor:
        """Return the cycle (b, n) at `clock` (b,) + `offsets` (n,) for the static `codes` (b, statics)."""
        table = self.shared.expand(len(clock), -1)
        for index, embedding in enumerate(self.own):
            table = table + embedding(codes[:, index])
        return table.gather(1, (clock.unsqueeze(1) + offsets) % self.length)

    def remove(self, batch: Batch, codes: Tensor) -> CycleRemoval:
        """Subtract the cycle from the lookback of `batch`; values that were not observed stay 0."""
        lookback, horizon = batch.linear.shape[1], batch.target.shape[1]
        device = batch.past.device
        before = self(batch.clock, torch.arange(1 - lookback, 1, device=device), codes)
        after = self(batch.clock, torch.arange(1, horizon + 1, device=device), codes)
        newest = before[:, lookback - batch.past.shape[1] :]
        target = batch.past[..., :1] - (newest * batch.past[..., 1]).unsqueeze(-1)
        return CycleRemoval(torch.cat([target, batch.past[..., 1:]], dim=-1), batch.linear - before, after)
