"""Parts that the drawings of a network share: colours for light and dark mode, boxes, arrows, and standalone files."""

import math
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from tasks.charts.svg import EMPTY, svg

Point = tuple[float, float]

# Classes of every diagram, on the page and in a file of its own. The colours are variables of page.css.
DIAGRAM_CSS = Markup("""
.plate text{font-size:12px}.plate .small{font-size:10.5px}.plate .c{text-anchor:middle}.plate .e{text-anchor:end}
.plate .strong{fill:var(--ink);font-weight:600}.plate .sign{fill:var(--ink);font-size:15px;text-anchor:middle}
.plate .box,.plate .shut{fill:var(--card);stroke:var(--soft);stroke-width:1.2}.plate .halo{fill:var(--card)}
.plate .wire{fill:none;stroke:var(--soft);stroke-width:1.3;stroke-linejoin:round}
.plate .flow{fill:none;stroke:var(--next);stroke-width:2.2;stroke-linejoin:round}
.plate .dashed{fill:none;stroke:var(--soft);stroke-width:1.2;stroke-dasharray:4 3}
.plate .tip{fill:var(--soft);stroke:none}.plate .flow.tip{fill:var(--next)}.plate .frame{fill:var(--faint)}
.plate .open{fill:var(--next)}.plate .below{fill:var(--prior)}
.plate .edge{fill:none;stroke:var(--next);stroke-width:1.4}
.plate .lstm{stroke:var(--next)}.plate .gru{stroke:var(--good)}.plate .rnn{stroke:var(--prior)}
.plate .other{stroke:var(--soft)}.plate .spot{fill:var(--card);stroke-width:2}
.plate .name{stroke:none}.plate .name.lstm{fill:var(--next)}.plate .name.rnn{fill:var(--prior)}
.plate .line.reference{stroke-width:1.3;stroke-dasharray:5 3}.plate .line.second{stroke-dasharray:1 3}
.plate .season{fill:none;stroke:var(--ink);stroke-dasharray:2 3}
""")

# The rules of page.css that a diagram needs when it is opened without the page.
STANDALONE_CSS = Markup("""
:root{color-scheme:light dark;--card:#fff;--ink:#1c2127;--soft:#5b6570;--rule:#e3e1dc;--faint:#efede8;--next:#1f5fae;
--prior:#b4610a;--good:#0f7a5c}
@media (prefers-color-scheme:dark){:root{--card:#1b1f24;--ink:#e7e9ec;--soft:#9aa4af;--rule:#30363d;--faint:#252a30;
--next:#6cabf5;--prior:#e39a4b;--good:#4fc3a0}}
text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;fill:var(--soft)}
text{font-variant-numeric:tabular-nums}.y{text-anchor:end}.at{text-anchor:middle}
.grid,.zero,.mark,.goal{fill:none;stroke:var(--faint)}.zero{stroke:var(--rule)}
.goal{stroke:var(--soft);stroke-dasharray:4 3}
.line{fill:none;stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}
""")
MARGIN, HEADING_HEIGHT, LINE_HEIGHT = 24, 40, 19  # pixels
DECADES = 3.0  # of gradient between full and zero opacity
# Characters that XML does not allow, which a name may contain.
UNPRINTABLE = {code: "\ufffd" for code in [*range(32), *range(127, 160), 0xFFFE, 0xFFFF] if code not in (9, 10, 13)}


