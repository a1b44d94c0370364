"""Gradient magnitude by lag, one curve per network, as a share of its largest value.

Two plots stand side by side: the gradient through the recurrent states alone, and through every path of the network.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from models.diagnostics.measurements import SIGNIFICANT_SHARE, Memory
from tasks.charts.axes import Tick, value_ticks
from tasks.charts.diagram import Diagram, box, path, text_at
from tasks.charts.formatting import power
from tasks.charts.network_view import relative_to_largest
from tasks.charts.svg import EMPTY, PlotArea, draw_line, value_axis, x_axis

FLOOR_EXPONENT, MIN_DECADES = -8, 2
LEGEND_ROW_HEIGHT, TITLE_HEIGHT = 17, 18  # pixels


class GradientCurve(NamedTuple):
    """The curve of one network; a `reference` was trained briefly, only for this drawing."""

    name: str
    memory: Memory
    reference: bool = False

    @property
    def cell(self) -> str:
        """Return the CSS class of the network's cell."""
        return self.memory.cell if self.memory.cell in ("rnn", "lstm", "gru") else "other"


class GradientPlot(NamedTuple):
    """One of the two plots: the fields of `Memory` with its curve and its effective memory, and the legend's title."""

    title: str
    curve: str
    effective: str
    ring: str


GRADIENT_PLOTS = (
    GradientPlot(
        "through the states alone", "recurrence", "effective_recurrence",
        "ring: farthest lag of which the states retain at least half",
    ),
    GradientPlot(
        "all paths: states, linear map, seasonal lags", "forecast", "effective",
        f"ring: farthest lag above {SIGNIFICANT_SHARE:.0%} (dashed), which still matters",
    ),
)  # fmt: skip


def draw_gradient_by_lag(curves: Sequence[GradientCurve], narrow: bool = False) -> Diagram:
    """Draw both plots with their legends: side by side, or one below the other if `narrow`, for phones."""
    size = (360, 230) if narrow else (505, 270)
    legend = LEGEND_ROW_HEIGHT * (len(curves) + 1) + 8
    parts = []
    for index, plot in enumerate(GRADIENT_PLOTS):
        offset = (0, index * (size[1] + legend + TITLE_HEIGHT + 22)) if narrow else (index * (size[0] + 30), 0)
        parts.append(Markup('<g transform="translate({} {})">{}').format(*offset, text_at(0, 12, plot.title, "strong")))
        body = EMPTY.join([*_plot(curves, plot, size), *_legend(curves, plot, size)])
        parts.append(Markup('<g transform="translate(0 {})">{}</g></g>').format(TITLE_HEIGHT, body))
    height = size[1] + legend + TITLE_HEIGHT
    whole = (360, 2 * height + 32) if narrow else (1040, height + 6)
    return Diagram("How the gradient fades with the lag", _caption(curves), whole, parts)


def _plot(curves: Sequence[GradientCurve], plot: GradientPlot, size: tuple[int, int]) -> list[Markup]:
    season = max((curve.memory.season for curve in curves), default=0)
    lookback = max((len(curve.memory.forecast) for curve in curves), default=1)
    logs = [
        np.log10(np.maximum(relative_to_largest(getattr(curve.memory, plot.curve)), 10.0 ** (FLOOR_EXPONENT - 1)))
        for curve in curves
    ]
    right = season if lookback < season <= 2 * lookback else lookback
    area = _plot_area(size, (1.0, max(right, 2) * 1.02), logs)
    ticks = [tick for tick in value_ticks(0, right, about=6 if size[0] > 400 else 4) if 0 < tick.at <= right]
    parts = [value_axis(area), x_axis(area, [Tick(1.0, "1"), *ticks], centred=True)]
    parts += _season(area, season, lookback)
    if plot.curve == "forecast":
        height = float(area.to_y(math.log10(SIGNIFICANT_SHARE)))
        parts.append(path([(area.left, height), (size[0] - 4, height)], "goal"))
    for style, log in zip(_line_styles(curves), logs, strict=True):
        shown = np.where(log < area.y[0], np.nan, log)
        parts.append(draw_line(area, np.arange(1.0, len(log) + 1), shown, style))
    return [*parts, *_rings(area, curves, logs, plot)]


