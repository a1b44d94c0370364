"""How far a cell's gates are open, which decides what it keeps: at the start of training, and step by step after it.

x (b, T, P) read · h (b, T, hidden) the states before each step · gates (b, T, hidden) from 0 shut to 1 open, `new` from
-1 to 1: the candidate that a cell would write. An open `forget` (LSTM) or `update` (GRU, as torch writes it) keeps.
The equations themselves are written out in tests/models/reference_cells.py.
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


def _states(encoder: nn.RNN | nn.LSTM | nn.GRU, read: Tensor, weights: list[Tensor]) -> Tensor:
    """(b, T, hidden) of one direction of one layer; nothing is drawn, as a module of its own would for its weights."""
    start = read.new_zeros(1, len(read), encoder.hidden_size)
    usual = (True, 1, 0.0, False, False, True)  # biases, layers, dropout, training, bidirectional, batch first
    if isinstance(encoder, nn.LSTM):
        return torch.lstm(read, (start, start), weights, *usual)[0]
    return (torch.gru if isinstance(encoder, nn.GRU) else torch.rnn_tanh)(read, start, weights, *usual)[0]


def _gates(encoder: nn.RNN | nn.LSTM | nn.GRU, read: Tensor, states: Tensor, weights: list[Tensor]) -> list[Tensor]:
    """In the order of GATES, which is that of the rows of torch's weights."""
    before = nn.functional.pad(states, (0, 0, 1, 0))[:, :-1]
    names = GATES[type(encoder)]
    reads = nn.functional.linear(read, weights[0], weights[2]).chunk(len(names), dim=-1)
    hears = nn.functional.linear(before, weights[1], weights[3]).chunk(len(names), dim=-1)
    gates: list[Tensor] = []
    for name, x, h in zip(names, reads, hears, strict=True):
        heard = gates[0] * h if name == "new" and isinstance(encoder, nn.GRU) else h  # the reset gate stands first
        gates.append(torch.tanh(x + heard) if name == "new" else torch.sigmoid(x + heard))
    return gates


@torch.no_grad()
def chrono_init_(encoder: nn.RNN | nn.LSTM | nn.GRU, steps: int) -> None:
    """Set the biases so that at the start the units keep what they hold for 1 to `steps` steps, evenly spread.

    torch starts every gate half open: what is kept halves at each step, and an LSTM hardly learns to remember more
    than ten. A gate open by n/(n+1) keeps for about n steps (chrono initialisation, Tallec & Ollivier 2018); a bias of
    1 for every forget gate (Jozefowicz et al. 2015) is the same for three steps. A vanilla RNN has no such gate.
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
