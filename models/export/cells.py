"""Recurrent layers as ONNX operators, from the weights of PyTorch's modules.

PyTorch stacks gates as (reset, update, new) and (input, forget, new, output); ONNX as (update, reset, new) and
(input, output, forget, new).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.export.graph import GraphBuilder
from models.networks.architecture import CellName

OPERATORS: dict[CellName, str] = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
GATE_ORDER: dict[CellName, tuple[int, ...]] = {"rnn": (0,), "lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}


@dataclass(frozen=True)
class Weights:
    """Tensors of one network by the names of its parameters, below a prefix."""

    tensors: dict[str, np.ndarray]
    prefix: str

    def __getitem__(self, name: str) -> np.ndarray:
        """Return the tensor of a parameter."""
        return self.tensors[self.prefix + name]

    def within(self, module: str) -> "Weights":
        """Return the weights of a module."""
        return Weights(self.tensors, f"{self.prefix}{module}.")

    def linear(self, graph: GraphBuilder, module: str, inputs: str, has_bias: bool = True) -> str:
        """Apply the Linear module of that name to (…, in)."""
        bias = self[f"{module}.bias"] if has_bias else None
        return graph.linear(inputs, self[f"{module}.weight"], bias)


class CellOutput(NamedTuple):
    """States (b, n, width) of the last layer after each step, and (l, b, hidden) of all layers after the last step."""

    states: str
    last: tuple[str, ...]  # for an LSTM the hidden and the cell states


def recurrent_layers(
    graph: GraphBuilder, weights: Weights, cell: CellName, layers: int, inputs: str, start: tuple[str, ...]
) -> CellOutput:
    """Add the layers of an RNN, LSTM or GRU module.

    Args:
        graph: The graph.
        weights: Weights of the module.
        cell: The kind of cell.
        layers: Number of layers.
        inputs: (b, n, width).
        start: First states (l, b, hidden), one tensor, for an LSTM two; l counts layers and directions.

    Returns:
        The states.
    """
    hidden = weights["weight_hh_l0"].shape[1]
    directions = ("", "_reverse") if "weight_ih_l0_reverse" in _names(weights) else ("",)
    both = len(directions)
    current = graph("Transpose", inputs, perm=[1, 0, 2])
    lasts: list[list[str]] = [[] for _ in start]
    options = {"linear_before_reset": 1} if cell == "gru" else {}
    for layer in range(layers):
        suffixes = [f"l{layer}{direction}" for direction in directions]
        matrices = [_stack(weights, kind, suffixes, cell) for kind in ("weight_ih", "weight_hh")]
        bias = np.concatenate([_stack(weights, kind, suffixes, cell) for kind in ("bias_ih", "bias_hh")], axis=1)
        begin = [graph.slice(part, both * layer, both * (layer + 1), 0) for part in start]
        outputs = graph.all_outputs(
            OPERATORS[cell],
            current,
            *(graph.constant(matrix) for matrix in matrices),
            graph.constant(bias),
            "",  # all sequences have the same length
            *begin,
            outputs=1 + len(start),
            hidden_size=hidden,
            direction="bidirectional" if both == 2 else "forward",
            **options,
        )
        current = graph.reshape(graph("Transpose", outputs[0], perm=[0, 2, 1, 3]), 0, 0, both * hidden)
        for kept, output in zip(lasts, outputs[1:], strict=True):
            kept.append(output)
    states = graph("Transpose", current, perm=[1, 0, 2])
    return CellOutput(states, tuple(graph.concat(parts, 0) for parts in lasts))


def _names(weights: Weights) -> set[str]:
    return {name.removeprefix(weights.prefix) for name in weights.tensors if name.startswith(weights.prefix)}


def _stack(weights: Weights, kind: str, suffixes: list[str], cell: CellName) -> np.ndarray:
    """Return a parameter of all directions, (directions, gates × hidden, …), its gates in the order of ONNX."""
    return np.stack([_reorder(weights[f"{kind}_{suffix}"], cell) for suffix in suffixes])


def _reorder(values: np.ndarray, cell: CellName) -> np.ndarray:
    gates = np.split(values, len(GATE_ORDER[cell]))
    return np.concatenate([gates[index] for index in GATE_ORDER[cell]])
