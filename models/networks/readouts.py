"""Readouts: the states of the encoder become one context, (b, steps, width) → (b, width)."""

import torch
from torch import Tensor, nn

from models.networks.architecture import AttentionScore, ReadoutName


class LastStateReadout(nn.Module):
    """Joins the forward state at the last step and the backward state at the first: each has read all steps."""

    def __init__(self, width: int, bidirectional: bool) -> None:
        super().__init__()
        self.forward_width = width // 2 if bidirectional else width

    def forward(self, states: Tensor) -> Tensor:
        """Return the context (b, width) of states (b, steps, width)."""
        width = self.forward_width
        return torch.cat([states[:, -1, :width], states[:, 0, width:]], dim=-1)


class AttentionReadout(nn.Module):
    """Attends to all states with the last state as query; the last state is joined in again, so it is not lost.

    Scores are additive (Bahdanau et al. 2015) or scaled dot products (Vaswani et al. 2017).
    """

    def __init__(self, width: int, bidirectional: bool, scores: AttentionScore = "additive") -> None:
        super().__init__()
        self.last = LastStateReadout(width, bidirectional)
        # softmax ignores a constant that is added to every score, so the key of a dot product needs no bias
        self.key, self.query = nn.Linear(width, width, bias=scores == "additive"), nn.Linear(width, width, bias=False)
        self.energy = nn.Linear(width, 1, bias=False) if scores == "additive" else None
        self.join = nn.Linear(2 * width, width)

    def weights(self, states: Tensor) -> Tensor:
        """Return the attention weights (b, steps); each row sums to 1."""
        key, query = self.key(states), self.query(self.last(states)).unsqueeze(1)
        if self.energy is None:
            scores = (key * query).sum(dim=-1) / key.shape[-1] ** 0.5
        else:
            scores = self.energy(torch.tanh(key + query)).squeeze(-1)
        return scores.softmax(dim=-1)

    def forward(self, states: Tensor) -> Tensor:
        """Return the context (b, width) of states (b, steps, width)."""
        attended = torch.einsum("bs,bsw->bw", self.weights(states), states)
        joined: Tensor = self.join(torch.cat([attended, self.last(states)], dim=-1))
        return joined


def build_readout(
    readout: ReadoutName, scores: AttentionScore, width: int, bidirectional: bool
) -> LastStateReadout | AttentionReadout:
    """Build the readout of that name."""
    if readout == "attention":
        return AttentionReadout(width, bidirectional, scores)
    return LastStateReadout(width, bidirectional)
