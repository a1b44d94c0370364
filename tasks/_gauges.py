"""What each gate did over the windows looked at: its mean, how often it was shut or open, and step by step."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from models.diagnostics import GateUse
from tasks._plate import box, path, words

ROW, BAR, LINE = (
    26,
    (146.0, 90.0),
    (286.0, 114.0),
)  # a row's height; where the bar and the small line stand, and how wide


def draw_gauges(uses: Sequence[GateUse], top: float) -> list[Markup]:
    """A row a gate, under one line of headings."""
    parts = [words(0, top, "gate", ""), words(92, top, "mean", "e")]
    parts += [words(BAR[0] - 6, top, "low", "e"), words(BAR[0] + BAR[1] + 6, top, "high", "")]
    parts.append(words(LINE[0] + LINE[1], top, "oldest → newest", "e"))
    for row, use in enumerate(uses, 1):
        parts += _gauge(use, top + ROW * row - 4)
    return parts


def _gauge(use: GateUse, y: float) -> list[Markup]:
    mean = f"{use.mean:.2f}".replace("-", "−") if math.isfinite(use.mean) else "–"
    low, high = (min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0 for share in (use.low, use.high))
    (start, wide), middle = BAR, y - 4
    parts = [words(0, y, use.gate, "strong"), words(92, y, mean, "e")]
    parts += [words(start - 6, y, f"{low:.0%}", "e"), words(start + wide + 6, y, f"{high:.0%}", "")]
    parts.append(box((start + wide / 2, middle), (wide, 10), "frame", round_by=2))
    parts.append(box((start + wide * low / 2, middle), (wide * low, 10), "below", 0.75, 2))
    parts.append(box((start + wide * (1 - high / 2), middle), (wide * high, 10), "open", 0.75, 2))
    return parts + _small_line(use, middle)


def _small_line(use: GateUse, middle: float) -> list[Markup]:
    """The mean at each step between its least and largest possible value."""
    start, wide = LINE
    lowest = -1.0 if use.gate == "new" else 0.0
    parts = [box((start + wide / 2, middle), (wide, 18), "frame", round_by=2)]
    values = [value for value in use.by_step if math.isfinite(value)]
    if not values:
        return parts
    ups = [middle + 8 - 16 * (min(max(value, lowest), 1.0) - lowest) / (1 - lowest) for value in values]
    if len(ups) == 1:
        ups *= 2
    stride = wide / (len(ups) - 1)
    return [*parts, path([(start + stride * place, up) for place, up in enumerate(ups)], "edge")]
