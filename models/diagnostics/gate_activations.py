"""Gate activations of a recurrent network over a batch of windows."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.networks.gates import GATES, GateDirection, _gates, _states


class GateActivation(NamedTuple):
    """One gate of one direction of one layer (0 is the lowest), oldest step first in either direction."""

    layer: int
    direction: GateDirection
    gate: str
    values: Tensor  # (b, T, hidden)


def gate_activations(encoder: nn.RNN | nn.LSTM | nn.GRU, entered: Tensor) -> Iterator[GateActivation]:
    """Every gate while the encoder reads `entered` (b, T, P), without dropout.

    torch's kernels tell the states alone; a gate depends on the state before it, so all steps are computed at once.
    """
    directions: tuple[GateDirection, ...] = ("forward", "backward") if encoder.bidirectional else ("forward",)
    for layer in range(encoder.num_layers):
        told = []
        for place, direction in enumerate(directions):
            weights: list[Tensor] = [*encoder.all_weights[layer * len(directions) + place]]
            read = entered if direction == "forward" else entered.flip(1)
            states = _states(encoder, read, weights)
            for gate, values in zip(GATES[type(encoder)], _gates(encoder, read, states, weights), strict=True):
                yield GateActivation(layer, direction, gate, values if direction == "forward" else values.flip(1))
            told.append(states if direction == "forward" else states.flip(1))
        entered = torch.cat(told, dim=-1)
