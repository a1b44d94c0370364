"""Gate activations of a recurrent network over a batch of windows."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.networks.gates import GATES, GateDirection, compute_gates, layer_states


class GateActivation(NamedTuple):
    """One gate of one direction of one layer."""

    layer: int  # 0 is the lowest
    direction: GateDirection
    gate: str
    values: Tensor  # (b, T, hidden), oldest step first in both directions


def gate_activations(encoder: nn.RNN | nn.LSTM | nn.GRU, inputs: Tensor) -> Iterator[GateActivation]:
    """Compute every gate while the encoder reads `inputs` (b, T, P), without dropout.

    torch's kernels return only the states. A gate depends on the state of the previous step, so once the states are
    known, the gates of all steps are computed at once.

    Yields:
        Gates from the lowest layer to the highest, forward before backward, in the order of GATES.
    """
    directions: tuple[GateDirection, ...] = ("forward", "backward") if encoder.bidirectional else ("forward",)
    for layer in range(encoder.num_layers):
        outputs = []
        for index, direction in enumerate(directions):
            weights: list[Tensor] = [*encoder.all_weights[layer * len(directions) + index]]
            steps = inputs if direction == "forward" else inputs.flip(1)
            states = layer_states(encoder, steps, weights)
            for gate, values in zip(GATES[type(encoder)], compute_gates(encoder, steps, states, weights), strict=True):
                yield GateActivation(layer, direction, gate, values if direction == "forward" else values.flip(1))
            outputs.append(states if direction == "forward" else states.flip(1))
        inputs = torch.cat(outputs, dim=-1)
