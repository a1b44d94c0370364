"""Decoders and heads as ONNX operators: context (b, W), extra (b, E), future (b, H, F), base (b, H) → params (b, H, …).

The equations are those of `models.networks.decoders` and `models.networks.heads`, in evaluation mode.
"""

from typing import NamedTuple

import numpy as np

from models.export.cells import Weights, recurrent_layers
from models.export.graph import FLOAT, GraphBuilder
from models.networks.architecture import POINT_HEADS, NetworkShape, RecurrentSpec


class DecoderInputs(NamedTuple):
    """What a decoder and a head read. `location` and `scale` are (b, 1) in float64."""

    context: str
    extra: str
    future: str
    base: str
    location: str
    scale: str


def decode(
    graph: GraphBuilder, weights: Weights, spec: RecurrentSpec, shape: NetworkShape, inputs: DecoderInputs
) -> str:
    """Add decoder and head; return the params (b, H, …) of the head's distribution."""
    decoder = weights.within("decoder")
    if spec.decoding == "direct":
        raw = _direct(graph, decoder, inputs)
    elif spec.decoding == "segment":
        raw = _parallel_segments(graph, decoder, spec, shape, inputs)
    else:
        raw = _successive_segments(graph, decoder, spec, shape, inputs)
    return _head(graph, spec, shape, raw, inputs.base, inputs)


def _direct(graph: GraphBuilder, weights: Weights, inputs: DecoderInputs) -> str:
    steps, each = weights["steps.weight"], weights["each.weight"]
    width = steps.shape[1]
    of_step = graph.constant(steps.astype(np.float64) @ each[:, :width].T.astype(np.float64))
    by_step = graph("Add", graph.linear(inputs.future, each[:, width:]), of_step)
    shared = weights.linear(graph, "told", graph.concat([inputs.context, inputs.extra], 1))
    mixed = graph("Gelu", graph("Add", graph.unsqueeze(shared, 1), by_step))
    return weights.linear(graph, "out", graph("Gelu", weights.linear(graph, "between.2", mixed)))


def _first_state(graph: GraphBuilder, weights: Weights, spec: RecurrentSpec, context: str) -> tuple[str, ...]:
    """Return the first states (1, b, hidden) of the decoder's cell."""
    if weights.prefix + "state.weight" in weights.tensors:
        context = weights.linear(graph, "state", context)
    first = graph.unsqueeze(context, 0)
    if spec.cell != "lstm":
        return (first,)
    return first, graph("Mul", first, graph.constant([0.0]))


