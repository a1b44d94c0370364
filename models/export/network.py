"""The ONNX graph of a bundle: all members, with the states of their encoders as input and output.

Inputs are those of WindowArrays by name, and `state` (b, M, k, l, hidden): zeros before anything was read. Outputs are
`params` (M, b, H, …), the parameters of each member's distribution in normalised units, and `new_state` after `past`.
The number of windows b is free, and so is the number of steps of `past`, a whole number of segments. Everything around
the graph (scaling, calibration, the linear map) is in the bundle.
"""

import json

import numpy as np

from data_contracts.errors import NightcastError
from models.bundle import Bundle
from models.export.cells import Weights, recurrent_layers
from models.export.decoders import DecoderInputs, decode
from models.export.graph import DOUBLE, FLOAT, INT64, GraphBuilder, TensorShape
from models.networks.architecture import LEVEL_WIDTH, NetworkShape, RecurrentSpec, state_shape
from models.restore import restore_shape, restore_spec, segment_steps, tensor_prefix


class NotExportable(NightcastError):
    """A model cannot be written as an ONNX graph."""


def export_onnx(bundle: Bundle) -> bytes:
    """Export the networks of a bundle.

    Args:
        bundle: A recurrent network of any architecture.

    Returns:
        The bytes of an ONNX model, with facts of the bundle as metadata under the key `nightcast`.

    Raises:
        NotExportable: The bundle is a baseline.
    """
    if bundle.kind != "recurrent":
        raise NotExportable(f"{bundle.name} is a baseline: it has no network that could be exported.")
    spec, shape, graph = restore_spec(bundle), restore_shape(bundle), GraphBuilder()
    params, states = [], []
    for member in range(bundle.recurrent.members):
        weights = Weights(bundle.tensors, tensor_prefix(member))
        output, state = _add_member(graph, weights, spec, shape, segment_steps(bundle), member)
        params.append(graph.unsqueeze(output, 0))
        states.append(graph.unsqueeze(state, 1))
    inputs = _inputs(bundle, spec, shape)
    outputs: dict[str, tuple[str, TensorShape]] = {
        "params": (graph.concat(params, 0), (FLOAT, ["members", "windows", shape.horizon, "parameters"])),
        "new_state": (graph.concat(states, 1), inputs["state"]),
    }
    return graph.build(inputs, outputs, {"nightcast": json.dumps(_facts(bundle), sort_keys=True)})


def _inputs(bundle: Bundle, spec: RecurrentSpec, shape: NetworkShape) -> dict[str, TensorShape]:
    return {
        "past": (FLOAT, ["windows", "steps", shape.past]),
        "future": (FLOAT, ["windows", shape.horizon, shape.future]),
        "static": (INT64, ["windows", len(shape.statics)]),
        "level": (FLOAT, ["windows", LEVEL_WIDTH]),
        "linear": (FLOAT, ["windows", shape.lookback]),
        "location": (DOUBLE, ["windows", 1]),
        "scale": (DOUBLE, ["windows", 1]),
        "clock": (INT64, ["windows"]),
        "state": (FLOAT, ["windows", bundle.recurrent.members, *state_shape(spec)]),
    }


def _facts(bundle: Bundle) -> dict[str, object]:
    return {
        "name": bundle.name,
        "freq": bundle.view.freq,
        "lookback": bundle.lookback,
        "horizon": bundle.horizon,
        "segment": segment_steps(bundle),
        "head": restore_spec(bundle).head,
        "levels": bundle.levels,
    }


def _add_member(
    graph: GraphBuilder, weights: Weights, spec: RecurrentSpec, shape: NetworkShape, segment: int, member: int
) -> tuple[str, str]:
    """Add one network; return its params (b, H, …) and its new state (b, k, l, hidden)."""
    past, linear, cycle = "past", "linear", ""
    if spec.cycle:
        past, linear, cycle = _remove_cycle(graph, weights.within("cycle"), spec, shape)
    segments = graph.reshape(past, 0, -1, segment * shape.past)
    if segment > 1:
        segments = weights.linear(graph, "enter", segments)
    own = graph("Squeeze", graph.slice("state", member, member + 1, 1), graph.integers(1))
    start = tuple(
        graph("Transpose", graph("Squeeze", graph.slice(own, part, part + 1, 1), graph.integers(1)), perm=[1, 0, 2])
        for part in range(state_shape(spec)[0])
    )
    encoded = recurrent_layers(graph, weights.within("encoder"), spec.cell, spec.layers, segments, start)
    inputs = DecoderInputs(
        context=_readout(graph, weights.within("readout"), spec, encoded.states),
        extra=_extra(graph, weights, spec, shape),
        future="future",
        base=_base(graph, weights, spec, shape, linear, cycle),
        location="location",
        scale="scale",
    )
    last = [graph.unsqueeze(graph("Transpose", part, perm=[1, 0, 2]), 1) for part in encoded.last]
    return decode(graph, weights, spec, shape, inputs), graph.concat(last, 1)