def _plot_area(size: tuple[int, int], x: tuple[float, float], logs: Sequence[np.ndarray]) -> PlotArea:
    """Return a plot area whose y axis has a tick at each power of ten, down to the smallest gradient drawn."""
    smallest = [float(log[log >= FLOOR_EXPONENT].min(initial=0.0)) for log in logs]
    floor = math.floor(min(smallest, default=0.0) - 0.02)
    low = min(max(floor, FLOOR_EXPONENT), -MIN_DECADES)
    powers = range(0, low - 1, -1 if low >= -4 else -2)
    ticks = tuple(Tick(float(exponent), _power_label(exponent, low)) for exponent in powers)[::-1]
    return PlotArea((size[0], size[1]), x, (float(low), 0.35), ticks)


def _power_label(exponent: int, lowest: int) -> str:
    """Label a share in percent, or as a power of ten if percentages would be too small to read."""
    return f"{power(exponent + 2)}%" if lowest >= -4 else power(exponent)


def _season(area: PlotArea, season: int, lookback: int) -> list[Markup]:
    """Mark the lag of one season, or state that it lies beyond the lookback."""
    if season > area.x[1]:
        label = f"a season, {season} steps, lies far beyond the lookback →"
        return [text_at(area.size[0] - 6, area.bottom - 8, label, "small e strong")]
    x = float(area.to_x(season))
    label_on_left = x > area.left + 0.6 * (area.size[0] - area.left)
    parts = []
    if season > lookback:
        end = float(area.to_x(lookback))
        middle, width = (end + area.size[0] - 4) / 2, area.size[0] - 4 - end
        parts.append(box((middle, (area.bottom + 8) / 2), (width, area.bottom - 8), "frame", radius=0))
        parts.append(text_at(middle, area.bottom - 8, "never read", "small c"))
    parts.append(path([(x, 24), (x, area.bottom)], "season"))
    label = f"one season: {season} step{'s' if season != 1 else ''}"
    offset, style = (-5, "small strong e") if label_on_left else (5, "small strong")
    return [*parts, text_at(x + offset, 32, label, style)]


def _rings(
    area: PlotArea, curves: Sequence[GradientCurve], logs: Sequence[np.ndarray], plot: GradientPlot
) -> list[Markup]:
    """Mark the effective memory with a ring on each curve."""
    parts = []
    for curve, log in zip(curves, logs, strict=True):
        lag = getattr(curve.memory, plot.effective)
        if 1 <= lag <= len(log):
            x, y = float(area.to_x(lag)), float(area.to_y(max(log[lag - 1], area.y[0])))
            parts.append(Markup('<circle class="spot {}" cx="{:.1f}" cy="{:.1f}" r="4.5"/>').format(curve.cell, x, y))
    return parts


def _line_styles(curves: Sequence[GradientCurve]) -> list[str]:
    """Return the CSS classes of each line: a colour per cell, dashed for a reference, dotted for a repeated cell."""
    seen: list[str] = []
    styles = []
    for curve in curves:
        kind = " reference" if curve.reference else " second" if curve.cell in seen else ""
        styles.append(f"line {curve.cell}{kind}")
        seen.append(curve.cell)
    return styles


def _legend(curves: Sequence[GradientCurve], plot: GradientPlot, size: tuple[int, int]) -> list[Markup]:
    top = size[1] + 18
    parts = [text_at(40, top, plot.ring, "small")]
    for row, (curve, style) in enumerate(zip(curves, _line_styles(curves), strict=True), 1):
        y = top + LEGEND_ROW_HEIGHT * row
        parts.append(path([(40, y - 4), (66, y - 4)], style))
        lag = getattr(curve.memory, plot.effective)
        steps = f"{lag} step{'s' if lag != 1 else ''}" if lag else "none"
        parts.append(text_at(74, y, f"{curve.name}{', reference' if curve.reference else ''}: {steps}", "small"))
    return parts


def _caption(curves: Sequence[GradientCurve]) -> str:
    caption = (
        "At each step back, the gradient is multiplied by the same weights, so through the states it fades by a "
        "constant factor per step. Gates that stay open slow this down; a linear map or a seasonal lag bypasses it."
    )
    references = [curve.name for curve in curves if curve.reference]
    if references:
        verb, ending = ("is a", "") if len(references) == 1 else ("are", "s")
        caption += f" {' and '.join(references)} {verb} reference{ending}, trained briefly on the same windows"
        caption += " only for this drawing."
    return caption
