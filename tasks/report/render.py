"""The morning page: one night as one HTML file. Pure: the same `Morning` gives the same bytes."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from tasks.charts import formatting, line_charts
from tasks.charts.axes import clock_for
from tasks.charts.diagram import DIAGRAM_CSS
from tasks.charts.gradient_norms import draw_norms
from tasks.report import memory_section, series_charts
from tasks.report.page_data import (
    FailureRow,
    ReportData,
)

SECTION_OF = {
    "ingest": "health",
    "validate": "health",
    "cut_windows": "training",
    "train": "training",
    "draw_memory": "memory",
    "evaluate": "leaderboard",
    "register": "leaderboard",
    "forecast": "forecast",
    "publish": "forecast",
    "score": "yesterday",
    "score_past": "yesterday",
    "watch_drift": "drift",
}
STATES = {"good": "All is well", "watch": "Worth a look", "bad": "Needs a person"}
CONTROLS = {code: "\ufffd" for code in [*range(32), *range(127, 160)] if code not in (9, 10, 13)}


def render(morning: ReportData) -> str:
    """The whole page as one HTML text that asks no network for anything."""
    dated = morning.history if morning.forecast.empty else morning.forecast
    clock = clock_for(dated.get("ds", pd.Series(dtype="datetime64[us, UTC]")), morning.freq, morning.zone)
    panel = series_charts.SeriesCharts(morning.history, morning.forecast, morning.yesterday)
    scores = panel.scores(morning.season)
    drawn, left_out = series_charts.groups(panel, scores, clock)
    page = _template().render(
        m=morning,
        clock=clock,
        state=STATES[morning.verdict],
        tiles=_tiles(morning, scores),
        main=series_charts.main_card(panel, clock),
        groups=drawn,
        left_out=left_out,
        series=len(panel.names),
        numbers=_numbers(panel, morning.horizon),
        hindsight=series_charts.past_forecast_cards(panel, scores, clock),
        scores=scores,
        recalled=[memory_section.row(one.drawn) for one in morning.memories],
        plates=memory_section.plates(morning.memories, morning.references),
        holes=missing_sections(morning.failures),
        bands=line_charts.bands(morning.forecast.columns),
        sources=_sources(morning.forecast),
    )
    return page.translate(CONTROLS).encode("utf-8", "replace").decode("utf-8")


def _template() -> jinja2.Template:
    room = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = {f.__name__: f for f in (formatting.figure, formatting.count, formatting.percent, formatting.duration)}
    room.filters |= words | {"when": formatting.when, "clip": formatting.clip, "sha256": _sha256, "rows": _rows}
    room.globals |= {"bar": line_charts.draw_bar, "curve": line_charts.draw_curves, "nights": line_charts.draw_nights}
    room.globals |= {"norms": draw_norms, "inks": DIAGRAM_CSS}
    return room.get_template("page.html")


def _sha256(text: str) -> str:
    """The base64 digest by which the page's policy admits its one stylesheet and no other style."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _tiles(morning: ReportData, scores: pd.DataFrame) -> list[tuple[str, str, str]]:
    """(label, value, note) of the figures that a person looks for first."""
    tiles = []
    board, metric = morning.leaderboard, morning.metric
    champion = board[board["role"] == "champion"] if len(board) else board
    if len(champion):
        value = formatting.number(champion[metric].iloc[0])
        beaten = formatting.number(board.loc[board["role"] == "baseline", metric].min())
        gain = formatting.percent(value / beaten - 1, signed=True) if beaten else formatting.NOTHING
        tiles.append(
            (f"{metric.upper()} of the champion", formatting.figure(value), f"{gain} against the best baseline")
        )
    compared = scores[scores["rows"] > 0]
    if len(compared):
        weight = compared["rows"] / compared["rows"].sum()
        error = formatting.figure((compared["mae"] * weight).sum())
        tiles.append(
            ("Yesterday's mean error", error, f"{formatting.count(compared['rows'].sum())} rows have come true")
        )
        widest = next(iter(line_charts.bands(morning.forecast.columns)), None)
        if widest and compared["inside"].notna().any():
            inside = formatting.percent((compared["inside"] * weight).sum())
            tiles.append(("Inside the interval", inside, f"{widest.share:.0%} should be"))
    rows, series = len(morning.forecast), morning.forecast.get("unique_id", pd.Series(dtype=str)).nunique()
    tiles.append(("Forecast rows", formatting.count(rows), f"{series} series, horizon {morning.horizon}"))
    rejected = morning.quarantine["rows"].sum() if len(morning.quarantine) else 0
    tiles.append(("Rows in quarantine", formatting.count(rejected), f"rules broken: {len(morning.quarantine)}"))
    return tiles


def _numbers(panel: series_charts.SeriesCharts, horizon: int) -> pd.DataFrame:
    """The forecast of the main series as a table of at most 48 steps, for those who read numbers."""
    frames = [panel.forecast[name] for name in panel.names[:1] if name in panel.forecast]
    return frames[0].head(min(horizon, 48)) if frames else pd.DataFrame()


def missing_sections(failures: tuple[FailureRow, ...]) -> dict[str, list[FailureRow]]:
    """The failures by the section they leave without content; `train[gru]` belongs to training."""
    holes: dict[str, list[FailureRow]] = {name: [] for name in ("yesterday", *SECTION_OF.values())}
    for failure in failures:
        word = re.match(r"\w*", failure.step)
        section = SECTION_OF.get(word.group() if word else "", "")
        if section:
            holes[section].append(failure)
    return holes


def _sources(forecast: pd.DataFrame) -> pd.DataFrame:
    """Rows by rung of the ladder: source, model_name, degraded_reason, rows, series."""
    keys = [name for name in ("source", "model_name", "degraded_reason") if name in forecast]
    if "source" not in keys or forecast.empty:
        return pd.DataFrame(columns=["source", "model_name", "degraded_reason", "rows", "series"])
    told = forecast.assign(**{name: forecast[name].astype(object).where(forecast[name].notna(), "") for name in keys})
    table = told.groupby(keys, sort=True)["unique_id"].agg(rows="size", series="nunique").reset_index()
    return table.reindex(columns=["source", "model_name", "degraded_reason", "rows", "series"], fill_value="")
