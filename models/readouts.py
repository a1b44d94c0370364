"""How the states of the encoder become one context: (b, steps, width) → (b, width)."""

from typing import Literal

import torch
from torch import Tensor, nn

Readout = Literal["last", "attention"]


class Last(nn.Module):
    """The forward state at the last step joined to the backward state at the first, where each has read everything."""

    def __init__(self, width: int, bidirectional: bool) -> None:
        super().__init__()
        self.forward_width = width // 2 if bidirectional else width

    def forward(self, states: Tensor) -> Tensor:
        width = self.forward_width
        return torch.cat([states[:, -1, :width], states[:, 0, width:]], dim=-1)


class Attention(nn.Module):
    """Additive attention over all states (Bahdanau et al. 2015), the last state joined in so that nothing is lost."""

    def __init__(self, width: int, bidirectional: bool) -> None:
        super().__init__()
        self.last = Last(width, bidirectional)
        self.key, self.query = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.energy = nn.Linear(width, 1, bias=False)
        self.join = nn.Linear(2 * width, width)

    def weights(self, states: Tensor) -> Tensor:
        """(b, steps), they sum to 1."""
        asked = self.query(self.last(states)).unsqueeze(1)
        return self.energy(torch.tanh(self.key(states) + asked)).squeeze(-1).softmax(dim=-1)

    def forward(self, states: Tensor) -> Tensor:
        drawn = torch.einsum("bs,bsw->bw", self.weights(states), states)
        return self.join(torch.cat([drawn, self.last(states)], dim=-1))


READOUTS: dict[Readout, type[Last | Attention]] = {"last": Last, "attention": Attention}