class Diagram(NamedTuple):
    """One drawing: title, explaining caption, size in pixels, and SVG elements."""

    title: str
    caption: str
    size: tuple[int, int]
    parts: Sequence[Markup]

    @property
    def inline(self) -> Markup:
        """Return the drawing for the page, which has the stylesheet."""
        return svg(self.size, self.title, [Markup('<g class="plate">{}</g>').format(EMPTY.join(self.parts))])

    @property
    def sheet(self) -> bytes:
        """Return the drawing as an SVG file with stylesheet, background, title and caption."""
        width = self.size[0] + 2 * MARGIN
        lines = textwrap.wrap(self.caption, int(self.size[0] / 6.3))
        top = MARGIN + HEADING_HEIGHT
        caption_top = self.size[1] + top + 26
        caption = [text_at(MARGIN, caption_top + LINE_HEIGHT * row, line, "") for row, line in enumerate(lines)]
        drawing = Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" '
            'aria-label="{title}"><title>{title}</title><desc>{caption}</desc><style>{css}</style>'
            '<rect width="{w}" height="{h}" fill="var(--card)"/><g class="plate">{heading}{lines}'
            '<g transform="translate({left} {top})">{body}</g></g></svg>\n'
        ).format(
            w=width, h=caption_top + LINE_HEIGHT * len(lines), title=self.title, caption=self.caption,
            css=STANDALONE_CSS + DIAGRAM_CSS,
            heading=text_at(MARGIN, MARGIN + 14, self.title, "strong"), lines=EMPTY.join(caption), left=MARGIN, top=top,
            body=EMPTY.join(self.parts),
        )  # fmt: skip
        return drawing.translate(UNPRINTABLE).encode("utf-8", "replace")


def fill_opacity(share: float) -> float:
    """Return the opacity of a share of the largest gradient, by decades, because gradients fade by factors."""
    if not share > 0:  # NaN too
        return 0.0
    return round(min(max(1 + math.log10(share) / DECADES, 0.0), 1.0), 3)


def stroke_opacity(share: float) -> float:
    """Return the opacity of a stroke, which stays visible for a share of 0."""
    return round(0.14 + 0.86 * fill_opacity(share), 3)


def text_at(x: float, y: float, text: str, style: str) -> Markup:
    """Place text at a point. Classes in `style`: c centres it, e ends it at the point, strong, small."""
    return Markup('<text x="{:g}" y="{:g}" class="{}">{}</text>').format(round(x, 1), round(y, 1), style, text)


def box(centre: Point, size: Point, style: str, opacity: float | None = None, radius: float = 4) -> Markup:
    """Draw a rectangle around its centre; `radius` rounds its corners."""
    x, y = centre[0] - size[0] / 2, centre[1] - size[1] / 2
    attribute = Markup("") if opacity is None else Markup(' fill-opacity="{:g}"').format(opacity)
    return Markup('<rect class="{}" x="{:g}" y="{:g}" width="{:g}" height="{:g}" rx="{:g}"{}/>').format(
        style, round(x, 1), round(y, 1), round(size[0], 1), round(size[1], 1), radius, attribute
    )


def path(points: Sequence[Point], style: str, opacity: float = 1.0) -> Markup:
    """Draw a line through points."""
    moves = "L".join(f"{round(x, 1):g} {round(y, 1):g}" for x, y in points)
    attribute = Markup("") if opacity == 1 else Markup(' opacity="{:g}"').format(opacity)
    return Markup('<path class="{}" d="M{}"{}/>').format(style, moves, attribute)


def arrow(points: Sequence[Point], style: str = "wire", opacity: float = 1.0) -> Markup:
    """Draw a line with an arrowhead. The head is a path, not a marker: ids of markers would collide on one page."""
    (x0, y0), (x, y) = points[-2:]
    distance = math.hypot(x - x0, y - y0) or 1.0
    dx, dy, length, half_width = (x - x0) / distance, (y - y0) / distance, 6.5, 3.3
    base_x, base_y = x - length * dx, y - length * dy
    left, right = (
        (base_x - half_width * dy, base_y + half_width * dx),
        (base_x + half_width * dy, base_y - half_width * dx),
    )
    line_end = (x - 0.8 * length * dx, y - 0.8 * length * dy)
    return path([*points[:-1], line_end], style, opacity) + path(((x, y), left, right), f"{style} tip", opacity)
