"""The forecast of the largest series as an SVG file of its own, for mails, chats and the Prefect UI."""

from markupsafe import Markup

from tasks.charts.axes import choose_clock
from tasks.charts.diagram import STANDALONE_CSS, UNPRINTABLE
from tasks.charts.formatting import clip
from tasks.charts.line_charts import WIDE, draw_fan_chart
from tasks.report.page_data import ReportData
from tasks.report.series_charts import SeriesCharts

# The rules of page.css that a fan chart needs when it is opened without the page.
FAN_CHART_CSS = Markup("""
.actual{stroke:var(--ink);stroke-width:1.3}.line.next{stroke:var(--next);stroke-width:2}
.line.prior{stroke:var(--prior);stroke-dasharray:4 3}.band{stroke:none;fill-opacity:.17}.band.next{fill:var(--next)}
.band.prior{fill:var(--prior)}.cut{fill:none;stroke:var(--soft);stroke-dasharray:2 3}.title{fill:var(--ink)}
""")
MARGIN, TITLE_HEIGHT = 16, 30  # pixels


def render_forecast_image(data: ReportData) -> bytes:
    """Draw actuals, cutoff, forecast and bands of the largest series; empty without any series."""
    series = SeriesCharts(data.history, data.forecast, None)
    if not series.names:
        return b""
    clock = choose_clock(data.forecast["ds"], data.freq, data.zone)
    fan = series.fan_chart(series.names[0], clock, days=7, horizons=4)
    width, height = WIDE[0] + 2 * MARGIN, WIDE[1] + MARGIN + TITLE_HEIGHT
    image = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img">'
        '<title>{title}</title><style>{css}</style><rect width="{w}" height="{h}" fill="var(--card)"/>'
        '<text class="title" x="{margin}" y="20">{title}</text>'
        '<svg x="{margin}" y="{top}" width="{inner_w}" height="{inner_h}">{body}</svg></svg>\n'
    ).format(
        w=width, h=height, title=f"{data.pipeline}: {clip(fan.name)}", css=STANDALONE_CSS + FAN_CHART_CSS,
        margin=MARGIN, top=TITLE_HEIGHT, inner_w=WIDE[0], inner_h=WIDE[1], body=draw_fan_chart(fan, WIDE),
    )  # fmt: skip
    return image.translate(UNPRINTABLE).encode("utf-8", "replace")
