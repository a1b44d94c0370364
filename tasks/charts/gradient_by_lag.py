"""Gradient magnitude over lag, cell beside cell, in shares of the largest: through the states alone, and all ways."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from models.diagnostics.memory import Memory
from models.diagnostics.sensitivity import MATTERS
from tasks.charts.axes import Tick, value_ticks
from tasks.charts.diagram import Diagram, box, path, text_at
from tasks.charts.formatting import power
from tasks.charts.network_view import relative_to_largest
from tasks.charts.svg import NONE, Plane, line, value_axis, x_axis

FAINTEST, LEAST_DECADES = -8.0, 2.0
LEGEND_ROW, UNDER_TITLE = 17, 18


class GradientCurve(NamedTuple):
    """One network's curve; a `reference` was trained briefly, for this drawing alone."""

    name: str
    memory: Memory
    reference: bool = False

    @property
    def cell(self) -> str:
        return self.memory.cell if self.memory.cell in ("rnn", "lstm", "gru") else "other"


class GradientPlot(NamedTuple):
    """One of the two panels: which curve of a memory it shows, and which effective memory goes with it."""

    title: str
    curve: str
    effective: str
    ring: str


GRADIENT_PLOTS = (
    GradientPlot(
        "through the states alone", "recurrence", "effective_recurrence",
        "ring: the farthest value that the states still half tell",
    ),
    GradientPlot(
        "all ways: states, linear map, shown seasons", "forecast", "effective",
        f"ring: the farthest lag above {MATTERS:.0%} (dashed), which still matters",
    ),
)  # fmt: skip


def draw_lags(fadings: Sequence[GradientCurve], narrow: bool = False) -> Diagram:
    """Both panels with their legends; side by side, or one below the other on a phone."""
    size = (360, 230) if narrow else (505, 270)
    legend = LEGEND_ROW * (len(fadings) + 1) + 8
    parts = []
    for place, view in enumerate(GRADIENT_PLOTS):
        away = (0, place * (size[1] + legend + UNDER_TITLE + 22)) if narrow else (place * (size[0] + 30), 0)
        parts.append(Markup('<g transform="translate({} {})">{}').format(*away, text_at(0, 12, view.title, "strong")))
        panel = NONE.join([*_panel(fadings, view, size), *_legend(fadings, view, size)])
        parts.append(Markup('<g transform="translate(0 {})">{}</g></g>').format(UNDER_TITLE, panel))
    whole = (360, 2 * (size[1] + legend + UNDER_TITLE) + 32) if narrow else (1040, size[1] + legend + UNDER_TITLE + 6)
    return Diagram("How the gradient fades with the lag", _caption(fadings), whole, parts)


def _panel(fadings: Sequence[GradientCurve], view: GradientPlot, size: tuple[int, int]) -> list[Markup]:
    season = max((one.memory.season for one in fadings), default=0)
    lookback = max((len(one.memory.forecast) for one in fadings), default=1)
    curves = [
        np.log10(np.maximum(relative_to_largest(getattr(one.memory, view.curve)), 10 ** (FAINTEST - 1)))
        for one in fadings
    ]
    right = season if lookback < season <= 2 * lookback else lookback
    chart = _plane(size, (1.0, max(right, 2) * 1.02), curves)
    marks = [tick for tick in value_ticks(0, right, about=6 if size[0] > 400 else 4) if 0 < tick.at <= right]
    parts = [value_axis(chart), x_axis(chart, [Tick(1.0, "1"), *marks], centred=True)]
    parts += _season(chart, season, lookback)
    if view.curve == "forecast":
        height = float(chart.up(math.log10(MATTERS)))
        parts.append(path([(chart.left, height), (size[0] - 4, height)], "goal"))
    for style, curve in zip(_styles(fadings), curves, strict=True):
        shown = np.where(curve < chart.y[0], np.nan, curve)
        parts.append(line(chart, np.arange(1.0, len(curve) + 1), shown, style))
    return [*parts, *_spots(chart, fadings, curves, view)]


