"""Gradient norms by epoch on a logarithmic axis: one line per layer, labelled at its end."""

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup

from tasks.charts.axes import Tick, value_ticks
from tasks.charts.diagram import text_at
from tasks.charts.formatting import clip, power
from tasks.charts.line_charts import SMALL
from tasks.charts.svg import EMPTY, PlotArea, draw_line, svg, value_axis, x_axis

LABEL_WIDTH = 92  # pixels on the right for the names of the layers
LABEL_DISTANCE = 11.5  # pixels
MAX_DECADES = 38.0


def draw_gradient_norms(name: str, gradients: Mapping[str, tuple[float, ...]]) -> Markup:
    """Draw the mean gradient norm before clipping of each layer.

    Args:
        name: The model.
        gradients: Norms of each layer, (epochs,).

    Returns:
        The chart, or empty markup if no norm is positive and finite.
    """
    curves = {layer: _log10(norms) for layer, norms in sorted(gradients.items()) if norms}
    shown = {layer: curve for layer, curve in curves.items() if np.isfinite(curve).any()}
    if not shown:
        return EMPTY
    finite = np.concatenate([curve[np.isfinite(curve)] for curve in shown.values()])
    low, high = np.floor(finite.min() - 0.05), np.ceil(finite.max() + 0.05)
    epochs = max(len(curve) for curve in shown.values())
    stride = max(1, int(high - low) // 4)
    powers = tuple(Tick(float(exponent), power(int(exponent))) for exponent in np.arange(low, high + 1, stride))
    area = PlotArea((SMALL[0] - LABEL_WIDTH, SMALL[1]), (0.5, epochs + 0.5), (float(low), float(high)), powers)
    ticks = [tick for tick in value_ticks(0, epochs, about=3) if 0 < tick.at <= epochs and tick.at % 1 == 0]
    parts = [value_axis(area), x_axis(area, ticks, centred=True)]
    for layer, curve in shown.items():
        parts.append(draw_line(area, np.arange(1.0, len(curve) + 1), curve, f"line {_layer_style(layer)}"))
    ends = {layer: float(area.to_y(curve[np.isfinite(curve)][-1])) for layer, curve in shown.items()}
    for layer, y in _spread_labels(ends, area.bottom).items():
        parts.append(text_at(area.size[0] + 3, y + 4, clip(layer, 16), f"small {_layer_style(layer)} name"))
    body = Markup('<g class="plate">{}</g>').format(EMPTY.join(parts))
    return svg(SMALL, f"{clip(name)}: gradient norms of {len(shown)} layers over {epochs} epochs", [body])


def _log10(norms: tuple[float, ...]) -> np.ndarray:
    """Return the decimal logarithm; NaN where a norm is not positive and finite."""
    values = np.asarray(norms, dtype=float)
    valid = np.isfinite(values) & (values > 0)
    return np.where(valid, np.clip(np.log10(np.where(valid, values, 1.0)), -MAX_DECADES, MAX_DECADES), np.nan)


def _layer_style(layer: str) -> str:
    """Return the CSS class of a layer: the recurrent layers are coloured, the others grey."""
    return {"encoder": "lstm", "decoder": "rnn"}.get(layer.partition(".")[0], "other")


def _spread_labels(ends: Mapping[str, float], bottom: float) -> dict[str, float]:
    """Move labels apart so that none overlaps another or lies below `bottom`; they keep the order of the lines."""
    order = sorted(ends, key=lambda layer: ends[layer])
    heights: dict[str, float] = {}
    last = -LABEL_DISTANCE
    for layer in order:
        last = heights[layer] = max(ends[layer], last + LABEL_DISTANCE)
    last = bottom + LABEL_DISTANCE
    for layer in reversed(order):
        last = heights[layer] = min(heights[layer], last - LABEL_DISTANCE)
    return heights
