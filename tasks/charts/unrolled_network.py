"""A network unrolled through time: the same cell at each step, with arrows whose opacity is the gradient.

          ┌ attention, or the backward pass ┐  +1  +2   +H
layer 2   □ → □ → ⋯ → □ → □ ──context──→  [  decoder  ]
layer 1   □ → □ → ⋯ → □ → □                    ↑
          ▫   ▫       ▫   ▫   inputs       known ahead
"""

from typing import NamedTuple

from markupsafe import Markup

from tasks.charts.diagram import Diagram, Point, arrow, box, path, stroke_opacity, text_at
from tasks.charts.formatting import percent
from tasks.charts.network_view import Gap, NetworkView, RecurrenceStep, elide_middle, recurrence_steps
from tasks.charts.unrolled_decoder import DecoderLayout, draw_future

ROW_HEIGHT, FOOTER_HEIGHT = 66, 74  # pixels


class LayerRow(NamedTuple):
    """One row of cells: a layer in one direction."""

    layer: int
    backward: bool


class UnrolledLayout(NamedTuple):
    """The grid: a column for each step of the recurrence, a row for each layer and direction, lowest layer first.

    A row is None if the layers at its place are left out. Widths are in pixels.
    """

    view: NetworkView
    columns: list[RecurrenceStep | Gap]
    rows: list[LayerRow | None]
    width: int
    gutter: float
    pitch: float
    cell: float

    @property
    def headroom(self) -> float:
        """Space above the layers, larger if the readout draws lines there."""
        return 44 if self.view.spec.readout == "attention" or self.view.spec.bidirectional else 14

    @property
    def inputs(self) -> float:
        """The y of the inputs."""
        return 74 + self.headroom + ROW_HEIGHT * len(self.rows)

    @property
    def cutoff(self) -> float:
        """The x where the past ends."""
        return self.gutter + self.pitch * len(self.columns) + 6

    @property
    def decoder(self) -> float:
        """The x where the decoder begins."""
        return self.cutoff + (22 if self.width < 500 else 58)

    @property
    def context_row(self) -> int:
        """The row whose last state is the context: the forward direction of the highest layer."""
        return max(index for index, row in enumerate(self.rows) if row and not row.backward)

    def centre(self, column: int, row: int) -> Point:
        """Return the centre of a cell; row -1 is the inputs. Forward cells stand to the left of backward cells."""
        x, layer = self.gutter + self.pitch * (column + 0.5), self.rows[row] if row >= 0 else None
        shift = 0.3 * self.cell if layer and self.view.spec.bidirectional else 0.0
        return x + (shift if layer and layer.backward else -shift), self.inputs - ROW_HEIGHT * (row + 1)


def draw_unrolled(view: NetworkView, narrow: bool = False) -> Diagram:
    """Draw the network from the oldest input to the forecast; steps in the middle are left out if there are many."""
    grid = _layout(view, narrow)
    parts = [*_labels(grid), *_state_arrows(grid), *_layer_arrows(grid), *_cells(grid), *_readout(grid)]
    top = grid.centre(0, grid.context_row)[1]
    parts += draw_future(view, DecoderLayout(grid.cutoff, grid.decoder, grid.width, top, grid.inputs), narrow)
    size = (grid.width, round(grid.inputs + FOOTER_HEIGHT))
    return Diagram(f"{view.name}, unrolled through time", _caption(view), size, parts)


def _layout(view: NetworkView, narrow: bool) -> UnrolledLayout:
    bidirectional = view.spec.bidirectional
    layers: list[int | None] = list(range(view.spec.layers))
    if len(layers) > 3:
        layers = [0, None, view.spec.layers - 1]
    rows: list[LayerRow | None] = []
    for layer in layers:
        if layer is None:
            rows.append(None)
        else:
            rows += [LayerRow(layer, backward) for backward in ((False, True) if bidirectional else (False,))]
    columns = elide_middle(recurrence_steps(view.memory), 4 if narrow else 8)
    extra = 8 * bidirectional
    if narrow:
        return UnrolledLayout(view, columns, rows, 360, 50 + extra, (176 - extra) / len(columns), 25)
    return UnrolledLayout(view, columns, rows, 1040, 78 + extra, (640 - extra) / len(columns), 38)


def _labels(grid: UnrolledLayout) -> list[Markup]:
    lag_y, gradient_y = grid.inputs + 30, grid.inputs + 46
    parts = [text_at(0, grid.inputs + 4, "inputs", "small"), text_at(0, lag_y, "lag", "small")]
    parts.append(text_at(0, gradient_y, "gradient", "small"))
    for index, row in enumerate(grid.rows):
        if row:
            direction = (" ←" if row.backward else " →") if grid.view.spec.bidirectional else ""
            parts.append(text_at(0, grid.centre(0, index)[1] + 4, f"layer {row.layer + 1}{direction}", "small"))
    for column, step in enumerate(grid.columns):
        x = grid.centre(column, -1)[0]
        if isinstance(step, Gap):
            parts.append(text_at(x, lag_y, f"{step.steps} more" if grid.pitch > 46 else "⋯", "small c"))
            continue
        single = step.farthest == step.nearest or grid.pitch < 60
        lags = f"{step.farthest}" if single else f"{step.farthest}–{step.nearest}"
        parts.append(text_at(x, lag_y, lags, "small c"))
        parts.append(text_at(x, gradient_y, format_share(step.share), "small c strong"))
    return parts