def _extra(graph: GraphBuilder, weights: Weights, spec: RecurrentSpec, shape: NetworkShape) -> str:
    """Return (b, E): the level of the window and the embeddings of its static covariates."""
    parts = ["level"] if spec.level else []
    for index in range(len(shape.statics)):
        codes = graph("Squeeze", graph.slice("static", index, index + 1, 1), graph.integers(1))
        parts.append(graph("Gather", graph.constant(weights[f"statics.{index}.weight"]), codes, axis=0))
    return graph.concat(parts, 1) if parts else graph.slice("level", 0, 0, 1)


def _base(
    graph: GraphBuilder, weights: Weights, spec: RecurrentSpec, shape: NetworkShape, linear: str, cycle: str
) -> str:
    """Return (b, H), the forecast of the linear map and the cycle."""
    if spec.skip:
        mapped = weights.linear(graph, "skip", linear)
        return graph("Add", mapped, cycle) if cycle else mapped
    if cycle:
        return cycle
    return graph.linear("linear", np.zeros((shape.horizon, shape.lookback)))


def _readout(graph: GraphBuilder, weights: Weights, spec: RecurrentSpec, states: str) -> str:
    """Return the context (b, width) of states (b, n, width)."""
    hidden, width = spec.hidden, spec.hidden * (2 if spec.bidirectional else 1)
    last = graph("Squeeze", graph("Slice", states, *(graph.integers(v) for v in (-1, 2**31, 1))), graph.integers(1))
    if spec.bidirectional:
        first = graph("Squeeze", graph.slice(states, 0, 1, 1), graph.integers(1))
        last = graph.concat([graph.slice(last, 0, hidden, 1), graph.slice(first, hidden, width, 1)], 1)
    if spec.readout == "last":
        return last
    additive = spec.attention == "additive"
    key = weights.linear(graph, "key", states, has_bias=additive)
    query = graph.unsqueeze(weights.linear(graph, "query", last, has_bias=False), 1)
    if additive:
        scores = weights.linear(graph, "energy", graph("Tanh", graph("Add", key, query)), has_bias=False)
    else:
        products = graph("ReduceSum", graph("Mul", key, query), graph.integers(2), keepdims=1)
        scores = graph("Mul", products, graph.constant([width**-0.5]))
    shares = graph("Transpose", graph("Softmax", scores, axis=1), perm=[0, 2, 1])
    attended = graph("Squeeze", graph("MatMul", shares, states), graph.integers(1))
    return weights.linear(graph, "join", graph.concat([attended, last], 1))


def _remove_cycle(
    graph: GraphBuilder, weights: Weights, spec: RecurrentSpec, shape: NetworkShape
) -> tuple[str, str, str]:
    """Return past (b, n, P) and linear (b, L) without the cycle, and the cycle over the horizon (b, H)."""
    windows = graph.size("clock", 0)
    table = graph("Expand", graph.unsqueeze(graph.constant(weights["shared"]), 0),
                  graph("Concat", windows, graph.integers(spec.cycle), axis=0))  # fmt: skip
    for index in range(len(shape.statics)):
        codes = graph("Squeeze", graph.slice("static", index, index + 1, 1), graph.integers(1))
        own = graph("Gather", graph.constant(weights[f"own.{index}.weight"]), codes, axis=0)
        table = graph("Add", table, own)
    clock, length = graph.unsqueeze("clock", 1), graph.integers(spec.cycle)

    def values_at(offsets: str) -> str:
        return graph("GatherElements", table, graph("Mod", graph("Add", clock, offsets), length), axis=1)

    scalar = graph.constant(np.array(1), np.int64)
    steps = graph("Squeeze", graph.size("past", 1))
    newest = graph("Range", graph("Sub", scalar, steps), scalar, scalar)
    seen = graph.slice("past", 1, 2, 2)
    before = graph("Mul", graph.unsqueeze(values_at(newest), 2), seen)
    target = graph("Sub", graph.slice("past", 0, 1, 2), before)
    past = graph.concat([target, graph.slice("past", 1, shape.past, 2)], 2)
    lookback = graph.constant(np.arange(1 - shape.lookback, 1), np.int64)
    horizon = graph.constant(np.arange(1, shape.horizon + 1), np.int64)
    return past, graph("Sub", "linear", values_at(lookback)), values_at(horizon)