def _segments_of(graph: GraphBuilder, spec: RecurrentSpec, shape: NetworkShape, future: str) -> tuple[str, int, int]:
    """Return future (b, count, sF) padded to whole segments, the count and the segment in steps."""
    segment = min(spec.segment or 1, shape.horizon)
    count = -(-shape.horizon // segment)
    missing = count * segment - shape.horizon
    padded = graph("Pad", future, graph.integers(0, 0, 0, 0, missing, 0)) if missing else future
    return graph.reshape(padded, 0, count, segment * shape.future), count, segment


def _parallel_segments(
    graph: GraphBuilder, weights: Weights, spec: RecurrentSpec, shape: NetworkShape, inputs: DecoderInputs
) -> str:
    segments, count, segment = _segments_of(graph, spec, shape, inputs.future)
    enter, extra = weights["enter.weight"], weights["enter.weight"].shape[1] - segment * shape.future
    entered = graph.linear(segments, enter[:, extra:], weights["enter.bias"])
    if extra:
        entered = graph("Add", entered, graph.unsqueeze(graph.linear(inputs.extra, enter[:, :extra]), 1))
    entered = graph.reshape(graph("Add", entered, graph.constant(weights["places"])), -1, 1, spec.hidden)
    width = weights["state.weight"].shape[1] if weights.prefix + "state.weight" in weights.tensors else spec.hidden
    repeated = graph("Tile", graph.unsqueeze(inputs.context, 1), graph.integers(1, count, 1))
    state = _first_state(graph, weights, spec, graph.reshape(repeated, -1, width))
    decoded = recurrent_layers(graph, weights.within("cell"), spec.cell, 1, entered, state).states
    size = weights["out.1.weight"].shape[0] // segment
    raw = graph.reshape(weights.linear(graph, "out.1", decoded), -1, count * segment, size)
    return graph.slice(raw, 0, shape.horizon, 1)


def _successive_segments(
    graph: GraphBuilder, weights: Weights, spec: RecurrentSpec, shape: NetworkShape, inputs: DecoderInputs
) -> str:
    segments, count, segment = _segments_of(graph, spec, shape, inputs.future)
    missing = count * segment - shape.horizon
    base = graph("Pad", inputs.base, graph.integers(0, 0, 0, missing)) if missing else inputs.base
    state = _first_state(graph, weights, spec, inputs.context)
    previous = graph("Mul", graph.slice(base, 0, segment, 1), graph.constant([0.0]))
    size, parts = weights["out.1.weight"].shape[0] // segment, []
    for index in range(count):
        covariates = graph.reshape(graph.slice(segments, index, index + 1, 1), 0, segment * shape.future)
        entered = weights.linear(graph, "enter", graph.concat([inputs.extra, covariates, previous], 1))
        cell = recurrent_layers(graph, weights.within("cell"), spec.cell, 1, graph.unsqueeze(entered, 1), state)
        state = cell.last
        raw = graph.reshape(weights.linear(graph, "out.1", cell.states), -1, segment, size)
        parts.append(raw)
        forecast_base = graph.slice(base, index * segment, (index + 1) * segment, 1)
        previous = _point(graph, spec, shape, _head(graph, spec, shape, raw, forecast_base, inputs), inputs)
    return graph.slice(graph.concat(parts, 1), 0, shape.horizon, 1)


def _head(
    graph: GraphBuilder, spec: RecurrentSpec, shape: NetworkShape, raw: str, base: str, inputs: DecoderInputs
) -> str:
    """Return the params (b, n, …) of raw (b, n, size) and base (b, n)."""
    column = graph.unsqueeze(base, 2)
    if spec.head in POINT_HEADS:
        return graph("Add", raw, column)
    if spec.head == "quantiles":
        middle, count = shape.quantiles.index(0.5), len(shape.quantiles)
        median, gaps = graph("Add", graph.slice(raw, middle, middle + 1, 2), column), graph("Softplus", raw)
        parts, axis = [median], graph.constant(np.array(2), np.int64)
        if middle:
            below = graph("CumSum", graph.slice(gaps, 0, middle, 2), axis, reverse=1)
            parts.insert(0, graph("Sub", median, below))
        if middle + 1 < count:
            parts.append(graph("Add", median, graph("CumSum", graph.slice(gaps, middle + 1, count, 2), axis)))
        return graph.concat(parts, 2)
    first, second = graph("Add", graph.slice(raw, 0, 1, 2), column), graph("Softplus", graph.slice(raw, 1, 2, 2))
    if spec.head == "student_t":
        scale, freedom = graph("Add", second, graph.constant([1e-3])), graph("Softplus", graph.slice(raw, 2, 3, 2))
        return graph.concat([first, scale, graph("Add", freedom, graph.constant([2.0]))], 2)
    shifts = (graph("Div", inputs.location, inputs.scale), inputs.scale)
    location, scale = (graph.unsqueeze(graph("Cast", name, to=FLOAT), 2) for name in shifts)
    mean = graph("Mul", graph("Softplus", graph("Add", first, location)), scale)
    return graph.concat([graph("Add", mean, graph.constant([1e-6])), graph("Add", second, graph.constant([1e-4]))], 2)


def _point(graph: GraphBuilder, spec: RecurrentSpec, shape: NetworkShape, params: str, inputs: DecoderInputs) -> str:
    """Return the point forecast (b, n) of params (b, n, …), which the next segment reads."""
    index = shape.quantiles.index(0.5) if spec.head == "quantiles" else 0
    point = graph("Squeeze", graph.slice(params, index, index + 1, 2), graph.integers(2))
    if spec.head != "negative_binomial":
        return point
    location, scale = (graph("Cast", name, to=FLOAT) for name in (inputs.location, inputs.scale))
    return graph("Div", graph("Sub", point, location), scale)
