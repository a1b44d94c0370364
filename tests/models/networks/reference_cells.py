"""The three cells as equations: a step is a few lines, a sequence is a loop. Slow, and meant to be read.

x (b, P) input of this step · h (b, hidden) state of the previous step · c (b, hidden) cell state of an LSTM, which
other layers do not read · a sigmoid is how far a gate is open, from 0 to 1 · * multiplies element by element

A gate weighs its input by W and the previous state by U, each with its own bias: W x + b and U h + d. torch stacks the
gates of a layer in one matrix. Their order there (GATES) is a convention of torch; the equations do not fix it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

GATES = {"rnn": ("new",), "lstm": ("input", "forget", "new", "output"), "gru": ("reset", "update", "new")}


class Gate(NamedTuple):
    """The weights of one gate: W (hidden, P), U (hidden, hidden), b (hidden,), d (hidden,)."""

    W: Tensor
    U: Tensor
    b: Tensor
    d: Tensor

    def from_input(self, x: Tensor) -> Tensor:
        return x @ self.W.T + self.b

    def from_state(self, h: Tensor) -> Tensor:
        return h @ self.U.T + self.d


class Step(NamedTuple):
    """State after a step, and how far each gate was open, in the order of GATES."""

    h: Tensor
    c: Tensor
    gates: tuple[Tensor, ...]


def rnn(x: Tensor, h: Tensor, c: Tensor, gates: Sequence[Gate]) -> Step:
    """Elman (1990): the state passes through U and tanh at each step, so it fades or explodes."""
    (new,) = gates
    n = torch.tanh(new.from_input(x) + new.from_state(h))
    return Step(n, c, (n,))


def lstm(x: Tensor, h: Tensor, c: Tensor, gates: Sequence[Gate]) -> Step:
    """Hochreiter & Schmidhuber (1997), with the forget gate of Gers et al. (2000); while that is open, c is kept."""
    input_gate, forget, new, output = gates
    i = torch.sigmoid(input_gate.from_input(x) + input_gate.from_state(h))
    f = torch.sigmoid(forget.from_input(x) + forget.from_state(h))
    g = torch.tanh(new.from_input(x) + new.from_state(h))
    o = torch.sigmoid(output.from_input(x) + output.from_state(h))
    c = f * c + i * g
    return Step(o * torch.tanh(c), c, (i, f, g, o))


def gru(x: Tensor, h: Tensor, c: Tensor, gates: Sequence[Gate]) -> Step:
    """Cho et al. (2014), except that torch, like cuDNN, applies the reset gate to U h + d instead of h."""
    reset, update, new = gates
    r = torch.sigmoid(reset.from_input(x) + reset.from_state(h))
    z = torch.sigmoid(update.from_input(x) + update.from_state(h))
    n = torch.tanh(new.from_input(x) + r * new.from_state(h))
    return Step((1 - z) * n + z * h, c, (r, z, n))


CELLS = {"rnn": rnn, "lstm": lstm, "gru": gru}


class Reading(NamedTuple):
    """The states (b, T, hidden) of one direction of one layer, and each gate (b, T, hidden); oldest step first."""

    states: Tensor
    gates: dict[str, Tensor]


def read(cell: str, inputs: Tensor, weights: Mapping[str, Tensor], suffix: str) -> Reading:
    """Run one direction of one layer over (b, T, P); `suffix` ends the names of its weights: l0, l1_reverse, …"""
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    stacked = [weights[f"{kind}_{suffix}"].chunk(len(GATES[cell])) for kind in kinds]
    gates = [Gate(*parts) for parts in zip(*stacked, strict=True)]
    steps = list(range(inputs.shape[1]))
    h = c = inputs.new_zeros(len(inputs), gates[0].U.shape[0])
    outputs = {}
    for t in reversed(steps) if suffix.endswith("reverse") else steps:
        outputs[t] = CELLS[cell](inputs[:, t], h, c, gates)
        h, c = outputs[t].h, outputs[t].c
    states = torch.stack([outputs[t].h for t in steps], dim=1)
    gate_steps = zip(*(outputs[t].gates for t in steps), strict=True)
    values = (torch.stack(steps_of_gate, dim=1) for steps_of_gate in gate_steps)
    return Reading(states, dict(zip(GATES[cell], values, strict=True)))


def encode(cell: str, inputs: Tensor, weights: Mapping[str, Tensor], layers: int, both: bool) -> dict[str, Reading]:
    """Run all layers; each reads both directions of the layer below, joined. Keys are suffixes, lowest layer first."""
    readings = {}
    for layer in range(layers):
        suffixes = [f"l{layer}", f"l{layer}_reverse"] if both else [f"l{layer}"]
        for suffix in suffixes:
            readings[suffix] = read(cell, inputs, weights, suffix)
        inputs = torch.cat([readings[suffix].states for suffix in suffixes], dim=-1)
    return readings
