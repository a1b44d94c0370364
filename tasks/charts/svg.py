"""Plot area, axes, lines and bands as inline SVG. Colours are CSS classes, so that they follow light and dark mode."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from tasks.charts.axes import Clock, Tick, time_ticks, value_ticks

EMPTY = Markup("")


@dataclass(frozen=True)
class PlotArea:
    """Maps x (seconds or counts) and y (values) to pixels; all `ticks` of y lie within its range."""

    size: tuple[int, int]
    x: tuple[float, float]
    y: tuple[float, float]
    ticks: tuple[Tick, ...]

    @property
    def left(self) -> float:
        """Left edge in pixels: the tick labels stand to the left of it."""
        return 10 + 6.2 * max(len(tick.label) for tick in self.ticks)

    @property
    def bottom(self) -> float:
        """Bottom edge in pixels: the labels of the x axis stand below it."""
        return self.size[1] - 20.0

    @property
    def max_points(self) -> int:
        """Number of points that a line of this width can show; more points only make the page larger."""
        return self.size[0] // 2

    def to_x(self, x: float | np.ndarray) -> np.ndarray:
        """Map x values to pixels from the left."""
        low, high = self.x
        return self.left + (self.size[0] - 4 - self.left) * (np.asarray(x, dtype=float) - low) / (high - low or 1.0)

    def to_y(self, y: float | np.ndarray) -> np.ndarray:
        """Map y values to pixels from the top."""
        low, high = self.y
        return self.bottom - (self.bottom - 8) * (np.asarray(y, dtype=float) - low) / (high - low)


def fit_plot_area(
    size: tuple[int, int], x: tuple[float, float], values: Sequence[np.ndarray], from_zero: bool = True
) -> PlotArea:
    """Return a plot area that contains all finite values.

    Args:
        size: Width and height in pixels.
        x: Range of the x axis.
        values: Arrays (n,) in units of y. NaN and infinities are ignored.
        from_zero: Start y at zero if zero is not far below the values.

    Returns:
        The plot area, with round ticks inside the range of y.
    """
    finite = np.concatenate([array[np.isfinite(array)] for array in values]) if values else np.zeros(0)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if from_zero and 0 <= low < 0.7 * high:
        low = 0.0
    ticks = value_ticks(low, high, about=5 if size[1] > 200 else 4)
    pad = 0.06 * (high - low)
    edges = (max(ticks[0].at, low - pad), min(ticks[-1].at, high + pad))
    inside = tuple(tick for tick in ticks if edges[0] <= tick.at <= edges[1])
    if len(inside) < 2:  # the values are constant: use the whole range of the ticks
        edges, inside = (ticks[0].at, ticks[-1].at), tuple(ticks)
    return PlotArea(size, x, edges, inside)


def svg(size: tuple[int, int], label: str, parts: Sequence[Markup]) -> Markup:
    """Return a responsive drawing; `label` is its tooltip and the text for screen readers."""
    return Markup(
        '<svg viewBox="0 0 {w} {h}" role="img" aria-label="{label}"><title>{label}</title>{body}</svg>'
    ).format(w=size[0], h=size[1], label=label, body=EMPTY.join(parts))


def value_axis(area: PlotArea) -> Markup:
    """Draw horizontal grid lines with their labels on the left."""
    rows = []
    for tick in area.ticks:
        y = round(float(area.to_y(tick.at)), 1)
        rows.append(
            Markup('<path class="{}" d="M{} {}H{}"/><text x="{}" y="{}" class="y">{}</text>').format(
                "zero" if tick.at == 0 else "grid", round(area.left, 1), y, area.size[0] - 4,
                round(area.left - 5, 1), round(y + 3.5, 1), tick.label,
            )
        )  # fmt: skip
    return EMPTY.join(rows)


def x_axis(area: PlotArea, ticks: Sequence[Tick], centred: bool = False) -> Markup:
    """Draw ticks along the bottom; a label starts at its tick, because a day starts at midnight, or is centred."""
    marks = []
    for tick in ticks:
        x = round(float(area.to_x(tick.at)), 1)
        marks.append(Markup('<path class="mark" d="M{} 8V{}"/>').format(x, area.bottom + 5))
        if centred:
            marks.append(Markup('<text class="at" x="{}" y="{}">{}</text>').format(x, area.bottom + 15, tick.label))
        elif x < area.size[0] - 8 - 5.5 * len(tick.label):
            marks.append(Markup('<text x="{}" y="{}">{}</text>').format(x + 3, area.bottom + 15, tick.label))
    return EMPTY.join(marks)


def time_axis(area: PlotArea, clock: Clock) -> Markup:
    """Draw round times of the display zone, as many as fit the width."""
    return x_axis(area, time_ticks(*area.x, clock, about=int(area.size[0] - area.left) // 46))


def draw_line(area: PlotArea, x: np.ndarray, y: np.ndarray, style: str) -> Markup:
    """Draw a line through points; it breaks at NaN and at gaps in x, and a single point becomes a dash.

    Args:
        area: Where the line is drawn.
        x: Positions on the x axis, (n,), rising.
        y: Values, (n,); NaN where unknown.
        style: CSS classes.

    Returns:
        A path, or empty markup if no value is finite.
    """
    kept, max_gap = _thin_out(y, area.max_points), _max_gap(x, area.max_points)
    x, y = x[kept], y[kept]
    segments = []
    for run in _unbroken_runs(x, np.isfinite(y), max_gap):
        points = _to_tenths(area.to_x(x[run]), area.to_y(y[run]))
        segments.append(
            _path_data(points) if len(points) > 1 else f"M{points[0][0] / 10 - 2:g} {points[0][1] / 10:g}h4"
        )
    return Markup('<path class="{}" d="{}"/>').format(style, "".join(segments)) if segments else EMPTY


def draw_band(area: PlotArea, x: np.ndarray, edges: tuple[np.ndarray, np.ndarray], style: str) -> Markup:
    """Fill between two edges; the band breaks where an edge is NaN, and a single point becomes a narrow bar.

    Args:
        area: Where the band is drawn.
        x: Positions on the x axis, (n,), rising.
        edges: Lower and upper values, (n,) each.
        style: CSS classes.

    Returns:
        A path, or empty markup if no pair of values is finite.
    """
    kept, max_gap = _thin_out(edges[1], area.max_points), _max_gap(x, area.max_points)
    x, low, high = x[kept], edges[0][kept], edges[1][kept]
    segments = []
    for run in _unbroken_runs(x, np.isfinite(low) & np.isfinite(high), max_gap):
        xs, indices = area.to_x(x[run]), run
        if len(run) == 1:
            xs, indices = np.array([xs[0] - 3, xs[0] + 3]), np.repeat(run, 2)
        upper, lower = area.to_y(high[indices]), area.to_y(low[indices])[::-1]
        segments.append(_path_data(_to_tenths(np.r_[xs, xs[::-1]], np.r_[upper, lower])) + "z")
    return Markup('<path class="{}" d="{}"/>').format(style, "".join(segments)) if segments else EMPTY


def _thin_out(y: np.ndarray, max_points: int) -> np.ndarray:
    """Return indices of at most `max_points` points: the lowest and highest of each bucket, so that peaks survive."""
    if len(y) <= max_points:
        return np.arange(len(y))
    buckets = np.array_split(np.arange(len(y)), max_points // 2)
    filled = np.where(np.isfinite(y), y, 0.0)
    extremes = [bucket[pick(filled[bucket])] for bucket in buckets for pick in (np.argmin, np.argmax)]
    return np.unique(extremes)


def _max_gap(x: np.ndarray, max_points: int) -> float:
    """Return the widest step of x that a line bridges: four median steps, and more if points were left out."""
    if len(x) < 2:
        return math.inf
    return 4 * float(np.median(np.diff(x))) * max(1.0, len(x) / max_points)


def _unbroken_runs(x: np.ndarray, valid: np.ndarray, max_gap: float) -> list[np.ndarray]:
    """Return the indices of each stretch without an invalid value and without a step of x over `max_gap`."""
    indices = np.flatnonzero(valid)
    if not indices.size:
        return []
    return np.split(indices, np.flatnonzero((np.diff(indices) > 1) | (np.diff(x[indices]) > max_gap)) + 1)


def _to_tenths(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Round pixels to whole tenths, (n, 2), so that relative steps between points do not accumulate errors."""
    return np.asarray(np.rint(np.column_stack([x, y]) * 10), dtype=int)


def _path_data(points: np.ndarray) -> str:
    """Return SVG path data: one absolute start, then relative steps, which need fewer digits."""
    start, steps = points[0], np.diff(points, axis=0)
    moves = "".join(f"{dx / 10:g} {dy / 10:g} " for dx, dy in steps.tolist())
    return f"M{start[0] / 10:g} {start[1] / 10:g}l{moves.strip().replace(' -', '-')}"
