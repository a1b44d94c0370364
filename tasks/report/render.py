"""Render the morning page: one night as one HTML file. Pure: the same `ReportData` gives the same bytes."""

import base64
import functools
import hashlib
import re
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pandas as pd
from markupsafe import Markup

from tasks.charts import formatting, line_charts
from tasks.charts.axes import choose_clock
from tasks.charts.diagram import DIAGRAM_CSS
from tasks.charts.gradient_norms import draw_gradient_norms
from tasks.modeling.scores import quantile_columns
from tasks.report import memory_section, series_charts
from tasks.report.page_data import FailureRow, ReportData
from tasks.storage.layout import vintage_uri

FOLDER = Path(__file__).parent
SECTION_OF_STEP = {
    "ingest": "health",
    "validate": "health",
    "cut_windows": "training",
    "train": "training",
    "draw_memory": "memory",
    "evaluate": "leaderboard",
    "register": "leaderboard",
    "forecast": "forecast",
    "attribute_revision": "changes",
    "publish": "forecast",
    "score": "yesterday",
    "score_past": "yesterday",
    "find_anomalies": "yesterday",
    "watch_drift": "drift",
}
VERDICT_LABELS = {"good": "All is well", "watch": "Worth a look", "bad": "Needs a person"}
CONTROL_CHARACTERS = {code: "\ufffd" for code in [*range(32), *range(127, 160)] if code not in (9, 10, 13)}
MAX_NUMBERS = 48  # steps in the table of the forecast


class Link(NamedTuple):
    """A link below the figures; without an address it is plain text."""

    text: str
    href: str = ""


class Tile(NamedTuple):
    """One of the large figures at the top of the page."""

    label: str
    value: str
    note: str


def render_page(data: ReportData) -> str:
    """Return the whole page as one HTML text that loads nothing from anywhere."""
    dated = data.history if data.forecast.empty else data.forecast
    clock = choose_clock(dated.get("ds", pd.Series(dtype="datetime64[us, UTC]")), data.freq, data.zone)
    series = series_charts.SeriesCharts(data.history, data.forecast, data.yesterday)
    scores = series.scores(data.season)
    groups, left_out = series_charts.draw_groups(series, scores, clock)
    page = load_template("page.html").render(
        data=data,
        clock=clock,
        state=VERDICT_LABELS[data.verdict],
        tiles=_tiles(data, scores),
        links=_links(data, clock.zone),
        main=series_charts.draw_main_card(series, clock),
        groups=groups,
        left_out=left_out,
        series_count=len(series.names),
        numbers=_numbers(series, data.horizon),
        past_forecasts=series_charts.draw_past_forecasts(series, scores, clock),
        scores=scores,
        memory_rows=[memory_section.memory_row(memory.view) for memory in data.memories],
        diagrams=memory_section.memory_diagrams(data.memories, data.references),
        missing=missing_sections(data.failures),
        bands=line_charts.prediction_bands(quantile_columns(data.forecast)),
        sources=_rows_by_source(data.forecast),
    )
    return without_controls(page)


def without_controls(page: str) -> str:
    """Return a page without control characters and halves of surrogate pairs, which names of series may hold."""
    return page.translate(CONTROL_CHARACTERS).encode("utf-8", "replace").decode("utf-8")


@functools.cache
def load_template(name: str) -> jinja2.Template:
    """Return a template of this folder with the filters, drawings and style sheet of all pages."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    functions = (formatting.figure, formatting.count, formatting.percent, formatting.duration)
    environment.filters |= {function.__name__: function for function in functions}
    environment.filters |= {"when": formatting.when, "clip": formatting.clip, "sha256": _sha256, "rows": _rows}
    environment.globals |= {
        "css": Markup((FOLDER / "page.css").read_text(encoding="utf-8")) + DIAGRAM_CSS,  # noqa: S704 - our own file
        "bar": line_charts.draw_bar,
        "curve": line_charts.draw_curves,
        "nights": line_charts.draw_nights,
        "lead_times": line_charts.draw_steps,
        "norms": draw_gradient_norms,
    }
    return environment.get_template(name)


def _sha256(text: str) -> str:
    """Return the base64 digest by which the content security policy allows the stylesheet, and no other style."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _tiles(data: ReportData, scores: pd.DataFrame) -> list[Tile]:
    """Return the figures that a reader looks for first."""
    rows, series = len(data.forecast), data.forecast.get("unique_id", pd.Series(dtype=str)).nunique()
    rejected = data.quarantine["rows"].sum() if len(data.quarantine) else 0
    return [
        *_champion_tile(data),
        *_yesterday_tiles(data, scores),
        Tile("Forecast rows", formatting.count(rows), f"{series} series, horizon {data.horizon}"),
        Tile("Rows in quarantine", formatting.count(rejected), f"rules broken: {len(data.quarantine)}"),
    ]