def _plane(size: tuple[int, int], x: tuple[float, float], curves: Sequence[np.ndarray]) -> Plane:
    """Powers of ten, down to the faintest gradient that is drawn."""
    faint = [float(curve[curve >= FAINTEST].min(initial=0.0)) for curve in curves]
    floor = math.floor(min(faint, default=0.0) - 0.02)
    low = min(max(floor, int(FAINTEST)), -int(LEAST_DECADES))
    powers = range(0, low - 1, -1 if low >= -4 else -2)
    ticks = tuple(Tick(float(one), _label(one, low)) for one in powers)[::-1]
    return Plane((size[0], size[1]), x, (float(low), 0.35), ticks)


def _label(exponent: int, lowest: int) -> str:
    """Percent, as long as they can be read."""
    return f"{power(exponent + 2)}%" if lowest >= -4 else power(exponent)


def _season(chart: Plane, season: int, lookback: int) -> list[Markup]:
    """Where one season ago stands, or that it is out of sight."""
    if season > chart.x[1]:
        said = f"a season, {season} steps, lies far beyond the lookback →"
        return [text_at(chart.size[0] - 6, chart.bottom - 8, said, "small e strong")]
    x = float(chart.across(season))
    left = x > chart.left + 0.6 * (chart.size[0] - chart.left)
    parts = []
    if season > lookback:
        end = float(chart.across(lookback))
        middle, wide = (end + chart.size[0] - 4) / 2, chart.size[0] - 4 - end
        parts.append(box((middle, (chart.bottom + 8) / 2), (wide, chart.bottom - 8), "frame", round_by=0))
        parts.append(text_at(middle, chart.bottom - 8, "never read", "small c"))
    parts.append(path([(x, 24), (x, chart.bottom)], "season"))
    said = f"one season: {season} step{'s' if season != 1 else ''}"
    return [*parts, text_at(x + (-5 if left else 5), 32, said, "small strong e" if left else "small strong")]


def _spots(
    chart: Plane, fadings: Sequence[GradientCurve], curves: Sequence[np.ndarray], view: GradientPlot
) -> list[Markup]:
    """The effective memory, as a ring on each curve."""
    parts = []
    for one, curve in zip(fadings, curves, strict=True):
        lag = getattr(one.memory, view.effective)
        if 1 <= lag <= len(curve):
            x, y = float(chart.across(lag)), float(chart.up(max(curve[lag - 1], chart.y[0])))
            parts.append(Markup('<circle class="spot {}" cx="{:.1f}" cy="{:.1f}" r="4.5"/>').format(one.cell, x, y))
    return parts


def _styles(fadings: Sequence[GradientCurve]) -> list[str]:
    """A colour a cell; the second network of a cell is dotted, and a reference dashed and thin."""
    seen: list[str] = []
    styles = []
    for one in fadings:
        kind = " reference" if one.reference else " second" if one.cell in seen else ""
        styles.append(f"line {one.cell}{kind}")
        seen.append(one.cell)
    return styles


def _legend(fadings: Sequence[GradientCurve], view: GradientPlot, size: tuple[int, int]) -> list[Markup]:
    top = size[1] + 18
    parts = [text_at(40, top, view.ring, "small")]
    for row, (one, style) in enumerate(zip(fadings, _styles(fadings), strict=True), 1):
        y = top + LEGEND_ROW * row
        parts.append(path([(40, y - 4), (66, y - 4)], style))
        lag = getattr(one.memory, view.effective)
        steps = f"{lag} step{'s' if lag != 1 else ''}" if lag else "none"
        parts.append(text_at(74, y, f"{one.name}{', reference' if one.reference else ''}: {steps}", "small"))
    return parts


def _caption(fadings: Sequence[GradientCurve]) -> str:
    references = [one.name for one in fadings if one.reference]
    told = (
        "The gradient is multiplied by the same weights at every step back, so through the states it fades by a factor "
    )
    told += "a step; gates that stay open slow that down, and a linear map or a shown season passes it by."
    if references:
        told += f" {' and '.join(references)} {'is a' if len(references) == 1 else 'are'} reference"
        told += (
            f"{'' if len(references) == 1 else 's'}, trained for a moment on the same windows for this drawing alone."
        )
    return told
