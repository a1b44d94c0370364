"""The right-hand side of the unrolled network: context, decoder, forecast, and the linear map that passes them by."""

import itertools
from typing import NamedTuple

from markupsafe import Markup

from tasks.charts.diagram import Point, arrow, box, path, text_at
from tasks.charts.network_view import NetworkView

DECODINGS = {
    "direct": ("decoder", "every step by itself"),
    "segment": ("decoder", "all segments at once"),
    "recurrent": ("decoder", "each fed with the last"),
}


class DecoderLayout(NamedTuple):
    """Where it is drawn: the cutoff, the decoder's left edge and the right margin; the top layer and the inputs."""

    cutoff: float
    decoder: float
    right: float
    top: float
    inputs: float


def draw_future(drawn: NetworkView, room: DecoderLayout, narrow: bool) -> list[Markup]:
    """Everything right of the cutoff."""
    spec, (cutoff, left, right, top, inputs) = drawn.spec, room
    width, high, outputs, known = right - 14 - left, 40, top - 46, top + 62
    middle = left + width / 2
    parts = [path([(cutoff, 4), (cutoff, inputs + 20)], "dashed")]
    parts += [text_at(cutoff - 5, 13, "past", "small e"), text_at(cutoff + 5, 13, "future", "small")]
    parts += [] if narrow else [text_at(cutoff + 5, top + 15, "context", "small")]
    spots = _spots(drawn.shape.horizon, (spec.segment or 1) if spec.decoding != "direct" else 1, narrow)
    xs = [left + width * (place + 0.5) / len(spots) for place in range(len(spots))]
    parts += _decoder(drawn, (middle, top), (width, high), xs, narrow)
    for x, label in zip(xs, spots, strict=True):
        if label == "⋯":
            parts.append(text_at(x, outputs + 4, label, "c strong"))
            continue
        parts += [arrow([(x, top - high / 2), (x, outputs + 9)], "flow"), box((x, outputs), (18, 18), "open")]
        parts.append(text_at(x, outputs - 15, label, "small c strong"))
        parts.append(arrow([(x, known), (x, top + high / 2)]))
    parts.append(box((middle, known + 11), (width, 22), "frame"))
    parts.append(
        text_at(middle, known + 15, "known ahead" if narrow else "what is known ahead of each step", "small c")
    )
    return parts + (_past_them_by((xs[-1] + 11, outputs), room, narrow) if spec.skip else [])


def _past_them_by(end: Point, room: DecoderLayout, narrow: bool) -> list[Markup]:
    start, low, edge = 4 if narrow else 80, room.inputs + 62, room.right - 4
    said = "linear map from the lookback" if narrow else "a linear map from the whole lookback to the whole horizon"
    at = (start + edge) / 2
    return [
        arrow([(start, low), (edge, low), (edge, end[1]), end], "dashed"),
        box((at, low), (len(said) * 5.6 + 8, 14), "halo"),
        text_at(at, low + 4, said, "small c"),
    ]


def _decoder(drawn: NetworkView, centre: Point, size: Point, xs: list[float], narrow: bool) -> list[Markup]:
    name, how = DECODINGS[drawn.spec.decoding]
    said = name if narrow else f"{name}: {how}"
    parts = [box(centre, size, "box", round_by=7)]
    if drawn.spec.decoding == "recurrent":
        y = centre[1] + size[1] / 2 - 9
        parts += [arrow([(a + 8, y), (b - 8, y)]) for a, b in itertools.pairwise(xs)]
        return [*parts, text_at(centre[0], centre[1] - 3, said, "small c")]
    return [*parts, text_at(centre[0], centre[1] + 4, said, "small c")]


def _spots(horizon: int, segment: int, narrow: bool) -> list[str]:
    """The steps, or segments of steps, of the horizon that are drawn; at most four places, on a phone three."""
    count = -(-horizon // segment)
    ends = [min((place + 1) * segment, horizon) for place in range(count)]
    labels = [f"+{end}" if segment == 1 or narrow else f"+{end - segment + 1}…{end}" for end in ends]
    labels = [label if end % segment == 0 else f"…+{end}" for label, end in zip(labels, ends, strict=True)]
    room = 3 if narrow else 4
    return labels if count <= room else [*labels[: room - 2], "⋯", labels[-1]]