def format_share(share: float) -> str:
    """Format a share of the largest gradient: 100%, 3.2%, 0.04%, and ≈ 0 below a ten-thousandth."""
    if share >= 0.01:
        return percent(share) if share < 0.1 else f"{share:.0%}"
    return f"{share:.2%}" if share >= 0.0001 else "≈ 0"


def _state_arrows(grid: UnrolledLayout) -> list[Markup]:
    """Draw arrows from state to state. No gradient is measured in the backward direction, so its arrows are plain."""
    parts, half = [], grid.cell / 2
    for index, row in enumerate(grid.rows):
        for column in range(len(grid.columns) - 1):
            (x0, y), (x1, _) = grid.centre(column, index), grid.centre(column + 1, index)
            if row is None:
                continue
            if row.backward:
                parts.append(arrow([(x1 - half, y), (x0 + half, y)]))
            else:
                opacity = stroke_opacity(grid.columns[column].share)
                parts.append(arrow([(x0 + half, y), (x1 - half, y)], "flow", opacity))
    return parts


def _layer_arrows(grid: UnrolledLayout) -> list[Markup]:
    """Draw arrows from the inputs up through the layers; a bar joins both directions of a layer for the next one."""
    parts, half = [], grid.cell / 2
    for column, step in enumerate(grid.columns):
        if isinstance(step, Gap):
            continue
        opacity, below = stroke_opacity(step.share), [grid.inputs - 12, grid.inputs - 12]
        for index, row in enumerate(grid.rows):
            (x, y), backward = grid.centre(column, index), bool(row and row.backward)
            edge = y + (half if row else 6)
            style = ("wire", 1.0) if backward else ("flow", opacity)
            parts.append(arrow([(x, below[backward]), (x, edge)], *style))
            below[backward] = y - (half if row else 6)
            if backward and index < len(grid.rows) - 1:
                bar_y = y - ROW_HEIGHT / 2
                parts.append(path([(grid.centre(column, index - 1)[0], bar_y), (x, bar_y)], "wire"))
    return parts


def _cells(grid: UnrolledLayout) -> list[Markup]:
    parts = []
    for column, step in enumerate(grid.columns):
        for index in range(-1, len(grid.rows)):
            x, y = grid.centre(column, index)
            left_out = index >= 0 and grid.rows[index] is None
            if isinstance(step, Gap) or left_out:
                parts += [box((x, y), (16, 16), "halo"), text_at(x, y + 4, "⋮" if left_out else "⋯", "c strong")]
            elif index < 0:
                opacity = stroke_opacity(step.share)
                parts += [box((x, y), (grid.cell, 24), "halo"), box((x, y), (grid.cell, 24), "open", opacity, 3)]
            else:
                parts.append(box((x, y), (grid.cell, grid.cell), "box", radius=7))
                if grid.cell > 30:
                    parts.append(text_at(x, y + 4, grid.view.spec.cell.upper(), "small c"))
    return parts


def _readout(grid: UnrolledLayout) -> list[Markup]:
    """Draw how the states become the context of the decoder."""
    half, last = grid.cell / 2, len(grid.columns) - 1
    (x, y), turn = grid.centre(last, grid.context_row), grid.cutoff + 12
    parts = [arrow([(x + half, y), (grid.decoder, y)], "flow")]
    highest = len(grid.rows) - 1
    above = grid.centre(0, highest)[1] - half
    if grid.view.spec.readout == "attention":
        parts += _attention(grid, above)
        right = grid.centre(last, highest)[0] + half
        parts.append(arrow([(right, above - 29), (turn, above - 29), (turn, y - 2)]))
    elif grid.view.spec.bidirectional:
        first = grid.centre(0, highest)[0]
        parts.append(arrow([(first, above), (first, above - 14), (turn, above - 14), (turn, y - 2)]))
        parts.append(text_at((first + x) / 2, above - 19, "the backward pass ends at the oldest step", "small c"))
    return parts


def _attention(grid: UnrolledLayout, above: float) -> list[Markup]:
    """Draw an arrow from each state of the highest layer to the attention."""
    parts, half = [], grid.cell / 2
    highest, last = len(grid.rows) - 1, len(grid.columns) - 1
    for column, step in enumerate(grid.columns):
        if isinstance(step, Gap):
            continue
        for index in range(grid.context_row, highest + 1):
            x, y = grid.centre(column, index)
            style = ("wire", 1.0) if index > grid.context_row else ("flow", stroke_opacity(step.share))
            parts.append(arrow([(x, y - half), (x, above - 20)], *style))
    left, right = grid.centre(0, grid.context_row)[0] - half, grid.centre(last, highest)[0] + half
    parts.append(box(((left + right) / 2, above - 29), (right - left, 18), "box"))
    parts.append(text_at((left + right) / 2, above - 25, "attention reads every state", "small c"))
    return parts


def _caption(view: NetworkView) -> str:
    segment, lookback = view.memory.segment, view.shape.lookback
    steps = -(-lookback // max(segment, 1))
    read = f", {segment} observations at a time" if segment > 1 else ""
    backward = " The backward pass is plain: its gradient is not measured." if view.spec.bidirectional else ""
    return (
        f"One {view.spec.cell.upper()} cell with the same weights is applied {steps} times, from the oldest of "
        f"{lookback} steps to the newest{read}. The darker an arrow, the more of the gradient reaches that step "
        f"through the states; without gradient, nothing is learned from a step.{backward}"
    )
