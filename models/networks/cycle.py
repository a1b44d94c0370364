"""A learned cycle, such as the day's or the week's, that is taken out of what goes in and put back on what comes out.

Lin et al. 2024, CycleNet, arXiv 2409.18479; here one cycle for all series, and one more for each static value.
"""

import torch
from torch import Tensor, nn

from models.data.batches import Batch


class Cycle(nn.Module):
    """`length` values in normalised units; a place in the cycle is a place on the wall clock, the same every night."""

    def __init__(self, length: int, statics: tuple[int, ...]) -> None:
        super().__init__()
        self.length = length
        self.shared = nn.Parameter(torch.zeros(length))
        self.own = nn.ModuleList(nn.Embedding(size, length) for size in statics)
        for embed in self.own:
            nn.init.zeros_(embed.weight)  # type: ignore[arg-type]  # ModuleList forgets what it holds

    def forward(self, clock: Tensor, offsets: Tensor, codes: Tensor) -> Tensor:
        """(b, n) values at `clock` (b,) + `offsets` (n,)."""
        table = self.shared.expand(len(clock), -1)
        for place, embed in enumerate(self.own):
            table = table + embed(codes[:, place])
        return table.gather(1, (clock.unsqueeze(1) + offsets) % self.length)

    def taken_out(self, batch: Batch, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(past (b, L, P), linear (b, L), the cycle over the horizon (b, H)); what was not observed stays 0."""
        lookback, horizon = batch.linear.shape[1], batch.target.shape[1]
        device = batch.past.device
        before = self(batch.clock, torch.arange(1 - lookback, 1, device=device), codes)
        after = self(batch.clock, torch.arange(1, horizon + 1, device=device), codes)
        target = batch.past[..., :1] - (before * batch.past[..., 1]).unsqueeze(-1)
        return torch.cat([target, batch.past[..., 1:]], dim=-1), batch.linear - before, after
