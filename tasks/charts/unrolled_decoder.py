"""The right part of the unrolled network: context, decoder, forecast steps, and the linear map around them."""

import itertools
from typing import NamedTuple

from markupsafe import Markup

from tasks.charts.diagram import Point, arrow, box, path, text_at
from tasks.charts.network_view import NetworkView

DECODER_LABELS = {
    "direct": ("decoder", "each step on its own"),
    "segment": ("decoder", "all segments at once"),
    "recurrent": ("decoder", "each step is fed the one before"),
}


class DecoderLayout(NamedTuple):
    """Pixels: x of the cutoff, the decoder's left edge and the right margin; y of the top layer and the inputs."""

    cutoff: float
    decoder: float
    right: float
    top: float
    inputs: float


def draw_future(view: NetworkView, layout: DecoderLayout, narrow: bool) -> list[Markup]:
    """Draw everything to the right of the cutoff."""
    spec, (cutoff, left, right, top, inputs) = view.spec, layout
    width, height, outputs_y, known_y = right - 14 - left, 40, top - 46, top + 62
    middle = left + width / 2
    parts = [path([(cutoff, 4), (cutoff, inputs + 20)], "dashed")]
    parts += [text_at(cutoff - 5, 13, "past", "small e"), text_at(cutoff + 5, 13, "future", "small")]
    parts += [] if narrow else [text_at(cutoff + 5, top + 15, "context", "small")]
    labels = _step_labels(view.shape.horizon, (spec.segment or 1) if spec.decoding != "direct" else 1, narrow)
    xs = [left + width * (index + 0.5) / len(labels) for index in range(len(labels))]
    parts += _decoder(view, (middle, top), (width, height), xs, narrow)
    for x, label in zip(xs, labels, strict=True):
        if label == "⋯":
            parts.append(text_at(x, outputs_y + 4, label, "c strong"))
            continue
        parts += [arrow([(x, top - height / 2), (x, outputs_y + 9)], "flow"), box((x, outputs_y), (18, 18), "open")]
        parts.append(text_at(x, outputs_y - 15, label, "small c strong"))
        parts.append(arrow([(x, known_y), (x, top + height / 2)]))
    parts.append(box((middle, known_y + 11), (width, 22), "frame"))
    known = "known ahead" if narrow else "inputs that are known ahead of each step"
    parts.append(text_at(middle, known_y + 15, known, "small c"))
    return parts + (_linear_map((xs[-1] + 11, outputs_y), layout, narrow) if spec.skip else [])


def _linear_map(end: Point, layout: DecoderLayout, narrow: bool) -> list[Markup]:
    """Draw the linear map from the lookback to the horizon, which bypasses the recurrent network."""
    start, y, edge = 4 if narrow else 80, layout.inputs + 62, layout.right - 4
    label = "linear map from the lookback" if narrow else "a linear map from the whole lookback to the whole horizon"
    middle = (start + edge) / 2
    return [
        arrow([(start, y), (edge, y), (edge, end[1]), end], "dashed"),
        box((middle, y), (len(label) * 5.6 + 8, 14), "halo"),
        text_at(middle, y + 4, label, "small c"),
    ]


def _decoder(view: NetworkView, centre: Point, size: Point, xs: list[float], narrow: bool) -> list[Markup]:
    name, description = DECODER_LABELS[view.spec.decoding]
    label = name if narrow else f"{name}: {description}"
    parts = [box(centre, size, "box", radius=7)]
    if view.spec.decoding == "recurrent":
        y = centre[1] + size[1] / 2 - 9
        parts += [arrow([(a + 8, y), (b - 8, y)]) for a, b in itertools.pairwise(xs)]
        return [*parts, text_at(centre[0], centre[1] - 3, label, "small c")]
    return [*parts, text_at(centre[0], centre[1] + 4, label, "small c")]


def _step_labels(horizon: int, segment: int, narrow: bool) -> list[str]:
    """Label the drawn steps, or segments of steps, of the horizon: at most four, on a phone three."""
    count = -(-horizon // segment)
    ends = [min((index + 1) * segment, horizon) for index in range(count)]
    labels = [f"+{end}" if segment == 1 or narrow else f"+{end - segment + 1}…{end}" for end in ends]
    labels = [label if end % segment == 0 else f"…+{end}" for label, end in zip(labels, ends, strict=True)]
    max_labels = 3 if narrow else 4
    return labels if count <= max_labels else [*labels[: max_labels - 2], "⋯", labels[-1]]
