"""One cell and its gates, wired as torch computes it; each gate is filled up to its mean activation.

LSTM  c' = f⊙c + i⊙n        h' = o⊙tanh(c')
GRU   h' = z⊙h + (1−z)⊙n    n  = tanh(x + r⊙h)
RNN   h' = n                n  = tanh(x + h)

Weights are left out: x and h stand for their products with the weights, also where torch applies the reset gate.
"""

import math
from collections.abc import Sequence

from markupsafe import Markup

from models.diagnostics.measurements import GateStatistics
from tasks.charts.diagram import Diagram, Point, arrow, box, path, text_at
from tasks.charts.formatting import MINUS, MISSING
from tasks.charts.network_view import NetworkView
from tasks.charts.svg import EMPTY

WIDTH, OFFSET_Y, GATE_SIZE = 400, 30, (54.0, 38.0)  # pixels
ROW_HEIGHT = 26
BAR_X, BAR_WIDTH, SPARKLINE_X, SPARKLINE_WIDTH = 146.0, 90.0, 286.0, 114.0
SIGMA = "\N{GREEK SMALL LETTER SIGMA}"
Gates = dict[str, GateStatistics]

CAPTIONS = {
    "lstm": "The forget gate scales the cell state, which runs along the top, and the input gate adds new content to "
    "it. A forget gate near 1 keeps a memory that hardly fades; the output gate controls how much of it is passed on.",
    "gru": "The update gate mixes the old state with a new one. Near 1, it keeps the old state, and the memory hardly "
    "fades; the reset gate controls how much of the old state the new one depends on.",
    "rnn": "Without gates, the whole state is rewritten at each step. Its content is multiplied by the same weights "
    "each time, so it fades or explodes.",
}


def draw_cell(view: NetworkView) -> Diagram:
    """Draw the cell of the highest layer in the forward direction, with the activations of its gates."""
    layer = max((gate.layer for gate in view.memory.gates), default=0)
    gates = [gate for gate in view.memory.gates if gate.layer == layer and gate.direction == "forward"]
    draw, height = {"lstm": (_lstm, 228), "gru": (_gru, 234), "rnn": (_rnn, 148)}[view.spec.cell]
    wires = EMPTY.join(draw({gate.gate: gate for gate in gates}))
    parts = [Markup('<g transform="translate(0 {})">{}</g>').format(-OFFSET_Y, wires), *_gate_table(gates, height + 22)]
    suffix = f", layer {layer + 1} of {view.spec.layers}" if view.spec.layers > 1 else ""
    size = (WIDTH, height + 22 + ROW_HEIGHT * (len(gates) + 1))
    return Diagram(f"Inside a cell of {view.name}{suffix}", CAPTIONS[view.spec.cell], size, parts)


def _lstm(gates: Gates) -> list[Markup]:
    feed, cell, gate = 196.0, 62.0, 146.0
    xs = {"forget": 108.0, "input": 170.0, "new": 232.0, "output": 294.0}
    into, shown = (201.0, 100.0), (352.0, gate)
    return [
        box((202, 127), (340, 186), "frame", radius=14),
        *_state_labels(cell, feed),
        arrow([(8, cell), (98, cell)], "flow"), arrow([(118, cell), (191, cell)], "flow"),
        arrow([(211, cell), (392, cell)], "flow"),
        path([(8, feed), (294, feed)], "wire"), path([(62, 236), (62, feed)], "wire"), _branch((62, feed)),
        *(arrow([(x, feed), (x, gate + 19)]) for x in xs.values()),
        arrow([(108, gate - 19), (108, cell + 10)]),
        arrow([(170, gate - 19), (170, 100), (191, 100)]), arrow([(232, gate - 19), (232, 100), (211, 100)]),
        arrow([(201, 90), (201, cell + 10)]),
        _branch((352, cell)), arrow([(352, cell), (352, 88)]), arrow([(352, 108), (352, gate - 10)]),
        box((352, 98), (38, 20), "box"), text_at(352, 102, "tanh", "small c"),
        arrow([(321, gate), (342, gate)]), arrow([(352, gate + 10), (352, feed), (392, feed)], "flow"),
        *_operator((108, cell), "×"), *_operator((201, cell), "+"), *_operator(into, "×"), *_operator(shown, "×"),
        *(part for name, x in xs.items() for part in _gate_fill((x, gate), name, gates.get(name))),
        text_at(8, cell - 9, "c(t−1)", ""), text_at(392, cell - 9, "c(t)", "e"),
    ]  # fmt: skip


def _gru(gates: Gates) -> list[Markup]:
    state, gate, old, read = 62.0, 146.0, 192.0, 214.0
    xs = {"reset": 104.0, "update": 190.0, "new": 302.0}
    return [
        box((202, 133), (340, 198), "frame", radius=14),
        *_state_labels(state, None),
        arrow([(8, state), (180, state)], "flow"), arrow([(200, state), (292, state)], "flow"),
        arrow([(312, state), (392, state)], "flow"),
        _branch((50, state)), path([(50, state), (50, old), (180, old)], "wire"), arrow([(180, old), (240, old)]),
        path([(66, 242), (66, read), (312, read)], "wire"),
        *(arrow([(xs[name] - 10, old), (xs[name] - 10, gate + 19)]) for name in ("reset", "update")),
        *(arrow([(x + 10, read), (x + 10, gate + 19)]) for x in xs.values()),
        arrow([(260, old), (292, old), (292, gate + 19)]),
        arrow([(104, gate - 19), (104, 117), (250, 117), (250, old - 10)]),
        arrow([(190, gate - 19), (190, state + 10)]), _branch((190, 93)),
        arrow([(190, 93), (227, 93)]), arrow([(259, 93), (292, 93)]),
        box((243, 93), (32, 20), "box"), text_at(243, 97, "1 −", "small c"),
        arrow([(302, gate - 19), (302, 103)]), arrow([(302, 83), (302, state + 10)]),
        *_operator((190, state), "×"), *_operator((302, state), "+"), *_operator((302, 93), "×"),
        *_operator((250, old), "×"),
        *(part for name, x in xs.items() for part in _gate_fill((x, gate), name, gates.get(name))),
    ]  # fmt: skip


