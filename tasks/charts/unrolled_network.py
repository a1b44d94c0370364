"""A network unrolled through time: the same cell at every step, arrows as dark as the gradient that comes back.

          ┌ attention, or the way back ┐     +1  +2   +H
layer 2   □ → □ → ⋯ → □ → □ ──context──→  [  decoder  ]
layer 1   □ → □ → ⋯ → □ → □                    ↑
          ▫   ▫       ▫   ▫   inputs       what is known ahead
"""

from typing import NamedTuple

from markupsafe import Markup

from tasks.charts.diagram import Diagram, Point, arrow, box, path, stroke_opacity, text_at
from tasks.charts.formatting import percent
from tasks.charts.network_view import Gap, NetworkView, RecurrenceStep, elide_middle, recurrence_steps
from tasks.charts.unrolled_decoder import DecoderLayout, draw_future

ROW, FOOT = 66, 74


class UnrolledLayout(NamedTuple):
    """Where things stand: columns are steps of the recurrence, rows are layers and their directions."""

    drawn: NetworkView
    columns: list[RecurrenceStep | Gap]
    rows: list[tuple[int, bool] | None]  # (layer, backward), lowest first; None where layers are left out
    width: int
    gutter: float
    pitch: float
    cell: float

    @property
    def over(self) -> float:
        """Room above the layers for what the readout draws from many states."""
        return 44 if self.drawn.spec.readout == "attention" or self.drawn.spec.bidirectional else 14

    @property
    def inputs(self) -> float:
        return 74 + self.over + ROW * len(self.rows)

    @property
    def cutoff(self) -> float:
        """Where the past ends."""
        return self.gutter + self.pitch * len(self.columns) + 6

    @property
    def decoder(self) -> float:
        """Where the decoder begins."""
        return self.cutoff + (22 if self.width < 500 else 58)

    def at(self, column: int, row: int) -> Point:
        """The middle of a cell; row -1 is the inputs. Ways forward stand to the left of ways back."""
        x, told = self.gutter + self.pitch * (column + 0.5), self.rows[row] if row >= 0 else None
        aside = 0.3 * self.cell if told and self.drawn.spec.bidirectional else 0.0
        return x + (aside if told and told[1] else -aside), self.inputs - ROW * (row + 1)


def draw_unrolled(drawn: NetworkView, narrow: bool = False) -> Diagram:
    """The whole network, with its middle steps left out where they are many."""
    grid = _grid(drawn, narrow)
    parts = [*_labels(grid), *_across(grid), *_upward(grid), *_cells(grid), *_readout(grid)]
    room = DecoderLayout(grid.cutoff, grid.decoder, grid.width, grid.at(0, _top(grid))[1], grid.inputs)
    parts += draw_future(drawn, room, narrow)
    return Diagram(
        f"{drawn.name}, unrolled through time", _caption(drawn), (grid.width, round(grid.inputs + FOOT)), parts
    )


def _grid(drawn: NetworkView, narrow: bool) -> UnrolledLayout:
    both = drawn.spec.bidirectional
    layers: list[int | None] = list(range(drawn.spec.layers))
    if len(layers) > 3:
        layers = [0, None, drawn.spec.layers - 1]
    rows: list[tuple[int, bool] | None] = []
    for layer in layers:
        rows += [None] if layer is None else [(layer, False), (layer, True)] if both else [(layer, False)]
    columns = elide_middle(recurrence_steps(drawn.memory), 4 if narrow else 8)
    if narrow:
        return UnrolledLayout(drawn, columns, rows, 360, 50 + 8 * both, (176 - 8 * both) / len(columns), 25)
    return UnrolledLayout(drawn, columns, rows, 1040, 78 + 8 * both, (640 - 8 * both) / len(columns), 38)


def _labels(grid: UnrolledLayout) -> list[Markup]:
    foot = grid.inputs + 12
    parts = [text_at(0, grid.inputs + 4, "inputs", "small"), text_at(0, foot + 18, "lag", "small")]
    parts.append(text_at(0, foot + 34, "gradient", "small"))
    for row, told in enumerate(grid.rows):
        if told:
            way = (" ←" if told[1] else " →") if grid.drawn.spec.bidirectional else ""
            parts.append(text_at(0, grid.at(0, row)[1] + 4, f"layer {told[0] + 1}{way}", "small"))
    for column, one in enumerate(grid.columns):
        x = grid.at(column, -1)[0]
        if isinstance(one, Gap):
            parts.append(text_at(x, foot + 18, f"{one.steps} more" if grid.pitch > 46 else "⋯", "small c"))
            continue
        lags = f"{one.farthest}" if one.farthest == one.nearest or grid.pitch < 60 else f"{one.farthest}–{one.nearest}"
        parts += [
            text_at(x, foot + 18, lags, "small c"),
            text_at(x, foot + 34, share_told(one.share), "small c strong"),
        ]
    return parts