def _links(data: ReportData, zone: str) -> list[Link]:
    """Return where to go from the page: the tables, the servers, and the nights before and after."""
    table = f"../../../{vintage_uri('forecasts', data.pipeline, data.as_of)}"
    published = [] if data.forecast.empty else [Link("Forecasts (Parquet)", table)]
    previous = [Link("Previous night", data.previous_href)] if data.previous_href else []
    servers = [Link("Prefect", data.about.prefect_url), Link("MLflow", data.about.mlflow_url)]
    following = data.about.next_night
    schedule = [Link(f"Next night by the schedule: {formatting.when(following, zone)}")] if following else []
    return [*published, *previous, *(link for link in servers if link.href), *schedule]


def _champion_tile(data: ReportData) -> list[Tile]:
    board, metric = data.leaderboard, data.metric
    champion = board[board["role"] == "champion"] if len(board) else board
    if not len(champion):
        return []
    value = formatting.number(champion[metric].iloc[0])
    baseline = formatting.number(board.loc[board["role"] == "baseline", metric].min())
    change = formatting.percent(value / baseline - 1, signed=True) if baseline else formatting.MISSING
    return [Tile(f"{metric.upper()} of the champion", formatting.figure(value), f"{change} vs. the best baseline")]


def _yesterday_tiles(data: ReportData, scores: pd.DataFrame) -> list[Tile]:
    compared = scores[scores["rows"] > 0]
    if not len(compared):
        return []
    weight = compared["rows"] / compared["rows"].sum()
    error = formatting.figure((compared["mae"] * weight).sum())
    note = f"{formatting.count(compared['rows'].sum())} rows now have actuals"
    tiles = [Tile("Yesterday's mean error", error, note)]
    widest = next(iter(line_charts.prediction_bands(quantile_columns(data.forecast))), None)
    if widest and compared["inside"].notna().any():
        inside = formatting.percent((compared["inside"] * weight).sum())
        tiles.append(Tile("Inside the interval", inside, f"expected: {widest.share:.0%}"))
    return tiles


def _numbers(series: series_charts.SeriesCharts, horizon: int) -> pd.DataFrame:
    """Return the first steps of the forecast of the largest series, for its table."""
    frames = [series.forecast[name] for name in series.names[:1] if name in series.forecast]
    return frames[0].head(min(horizon, MAX_NUMBERS)) if frames else pd.DataFrame()


def missing_sections(failures: tuple[FailureRow, ...]) -> dict[str, list[FailureRow]]:
    """Group failures by the section of the page that they leave empty or incomplete.

    Args:
        failures: Failed steps; `train[gru]` belongs to the section of `train`.

    Returns:
        The failures of each section, in order; every section is a key.
    """
    missing: dict[str, list[FailureRow]] = {name: [] for name in ("yesterday", *SECTION_OF_STEP.values())}
    for failure in failures:
        word = re.match(r"\w*", failure.step)
        section = SECTION_OF_STEP.get(word.group() if word else "", "")
        if section:
            missing[section].append(failure)
    return missing


def _rows_by_source(forecast: pd.DataFrame) -> pd.DataFrame:
    """Count the rows of the forecast by the model they come from: source, model_name, degraded_reason, rows, series."""
    keys = [name for name in ("source", "model_name", "degraded_reason") if name in forecast]
    if "source" not in keys or forecast.empty:
        return pd.DataFrame(columns=["source", "model_name", "degraded_reason", "rows", "series"])
    rows = forecast.groupby(keys, observed=True, dropna=False).size()
    pairs = forecast[["unique_id", *keys]].drop_duplicates()  # as many as there are series, or a few more
    series = pairs.groupby(keys, observed=True, dropna=False).size()
    table = pd.DataFrame({"rows": rows, "series": series}).reset_index()
    table[keys] = table[keys].astype("str").fillna("")
    table = table.sort_values(keys, ignore_index=True)
    return table.reindex(columns=["source", "model_name", "degraded_reason", "rows", "series"], fill_value="")
