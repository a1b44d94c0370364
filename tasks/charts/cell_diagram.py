"""One cell with its gates, wired as torch computes it; a gate is a tank, as full as the gate is open on the mean.

LSTM  c' = f⊙c + i⊙n        h' = o⊙tanh(c')
GRU   h' = z⊙h + (1−z)⊙n    n  = tanh(x + r⊙h)
RNN   h' = n                n  = tanh(x + h)

Weights are left out: x and h stand for what they make of them, also where torch resets h.
"""

import math
from collections.abc import Sequence

from markupsafe import Markup

from models.diagnostics.memory import GateStatistics
from tasks.charts.diagram import Diagram, Point, arrow, box, path, text_at
from tasks.charts.network_view import NetworkView
from tasks.charts.svg import NONE

WIDTH, LIFTED, TANK = 400, 30, (54.0, 38.0)
SIGMA = "\N{GREEK SMALL LETTER SIGMA}"
Gates = dict[str, GateStatistics]

CAPTIONS = {
    "lstm": "The forget gate scales the cell line that runs along the top and the input gate lets new content onto it: "
    "a forget gate near 1 is a memory that hardly fades, and the output gate says how much of it is shown.",
    "gru": "The update gate mixes the old state, which it keeps, with the new one: near 1 it is a memory that hardly "
    "fades, and the reset gate says how much of the old state the new one may look at.",
    "rnn": "Without gates the whole state is rewritten at every step, so what it held is multiplied by the same "
    "weights again and again, and fades or explodes.",
}


def draw_cell(drawn: NetworkView) -> Diagram:
    """The cell of the highest layer, on its way forward, with what its gates did."""
    layer = max((use.layer for use in drawn.memory.gates), default=0)
    uses = [use for use in drawn.memory.gates if use.layer == layer and use.direction == "forward"]
    wiring, height = {"lstm": (_lstm, 228), "gru": (_gru, 234), "rnn": (_rnn, 148)}[drawn.spec.cell]
    wires = NONE.join(wiring({use.gate: use for use in uses}))
    parts = [Markup('<g transform="translate(0 {})">{}</g>').format(-LIFTED, wires), *draw_gate_bars(uses, height + 22)]
    which = f", layer {layer + 1} of {drawn.spec.layers}" if drawn.spec.layers > 1 else ""
    title = f"Inside a cell of {drawn.name}{which}"
    return Diagram(title, CAPTIONS[drawn.spec.cell], (WIDTH, height + 22 + ROW * (len(uses) + 1)), parts)


def _lstm(gates: Gates) -> list[Markup]:
    feed, cell, gate = 196.0, 62.0, 146.0
    xs = {"forget": 108.0, "input": 170.0, "new": 232.0, "output": 294.0}
    into, shown = (201.0, 100.0), (352.0, gate)
    return [
        box((202, 127), (340, 186), "frame", round_by=14),
        *_ends(cell, feed),
        arrow([(8, cell), (98, cell)], "flow"), arrow([(118, cell), (191, cell)], "flow"),
        arrow([(211, cell), (392, cell)], "flow"),
        path([(8, feed), (294, feed)], "wire"), path([(62, 236), (62, feed)], "wire"), _dot((62, feed)),
        *(arrow([(x, feed), (x, gate + 19)]) for x in xs.values()),
        arrow([(108, gate - 19), (108, cell + 10)]),
        arrow([(170, gate - 19), (170, 100), (191, 100)]), arrow([(232, gate - 19), (232, 100), (211, 100)]),
        arrow([(201, 90), (201, cell + 10)]),
        _dot((352, cell)), arrow([(352, cell), (352, 88)]), arrow([(352, 108), (352, gate - 10)]),
        box((352, 98), (38, 20), "box"), text_at(352, 102, "tanh", "small c"),
        arrow([(321, gate), (342, gate)]), arrow([(352, gate + 10), (352, feed), (392, feed)], "flow"),
        *_sign((108, cell), "×"), *_sign((201, cell), "+"), *_sign(into, "×"), *_sign(shown, "×"),
        *(part for name, x in xs.items() for part in _gate_fill((x, gate), name, gates.get(name))),
        text_at(8, cell - 9, "c(t−1)", ""), text_at(392, cell - 9, "c(t)", "e"),
    ]  # fmt: skip


def _gru(gates: Gates) -> list[Markup]:
    state, gate, old, read = 62.0, 146.0, 192.0, 214.0
    xs = {"reset": 104.0, "update": 190.0, "new": 302.0}
    return [
        box((202, 133), (340, 198), "frame", round_by=14),
        *_ends(state, None),
        arrow([(8, state), (180, state)], "flow"), arrow([(200, state), (292, state)], "flow"),
        arrow([(312, state), (392, state)], "flow"),
        _dot((50, state)), path([(50, state), (50, old), (180, old)], "wire"), arrow([(180, old), (240, old)]),
        path([(66, 242), (66, read), (312, read)], "wire"),
        *(arrow([(xs[name] - 10, old), (xs[name] - 10, gate + 19)]) for name in ("reset", "update")),
        *(arrow([(x + 10, read), (x + 10, gate + 19)]) for x in xs.values()),
        arrow([(260, old), (292, old), (292, gate + 19)]),
        arrow([(104, gate - 19), (104, 117), (250, 117), (250, old - 10)]),
        arrow([(190, gate - 19), (190, state + 10)]), _dot((190, 93)),
        arrow([(190, 93), (227, 93)]), arrow([(259, 93), (292, 93)]),
        box((243, 93), (32, 20), "box"), text_at(243, 97, "1 −", "small c"),
        arrow([(302, gate - 19), (302, 103)]), arrow([(302, 83), (302, state + 10)]),
        *_sign((190, state), "×"), *_sign((302, state), "+"), *_sign((302, 93), "×"), *_sign((250, old), "×"),
        *(part for name, x in xs.items() for part in _gate_fill((x, gate), name, gates.get(name))),
    ]  # fmt: skip