def _rnn(gates: Gates) -> list[Markup]:
    state = 84.0
    return [
        box((202, 84), (340, 104), "frame", radius=14),
        *_state_labels(state, None, 160),
        arrow([(8, state), (193, state)], "flow"), arrow([(247, state), (392, state)], "flow"),
        path([(62, 156), (62, state)], "wire"), _branch((62, state)),
        *_gate_fill((220, state), "new", gates.get("new")),
        text_at(300, state - 9, "the whole state", "small c"),
    ]  # fmt: skip


def _state_labels(state: float, hidden: float | None, foot: float = 246) -> list[Markup]:
    """Label the states and the input that enter and leave the cell."""
    line = state if hidden is None else hidden
    return [
        text_at(8, line - 9, "h(t−1)", ""),
        text_at(392, line - 9, "h(t)", "e"),
        text_at(62 if hidden is not None or foot < 200 else 66, foot + 10, "x(t)", "c"),
    ]


def _gate_fill(centre: Point, name: str, gate: GateStatistics | None) -> list[Markup]:
    """Draw a gate, filled from the bottom for a mean from 0 to 1; a candidate (-1 to 1) is filled from the middle."""
    x, y = centre
    mean = gate.mean if gate and math.isfinite(gate.mean) else None
    parts = [box(centre, GATE_SIZE, "shut", radius=6)]
    if mean is not None:
        inner_height = GATE_SIZE[1] - 3
        level = min(max(mean, -1.0), 1.0)
        height = inner_height * (abs(level) / 2 if name == "new" else max(level, 0.0))
        middle = y - height / 2 * math.copysign(1, level) if name == "new" else y + inner_height / 2 - height / 2
        parts.append(box((x, middle), (GATE_SIZE[0] - 3, height), "below" if level < 0 else "open", 0.38, 3))
    return [
        *parts,
        text_at(x, y - 4, f"{'tanh' if name == 'new' else SIGMA} {name}", "small c"),
        text_at(x, y + 11, _format_mean(mean), "c strong"),
    ]


def _format_mean(mean: float | None) -> str:
    return MISSING if mean is None or not math.isfinite(mean) else f"{mean:.2f}".replace("-", MINUS)


def _operator(centre: Point, sign: str) -> list[Markup]:
    circle = Markup('<circle class="box" cx="{:g}" cy="{:g}" r="10"/>').format(*centre)
    return [circle, text_at(centre[0], centre[1] + 5, sign, "sign")]


def _branch(centre: Point) -> Markup:
    """Draw the dot where a wire splits in two."""
    return Markup('<circle class="tip" cx="{:g}" cy="{:g}" r="2.6"/>').format(*centre)


def _gate_table(gates: Sequence[GateStatistics], top: float) -> list[Markup]:
    """Draw one row per gate below a line of headings."""
    parts = [text_at(0, top, "gate", ""), text_at(92, top, "mean", "e")]
    parts += [text_at(BAR_X - 6, top, "low", "e"), text_at(BAR_X + BAR_WIDTH + 6, top, "high", "")]
    parts.append(text_at(SPARKLINE_X + SPARKLINE_WIDTH, top, "oldest → newest", "e"))
    for row, gate in enumerate(gates, 1):
        parts += _gate_row(gate, top + ROW_HEIGHT * row - 4)
    return parts


def _gate_row(gate: GateStatistics, y: float) -> list[Markup]:
    """Draw name and mean of a gate, a bar with its shares of low and high activations, and its sparkline."""
    low, high = (min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0 for share in (gate.low, gate.high))
    middle = y - 4
    parts = [text_at(0, y, gate.gate, "strong"), text_at(92, y, _format_mean(gate.mean), "e")]
    parts += [text_at(BAR_X - 6, y, f"{low:.0%}", "e"), text_at(BAR_X + BAR_WIDTH + 6, y, f"{high:.0%}", "")]
    parts.append(box((BAR_X + BAR_WIDTH / 2, middle), (BAR_WIDTH, 10), "frame", radius=2))
    parts.append(box((BAR_X + BAR_WIDTH * low / 2, middle), (BAR_WIDTH * low, 10), "below", 0.75, 2))
    parts.append(box((BAR_X + BAR_WIDTH * (1 - high / 2), middle), (BAR_WIDTH * high, 10), "open", 0.75, 2))
    return parts + _sparkline(gate, middle)


def _sparkline(gate: GateStatistics, middle: float) -> list[Markup]:
    """Draw the mean activation at each step, between the least and the largest possible value."""
    lowest = -1.0 if gate.gate == "new" else 0.0
    parts = [box((SPARKLINE_X + SPARKLINE_WIDTH / 2, middle), (SPARKLINE_WIDTH, 18), "frame", radius=2)]
    values = [value for value in gate.by_step if math.isfinite(value)]
    if not values:
        return parts
    ys = [middle + 8 - 16 * (min(max(value, lowest), 1.0) - lowest) / (1 - lowest) for value in values]
    if len(ys) == 1:
        ys *= 2
    stride = SPARKLINE_WIDTH / (len(ys) - 1)
    return [*parts, path([(SPARKLINE_X + stride * index, y) for index, y in enumerate(ys)], "edge")]