def share_told(share: float) -> str:
    """A share of the largest gradient: 100%, 3.2%, 0.04%; below a ten-thousandth it is as good as none."""
    if share >= 0.01:
        return percent(share) if share < 0.1 else f"{share:.0%}"
    return f"{share:.2%}" if share >= 0.0001 else "≈ 0"


def _across(grid: UnrolledLayout) -> list[Markup]:
    """From state to state. The way back carries no measured gradient, so it is plain wire."""
    parts, half = [], grid.cell / 2
    for row, told in enumerate(grid.rows):
        for column in range(len(grid.columns) - 1):
            (x0, y), (x1, _) = grid.at(column, row), grid.at(column + 1, row)
            if told is None:
                continue
            if told[1]:
                parts.append(arrow([(x1 - half, y), (x0 + half, y)]))
            else:
                ink = stroke_opacity(grid.columns[column].share)
                parts.append(arrow([(x0 + half, y), (x1 - half, y)], "flow", ink))
    return parts


def _top(grid: UnrolledLayout) -> int:
    """The row whose last state is the context: the way forward of the highest layer."""
    return max(row for row, told in enumerate(grid.rows) if told and not told[1])


def _upward(grid: UnrolledLayout) -> list[Markup]:
    """From the inputs through the layers; where there are two ways, a rung joins what both found for the next layer."""
    parts, half = [], grid.cell / 2
    for column, one in enumerate(grid.columns):
        if isinstance(one, Gap):
            continue
        ink, below = stroke_opacity(one.share), [grid.inputs - 12, grid.inputs - 12]
        for row, told in enumerate(grid.rows):
            (x, y), back = grid.at(column, row), bool(told and told[1])
            edge = y + (half if told else 6)
            parts.append(arrow([(x, below[back]), (x, edge)], "wire" if back else "flow", 1 if back else ink))
            below[back] = y - (half if told else 6)
            if back and row < len(grid.rows) - 1:
                parts.append(path([(grid.at(column, row - 1)[0], y - ROW / 2), (x, y - ROW / 2)], "wire"))
    return parts


def _cells(grid: UnrolledLayout) -> list[Markup]:
    parts = []
    for column, one in enumerate(grid.columns):
        for row, told in enumerate([("input", False), *grid.rows], -1):
            x, y = grid.at(column, row)
            if isinstance(one, Gap) or told is None:
                parts += [box((x, y), (16, 16), "halo"), text_at(x, y + 4, "⋯" if told else "⋮", "c strong")]
            elif row < 0:
                ink = stroke_opacity(one.share)
                parts += [box((x, y), (grid.cell, 24), "halo"), box((x, y), (grid.cell, 24), "open", ink, 3)]
            else:
                parts.append(box((x, y), (grid.cell, grid.cell), "box", round_by=7))
                if grid.cell > 30:
                    parts.append(text_at(x, y + 4, grid.drawn.spec.cell.upper(), "small c"))
    return parts


def _readout(grid: UnrolledLayout) -> list[Markup]:
    """How the states become the context that the decoder is told."""
    spec, half, last = grid.drawn.spec, grid.cell / 2, len(grid.columns) - 1
    (x, y), turn = grid.at(last, _top(grid)), grid.cutoff + 12
    parts = [arrow([(x + half, y), (grid.decoder, y)], "flow")]
    highest = len(grid.rows) - 1
    above = grid.at(0, highest)[1] - half
    if spec.readout == "attention":
        left, right = grid.at(0, _top(grid))[0] - half, grid.at(last, highest)[0] + half
        for column, one in enumerate(grid.columns):
            if isinstance(one, Gap):
                continue
            for row in range(_top(grid), highest + 1):
                spot, back = grid.at(column, row), row > _top(grid)
                ink = 1 if back else stroke_opacity(one.share)
                parts.append(arrow([(spot[0], spot[1] - half), (spot[0], above - 20)], "wire" if back else "flow", ink))
        parts.append(box(((left + right) / 2, above - 29), (right - left, 18), "box"))
        parts.append(text_at((left + right) / 2, above - 25, "attention asks every state", "small c"))
        parts.append(arrow([(right, above - 29), (turn, above - 29), (turn, y - 2)]))
    elif spec.bidirectional:
        first = grid.at(0, highest)[0]
        parts.append(arrow([(first, above), (first, above - 14), (turn, above - 14), (turn, y - 2)]))
        parts.append(text_at((first + x) / 2, above - 19, "the way back ends at the oldest step", "small c"))
    return parts


def _caption(drawn: NetworkView) -> str:
    steps, lookback = -(-drawn.shape.lookback // max(drawn.memory.segment, 1)), drawn.shape.lookback
    read = f", {drawn.memory.segment} observations at a time" if drawn.memory.segment > 1 else ""
    back = " The way back is drawn plain: its gradient is not measured." if drawn.spec.bidirectional else ""
    return (
        f"One {drawn.spec.cell.upper()} cell with the same weights is applied {steps} times, from the oldest of "
        f"{lookback} steps to the newest{read}; an arrow is as dark as the share of the gradient that finds its way "
        f"back to that step through the states, and what it cannot reach it cannot teach.{back}"
    )