def _rnn(gates: Gates) -> list[Markup]:
    state = 84.0
    return [
        box((202, 84), (340, 104), "frame", round_by=14),
        *_ends(state, None, 160),
        arrow([(8, state), (193, state)], "flow"), arrow([(247, state), (392, state)], "flow"),
        path([(62, 156), (62, state)], "wire"), _dot((62, state)),
        *_gate_fill((220, state), "new", gates.get("new")),
        text_at(300, state - 9, "the whole state", "small c"),
    ]  # fmt: skip


def _ends(state: float, hidden: float | None, foot: float = 246) -> list[Markup]:
    """The names of what enters and leaves."""
    line = state if hidden is None else hidden
    return [
        text_at(8, line - 9, "h(t−1)", ""),
        text_at(392, line - 9, "h(t)", "e"),
        text_at(62 if hidden is not None or foot < 200 else 66, foot + 10, "x(t)", "c"),
    ]


def _gate_fill(centre: Point, name: str, use: GateStatistics | None) -> list[Markup]:
    """Filled from the bottom by a gate from 0 to 1; from the middle up or down by a candidate from -1 to 1."""
    x, y = centre
    mean = use.mean if use and math.isfinite(use.mean) else None
    parts = [box(centre, TANK, "shut", round_by=6)]
    if mean is not None:
        room = TANK[1] - 3
        level = min(max(mean, -1.0), 1.0)
        high = room * (abs(level) / 2 if name == "new" else max(level, 0.0))
        base = y - high / 2 * math.copysign(1, level) if name == "new" else y + room / 2 - high / 2
        parts.append(box((x, base), (TANK[0] - 3, high), "below" if level < 0 else "open", 0.38, 3))
    told = "–" if mean is None else f"{mean:.2f}".replace("-", "−")
    return [
        *parts,
        text_at(x, y - 4, f"{'tanh' if name == 'new' else SIGMA} {name}", "small c"),
        text_at(x, y + 11, told, "c strong"),
    ]


def _sign(centre: Point, sign: str) -> list[Markup]:
    circle = Markup('<circle class="box" cx="{:g}" cy="{:g}" r="10"/>').format(*centre)
    return [circle, text_at(centre[0], centre[1] + 5, sign, "sign")]


def _dot(centre: Point) -> Markup:
    """Where a wire parts in two."""
    return Markup('<circle class="tip" cx="{:g}" cy="{:g}" r="2.6"/>').format(*centre)


ROW, BAR, LINE = (
    26,
    (146.0, 90.0),
    (286.0, 114.0),
)  # a row's height; where the bar and the small line stand, and how wide


def draw_gate_bars(uses: Sequence[GateStatistics], top: float) -> list[Markup]:
    """A row a gate, under one line of headings."""
    parts = [text_at(0, top, "gate", ""), text_at(92, top, "mean", "e")]
    parts += [text_at(BAR[0] - 6, top, "low", "e"), text_at(BAR[0] + BAR[1] + 6, top, "high", "")]
    parts.append(text_at(LINE[0] + LINE[1], top, "oldest → newest", "e"))
    for row, use in enumerate(uses, 1):
        parts += gate_bar(use, top + ROW * row - 4)
    return parts


def gate_bar(use: GateStatistics, y: float) -> list[Markup]:
    mean = f"{use.mean:.2f}".replace("-", "−") if math.isfinite(use.mean) else "–"
    low, high = (min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0 for share in (use.low, use.high))
    (start, wide), middle = BAR, y - 4
    parts = [text_at(0, y, use.gate, "strong"), text_at(92, y, mean, "e")]
    parts += [text_at(start - 6, y, f"{low:.0%}", "e"), text_at(start + wide + 6, y, f"{high:.0%}", "")]
    parts.append(box((start + wide / 2, middle), (wide, 10), "frame", round_by=2))
    parts.append(box((start + wide * low / 2, middle), (wide * low, 10), "below", 0.75, 2))
    parts.append(box((start + wide * (1 - high / 2), middle), (wide * high, 10), "open", 0.75, 2))
    return parts + _small_line(use, middle)


def _small_line(use: GateStatistics, middle: float) -> list[Markup]:
    """The mean at each step between its least and largest possible value."""
    start, wide = LINE
    lowest = -1.0 if use.gate == "new" else 0.0
    parts = [box((start + wide / 2, middle), (wide, 18), "frame", round_by=2)]
    values = [value for value in use.by_step if math.isfinite(value)]
    if not values:
        return parts
    ups = [middle + 8 - 16 * (min(max(value, lowest), 1.0) - lowest) / (1 - lowest) for value in values]
    if len(ups) == 1:
        ups *= 2
    stride = wide / (len(ups) - 1)
    return [*parts, path([(start + stride * place, up) for place, up in enumerate(ups)], "edge")]
