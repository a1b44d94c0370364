"""How the states of the encoder become one context: (b, steps, width) → (b, width)."""

from typing import Literal

import torch
from torch import Tensor, nn

Readout = Literal["last", "attention"]
Scores = Literal["additive", "dot"]


class Last(nn.Module):
    """The forward state at the last step joined to the backward state at the first, where each has read everything."""

    def __init__(self, width: int, bidirectional: bool) -> None:
        super().__init__()
        self.forward_width = width // 2 if bidirectional else width

    def forward(self, states: Tensor) -> Tensor:
        width = self.forward_width
        return torch.cat([states[:, -1, :width], states[:, 0, width:]], dim=-1)


class Attention(nn.Module):
    """Asks all states with the last one, which is joined in again so that nothing is lost.

    Scores are additive (Bahdanau et al. 2015) or scaled dot products (Vaswani et al. 2017).
    """

    def __init__(self, width: int, bidirectional: bool, scores: Scores = "additive") -> None:
        super().__init__()
        self.last = Last(width, bidirectional)
        # softmax does not feel what is added to every score alike, so the key of a dot product needs no bias
        self.key, self.query = nn.Linear(width, width, bias=scores == "additive"), nn.Linear(width, width, bias=False)
        self.energy = nn.Linear(width, 1, bias=False) if scores == "additive" else None
        self.join = nn.Linear(2 * width, width)

    def weights(self, states: Tensor) -> Tensor:
        """(b, steps), they sum to 1."""
        key, asked = self.key(states), self.query(self.last(states)).unsqueeze(1)
        if self.energy is None:
            scores = (key * asked).sum(dim=-1) / key.shape[-1] ** 0.5
        else:
            scores = self.energy(torch.tanh(key + asked)).squeeze(-1)
        return scores.softmax(dim=-1)

    def forward(self, states: Tensor) -> Tensor:
        drawn = torch.einsum("bs,bsw->bw", self.weights(states), states)
        joined: Tensor = self.join(torch.cat([drawn, self.last(states)], dim=-1))
        return joined


def build_readout(readout: Readout, scores: Scores, width: int, bidirectional: bool) -> Last | Attention:
    """The readout of that name."""
    return Attention(width, bidirectional, scores) if readout == "attention" else Last(width, bidirectional)
