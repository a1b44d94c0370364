"""A plane, axes, lines and bands as inline SVG; colours are CSS classes, so they follow light and dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from tasks.charts.axes import Clock, Tick, time_ticks, value_ticks

NONE = Markup("")


@dataclass(frozen=True)
class Plane:
    """Maps x (seconds or counts) and y (values) to pixels; the round `ticks` of y lie inside its range."""

    size: tuple[int, int]
    x: tuple[float, float]
    y: tuple[float, float]
    ticks: tuple[Tick, ...]

    @property
    def left(self) -> float:
        return 10 + 6.2 * max(len(tick.label) for tick in self.ticks)

    @property
    def bottom(self) -> float:
        return self.size[1] - 20.0

    @property
    def most(self) -> int:
        """Points that a line of this width can show; more of them only make the page heavier."""
        return self.size[0] // 2

    def across(self, x: float | np.ndarray) -> np.ndarray:
        low, high = self.x
        return self.left + (self.size[0] - 4 - self.left) * (np.asarray(x, dtype=float) - low) / (high - low or 1.0)

    def up(self, y: float | np.ndarray) -> np.ndarray:
        low, high = self.y
        return self.bottom - (self.bottom - 8) * (np.asarray(y, dtype=float) - low) / (high - low)


def plane(size: tuple[int, int], x: tuple[float, float], values: Sequence[np.ndarray], floor: bool = True) -> Plane:
    """A plane that holds all finite `values`; with `floor`, zero too where it is not far below them."""
    finite = np.concatenate([v[np.isfinite(v)] for v in values]) if values else np.zeros(0)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if floor and 0 <= low < 0.7 * high:
        low = 0.0
    ticks = value_ticks(low, high, about=5 if size[1] > 200 else 4)
    pad = 0.06 * (high - low)
    edges = (max(ticks[0].at, low - pad), min(ticks[-1].at, high + pad))
    inside = tuple(tick for tick in ticks if edges[0] <= tick.at <= edges[1])
    if len(inside) < 2:  # a constant has no room of its own
        edges, inside = (ticks[0].at, ticks[-1].at), tuple(ticks)
    return Plane(size, x, edges, inside)


def svg(size: tuple[int, int], label: str, parts: Sequence[Markup]) -> Markup:
    """One responsive, labelled drawing; `label` is what a screen reader says instead of it."""
    return Markup(
        '<svg viewBox="0 0 {w} {h}" role="img" aria-label="{label}"><title>{label}</title>{body}</svg>'
    ).format(w=size[0], h=size[1], label=label, body=NONE.join(parts))


def value_axis(chart: Plane) -> Markup:
    """Grid lines across and their labels at the left."""
    rows = []
    for tick in chart.ticks:
        y = round(float(chart.up(tick.at)), 1)
        rows.append(
            Markup('<path class="{}" d="M{} {}H{}"/><text x="{}" y="{}" class="y">{}</text>').format(
                "zero" if tick.at == 0 else "grid", round(chart.left, 1), y, chart.size[0] - 4,
                round(chart.left - 5, 1), round(y + 3.5, 1), tick.label,
            )
        )  # fmt: skip
    return NONE.join(rows)


def x_axis(chart: Plane, ticks: Sequence[Tick], centred: bool = False) -> Markup:
    """Marks along the bottom; a label starts at its mark, because a day starts at its midnight, or is centred."""
    marks = []
    for tick in ticks:
        x = round(float(chart.across(tick.at)), 1)
        marks.append(Markup('<path class="mark" d="M{} 8V{}"/>').format(x, chart.bottom + 5))
        if centred:
            marks.append(Markup('<text class="at" x="{}" y="{}">{}</text>').format(x, chart.bottom + 15, tick.label))
        elif x < chart.size[0] - 8 - 5.5 * len(tick.label):
            marks.append(Markup('<text x="{}" y="{}">{}</text>').format(x + 3, chart.bottom + 15, tick.label))
    return NONE.join(marks)


def time_axis(chart: Plane, clock: Clock) -> Markup:
    """Round moments of the display zone, as many as the width can carry."""
    return x_axis(chart, time_ticks(*chart.x, clock, about=int(chart.size[0] - chart.left) // 46))


def line(chart: Plane, x: np.ndarray, y: np.ndarray, style: str) -> Markup:
    """A line through (x, y), both (n,); it breaks at NaN and at gaps, and a lone point becomes a dash."""
    kept, gap = _kept(y, chart.most), _gap(x, chart.most)
    x, y = x[kept], y[kept]
    runs = []
    for run in _runs(x, np.isfinite(y), gap):
        points = _tenths(chart.across(x[run]), chart.up(y[run]))
        runs.append(_moves(points) if len(points) > 1 else f"M{points[0][0] / 10 - 2:g} {points[0][1] / 10:g}h4")
    return Markup('<path class="{}" d="{}"/>').format(style, "".join(runs)) if runs else NONE


def area(chart: Plane, x: np.ndarray, edges: tuple[np.ndarray, np.ndarray], style: str) -> Markup:
    """The band between two edges (n,), in pieces where either is NaN; one step becomes a narrow bar."""
    kept, gap = _kept(edges[1], chart.most), _gap(x, chart.most)
    x, low, high = x[kept], edges[0][kept], edges[1][kept]
    pieces = []
    for run in _runs(x, np.isfinite(low) & np.isfinite(high), gap):
        across = chart.across(x[run])
        if len(run) == 1:
            across, run = np.array([across[0] - 3, across[0] + 3]), np.repeat(run, 2)  # noqa: PLW2901 - a lone point drawn as a dash
        there, back = chart.up(high[run]), chart.up(low[run])[::-1]
        pieces.append(_moves(_tenths(np.r_[across, across[::-1]], np.r_[there, back])) + "z")
    return Markup('<path class="{}" d="{}"/>').format(style, "".join(pieces)) if pieces else NONE


def _kept(y: np.ndarray, most: int) -> np.ndarray:
    """Indices of at most `most` points: the lowest and highest of each bucket, so no peak is lost."""
    if len(y) <= most:
        return np.arange(len(y))
    buckets = np.array_split(np.arange(len(y)), most // 2)
    filled = np.where(np.isfinite(y), y, 0.0)
    ends = [bucket[pick(filled[bucket])] for bucket in buckets for pick in (np.argmin, np.argmax)]
    return np.unique(ends)


def _gap(x: np.ndarray, most: int) -> float:
    """The widest step a line may bridge: four usual ones, and more where points were left out."""
    if len(x) < 2:
        return math.inf
    return 4 * float(np.median(np.diff(x))) * max(1.0, len(x) / most)


def _runs(x: np.ndarray, good: np.ndarray, gap: float) -> list[np.ndarray]:
    """Indices of the unbroken stretches: no missing value, no step in `x` wider than `gap`."""
    where = np.flatnonzero(good)
    if not where.size:
        return []
    return np.split(where, np.flatnonzero((np.diff(where) > 1) | (np.diff(x[where]) > gap)) + 1)


def _tenths(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Points (n, 2) in tenths of a pixel: whole numbers, so that steps between them do not drift."""
    return np.asarray(np.rint(np.column_stack([x, y]) * 10), dtype=int)


def _moves(points: np.ndarray) -> str:
    """SVG path data: one absolute start, then relative steps, which are short to write."""
    start, steps = points[0], np.diff(points, axis=0)
    walk = "".join(f"{dx / 10:g} {dy / 10:g} " for dx, dy in steps.tolist())
    return f"M{start[0] / 10:g} {start[1] / 10:g}l{walk.strip().replace(' -', '-')}"
