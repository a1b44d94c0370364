"""The forecast of the largest series as a drawing of its own: for a mail, a chat, or the Prefect UI."""

from markupsafe import Markup

from tasks.charts.axes import clock_for
from tasks.charts.diagram import STANDALONE_CSS, UNPRINTABLE
from tasks.charts.formatting import clip
from tasks.charts.line_charts import WIDE, draw_fan_chart
from tasks.report import series_charts
from tasks.report.page_data import ReportData

# The classes of a fan, as the page's stylesheet has them.
INKS = Markup("""
.actual{stroke:var(--ink);stroke-width:1.3}.line.next{stroke:var(--next);stroke-width:2}
.line.prior{stroke:var(--prior);stroke-dasharray:4 3}.band{stroke:none;fill-opacity:.17}.band.next{fill:var(--next)}
.band.prior{fill:var(--prior)}.cut{fill:none;stroke:var(--soft);stroke-dasharray:2 3}.title{fill:var(--ink)}
""")
EDGE, HEADING = 16, 30


def render_forecast_image(morning: ReportData) -> bytes:
    """An SVG that needs nothing but itself: what came, the cutoff, the forecast with its bands."""
    panel = series_charts.SeriesCharts(morning.history, morning.forecast, None)
    if not panel.names:
        return b""
    clock = clock_for(morning.forecast["ds"], morning.freq, morning.zone)
    fan = panel.fan(panel.names[0], clock, days=7, horizons=4)
    width, height = WIDE[0] + 2 * EDGE, WIDE[1] + EDGE + HEADING
    title = f"{morning.pipeline}: {clip(fan.name)}"
    drawing = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img">'
        '<title>{title}</title><style>{ink}</style><rect width="{w}" height="{h}" fill="var(--card)"/>'
        '<text class="title" x="{edge}" y="20">{title}</text>'
        '<svg x="{edge}" y="{top}" width="{ww}" height="{wh}">{body}</svg></svg>\n'
    ).format(
        w=width, h=height, title=title, ink=STANDALONE_CSS + INKS, edge=EDGE, top=HEADING, ww=WIDE[0], wh=WIDE[1],
        body=draw_fan_chart(fan, WIDE),
    )  # fmt: skip
    return drawing.translate(UNPRINTABLE).encode("utf-8", "replace")
