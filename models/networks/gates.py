"""Gates of recurrent cells: how far each is open, step by step, and the biases they start training with.

x (b, T, P) inputs · h (b, T, hidden) the states before each step · gates (b, T, hidden) from 0 (shut) to 1 (open);
`new` from -1 to 1 is the candidate state. An open `forget` (LSTM) or `update` (GRU in torch's notation) gate keeps the
previous state. tests/models/networks/reference_cells.py writes the equations out.
"""

from typing import Literal

import torch
from torch import Tensor, nn

GateDirection = Literal["forward", "backward"]
GATES = {
    nn.RNN: ("new",),
    nn.LSTM: ("input", "forget", "new", "output"),
    nn.GRU: ("reset", "update", "new"),
}


def layer_states(encoder: nn.RNN | nn.LSTM | nn.GRU, inputs: Tensor, weights: list[Tensor]) -> Tensor:
    """Run one direction of one layer over inputs (b, T, P); return its states (b, T, hidden)."""
    # torch's function and not a module: a new module would draw random numbers for its initial weights
    start = inputs.new_zeros(1, len(inputs), encoder.hidden_size)
    options = (True, 1, 0.0, False, False, True)  # biases, layers, dropout, training, bidirectional, batch first
    if isinstance(encoder, nn.LSTM):
        return torch.lstm(inputs, (start, start), weights, *options)[0]
    return (torch.gru if isinstance(encoder, nn.GRU) else torch.rnn_tanh)(inputs, start, weights, *options)[0]


def compute_gates(
    encoder: nn.RNN | nn.LSTM | nn.GRU, inputs: Tensor, states: Tensor, weights: list[Tensor]
) -> list[Tensor]:
    """Compute each gate (b, T, hidden) of one direction of one layer from its inputs and states.

    Args:
        encoder: The module that decides which gates there are.
        inputs: What the layer reads, (b, T, P).
        states: States after each step, (b, T, hidden), as `layer_states` returns them.
        weights: weight_ih, weight_hh, bias_ih and bias_hh of that direction and layer.

    Returns:
        The gates in the order of GATES, which is the order of the rows of torch's weights.
    """
    before = nn.functional.pad(states, (0, 0, 1, 0))[:, :-1]
    names = GATES[type(encoder)]
    from_inputs = nn.functional.linear(inputs, weights[0], weights[2]).chunk(len(names), dim=-1)
    from_states = nn.functional.linear(before, weights[1], weights[3]).chunk(len(names), dim=-1)
    gates: list[Tensor] = []
    for name, x, h in zip(names, from_inputs, from_states, strict=True):
        kept = gates[0] * h if name == "new" and isinstance(encoder, nn.GRU) else h  # gates[0] is the reset gate
        gates.append(torch.tanh(x + kept) if name == "new" else torch.sigmoid(x + kept))
    return gates


@torch.no_grad()
def chrono_init_(encoder: nn.RNN | nn.LSTM | nn.GRU, steps: int) -> None:
    """Initialise the gate biases in place so that units keep their state for 1 to `steps` steps, evenly spread.

    torch starts every gate half open, so the state halves at each step and an LSTM hardly learns to remember more than
    ten steps. A gate that is open by n/(n+1) keeps its state for about n steps. A bias of 1 for every forget gate
    (Jozefowicz et al. 2015) does the same for three steps. A vanilla RNN has no such gate and is left unchanged.

    Source: chrono initialisation, Tallec and Ollivier 2018.
    """
    if isinstance(encoder, nn.RNN):
        return
    names, hidden = GATES[type(encoder)], encoder.hidden_size
    spread = torch.linspace(1.0, max(steps - 1.0, 1.0), hidden).log()
    starts = {"forget": spread, "input": -spread, "update": spread}
    for name, bias in encoder.named_parameters():
        if name.startswith("bias"):
            for gate, part in zip(names, bias.chunk(len(names)), strict=True):
                if gate in starts:
                    part.copy_(starts[gate] if name.startswith("bias_ih") else torch.zeros_like(part))
