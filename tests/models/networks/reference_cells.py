"""The three cells as equations: one step a few lines, one sequence a loop. Slow, and meant to be read.

x (b, P) what is read at this step · h (b, hidden) what the step before told · c (b, hidden) the LSTM's cell, which no
other layer sees · sigmoid says how far a gate is open, from 0 to 1 · * multiplies element by element

A gate weighs what it reads by W and what it hears by U, each with a bias of its own: W x + b and U h + d. torch keeps
the gates of a layer under each other in one matrix; their order there (GATES) is all that no equation decides.
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

    def reads(self, x: Tensor) -> Tensor:
        return x @ self.W.T + self.b

    def hears(self, h: Tensor) -> Tensor:
        return h @ self.U.T + self.d


class Step(NamedTuple):
    """What a cell hands to the next step, and how far each gate was open, in the order of GATES."""

    h: Tensor
    c: Tensor
    gates: tuple[Tensor, ...]


def rnn(x: Tensor, h: Tensor, c: Tensor, gates: Sequence[Gate]) -> Step:
    """Elman (1990): all that is kept goes through U and tanh at every step, so it fades or explodes."""
    (new,) = gates
    n = torch.tanh(new.reads(x) + new.hears(h))
    return Step(n, c, (n,))


def lstm(x: Tensor, h: Tensor, c: Tensor, gates: Sequence[Gate]) -> Step:
    """Hochreiter & Schmidhuber (1997), its forget gate by Gers et al. (2000): while that is open, c stays as it is."""
    into, forget, new, out = gates
    i = torch.sigmoid(into.reads(x) + into.hears(h))
    f = torch.sigmoid(forget.reads(x) + forget.hears(h))
    g = torch.tanh(new.reads(x) + new.hears(h))
    o = torch.sigmoid(out.reads(x) + out.hears(h))
    c = f * c + i * g
    return Step(o * torch.tanh(c), c, (i, f, g, o))


def gru(x: Tensor, h: Tensor, c: Tensor, gates: Sequence[Gate]) -> Step:
    """Cho et al. (2014), but for one thing: torch, as cuDNN, resets what is heard, r * (U h + d), and not h itself."""
    reset, update, new = gates
    r = torch.sigmoid(reset.reads(x) + reset.hears(h))
    z = torch.sigmoid(update.reads(x) + update.hears(h))
    n = torch.tanh(new.reads(x) + r * new.hears(h))
    return Step((1 - z) * n + z * h, c, (r, z, n))


CELLS = {"rnn": rnn, "lstm": lstm, "gru": gru}


class Reading(NamedTuple):
    """The states (b, T, hidden) of one direction of one layer, and each gate (b, T, hidden); oldest step first."""

    states: Tensor
    gates: dict[str, Tensor]


def read(cell: str, inputs: Tensor, weights: Mapping[str, Tensor], place: str) -> Reading:
    """One direction of one layer over (b, T, P); `place` is torch's ending of its weights' names: l0, l1_reverse, …"""
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    stacked = [weights[f"{kind}_{place}"].chunk(len(GATES[cell])) for kind in kinds]
    gates = [Gate(*parts) for parts in zip(*stacked, strict=True)]
    steps = list(range(inputs.shape[1]))
    h = c = inputs.new_zeros(len(inputs), gates[0].U.shape[0])
    done = {}
    for t in reversed(steps) if place.endswith("reverse") else steps:
        done[t] = CELLS[cell](inputs[:, t], h, c, gates)
        h, c = done[t].h, done[t].c
    states = torch.stack([done[t].h for t in steps], dim=1)
    opened = zip(*(done[t].gates for t in steps), strict=True)
    return Reading(states, {name: torch.stack(one, dim=1) for name, one in zip(GATES[cell], opened, strict=True)})


def encode(cell: str, inputs: Tensor, weights: Mapping[str, Tensor], layers: int, both: bool) -> dict[str, Reading]:
    """Every reading by its place, the last layer's last; each reads both directions of the one below side by side."""
    found = {}
    for layer in range(layers):
        places = [f"l{layer}", f"l{layer}_reverse"] if both else [f"l{layer}"]
        for place in places:
            found[place] = read(cell, inputs, weights, place)
        inputs = torch.cat([found[place].states for place in places], dim=-1)
    return found
