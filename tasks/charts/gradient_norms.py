"""Gradient norms by epoch, a line a layer, named at its end; log axis."""

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup

from tasks.charts.axes import Tick, value_ticks
from tasks.charts.diagram import text_at
from tasks.charts.formatting import clip, power
from tasks.charts.line_charts import SMALL
from tasks.charts.svg import NONE, Plane, line, svg, value_axis, x_axis

NAMES = 92  # pixels at the right for the names of the layers
APART = 11.5
HIGHEST = 38.0  # decades


def draw_norms(name: str, gradients: Mapping[str, tuple[float, ...]]) -> Markup:
    """The mean norm before clipping of each layer."""
    curves = {layer: _logs(norms) for layer, norms in sorted(gradients.items()) if norms}
    shown = {layer: curve for layer, curve in curves.items() if np.isfinite(curve).any()}
    if not shown:
        return NONE
    known = np.concatenate([curve[np.isfinite(curve)] for curve in shown.values()])
    low, high = np.floor(known.min() - 0.05), np.ceil(known.max() + 0.05)
    epochs = max(len(curve) for curve in shown.values())
    stride = max(1, int(high - low) // 4)
    ticks = tuple(Tick(float(one), power(int(one))) for one in np.arange(low, high + 1, stride))
    chart = Plane((SMALL[0] - NAMES, SMALL[1]), (0.5, epochs + 0.5), (float(low), float(high)), ticks)
    marks = [tick for tick in value_ticks(0, epochs, about=3) if 0 < tick.at <= epochs and tick.at % 1 == 0]
    parts = [value_axis(chart), x_axis(chart, marks, centred=True)]
    for layer, curve in shown.items():
        parts.append(line(chart, np.arange(1.0, len(curve) + 1), curve, f"line {_style(layer)}"))
    ends = {layer: float(chart.up(curve[np.isfinite(curve)][-1])) for layer, curve in shown.items()}
    for layer, y in _apart(ends, chart.bottom).items():
        parts.append(text_at(chart.size[0] + 3, y + 4, clip(layer, 16), f"small {_style(layer)} name"))
    body = Markup('<g class="plate">{}</g>').format(NONE.join(parts))
    return svg(SMALL, f"{clip(name)}: gradient norms of {len(shown)} layers over {epochs} epochs", [body])


def _logs(norms: tuple[float, ...]) -> np.ndarray:
    """Base ten; NaN where a norm is zero or no number."""
    values = np.asarray(norms, dtype=float)
    sound = np.isfinite(values) & (values > 0)
    return np.where(sound, np.clip(np.log10(np.where(sound, values, 1.0)), -HIGHEST, HIGHEST), np.nan)


def _style(layer: str) -> str:
    """Layers of the recurrence stand out; the rest is context."""
    return {"encoder": "lstm", "decoder": "rnn"}.get(layer.partition(".")[0], "other")


def _apart(ends: Mapping[str, float], floor: float) -> dict[str, float]:
    """Heights of the names, in the order of the lines' ends, none on top of another and none below the floor."""
    order = sorted(ends, key=lambda layer: ends[layer])
    placed: dict[str, float] = {}
    last = -APART
    for layer in order:
        last = placed[layer] = max(ends[layer], last + APART)
    last = floor + APART
    for layer in reversed(order):
        last = placed[layer] = min(placed[layer], last - APART)
    return placed
