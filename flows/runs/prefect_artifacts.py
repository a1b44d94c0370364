"""Artifacts of a run in the Prefect UI, with stable keys: <pipeline>-outcome, -leaderboard, -decisions, and others.

They are copies of what is in the store, so an error here is logged and does not stop the run.
"""

import base64
import html
import logging
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from prefect.context import FlowRunContext

from data_contracts.errors import redact
from flows.settings import Settings
from tasks.registry.mlflow_registry import ModelRegistry
from tasks.storage.layout import REPORTS_PREFIX
from tasks.storage.store import Store

log = logging.getLogger("nightcast")

COLUMNS = ("model_name", "role", "mase", "wql", "mae", "rmse", "smape", "coverage")
CLASSIC_VIEW = "?workflowType=machine_learning"  # of MLflow's UI, which opens on agents and traces
MAX_REASON_LENGTH = 4000  # characters


class RunSummary(NamedTuple):
    """What the artifacts show of a successful run; `locations` are the rows of its table."""

    pipeline: str
    flow: str
    night: str
    verdict: str
    lines: Sequence[str]
    locations: dict[str, str | None]
    leaderboard: Sequence[dict[str, Any]]
    decisions: Sequence[dict[str, Any]]
    picture: str | None
    page: str | None
    champion_version: str | None
    cached: bool
    dry_run: bool


def publish_artifacts(summary: RunSummary, settings: Settings, store: Store) -> None:
    """Create the artifacts of a successful run."""
    _call_in_run(_iterate_artifacts(summary, settings, store))


def publish_failure(pipeline: str, flow: str, night: str, error: Exception, page: str | None) -> None:
    """Create the outcome artifact of a failed run, under the same key."""
    reason = escape_markup(redact(str(error))[:MAX_REASON_LENGTH])
    headline = escape_markup(str(getattr(error, "headline", type(error).__name__)))
    lines = [f"# {flow} of {escape_markup(night)}: {headline}", "", reason.replace("\n", "  \n")]
    lines += ["", f"The page of this night: {escape_markup(page)}"] if page else []
    text = "\n".join(lines)
    ended = f"How {flow} of {escape_markup(night)} ended: {headline}"
    _call_in_run(iter([lambda: create_markdown_artifact(text, key=f"{pipeline}-outcome", description=ended)]))


def escape_markup(text: str) -> str:
    """Escape text for Markdown and HTML, since names of series may contain markup."""
    return html.escape(re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", text), quote=False)


def _iterate_artifacts(summary: RunSummary, settings: Settings, store: Store) -> Iterator[Callable[[], Any]]:
    name, about = summary.pipeline, f"{summary.flow} of {summary.night}"
    ended = f"How {about} ended: {summary.verdict}"
    yield lambda: create_markdown_artifact(_format_outcome(summary), key=f"{name}-outcome", description=ended)
    if summary.leaderboard:
        table = [{column: _round(row.get(column)) for column in COLUMNS} for row in summary.leaderboard]
        yield lambda: create_table_artifact(table, key=f"{name}-leaderboard", description=f"Leaderboard, {about}")
    if summary.decisions:
        table = [{column: _round(value) for column, value in row.items()} for row in summary.decisions]
        yield lambda: create_table_artifact(table, key=f"{name}-decisions", description=f"Promotion decisions, {about}")
    reports = "" if summary.dry_run else (settings.reports_url or "").rstrip("/")  # pages of dry runs are not served
    if summary.picture:
        url = (
            f"{reports}/{summary.picture.removeprefix(REPORTS_PREFIX)}" if reports else _inline(store, summary.picture)
        )
        yield lambda: create_image_artifact(url, key=f"{name}-forecast", description=f"The largest series, {about}")
    if summary.page and reports:
        link = f"{reports}/{summary.page.removeprefix(REPORTS_PREFIX)}"
        yield lambda: create_link_artifact(link, "The morning page", key=f"{name}-page", description=about)
    ui = settings.mlflow_address
    if ui and summary.leaderboard and not summary.cached and not summary.dry_run:  # importing MLflow takes seconds
        registry = ModelRegistry(settings.tracking, name)
        link = f"{ui.rstrip('/')}/{registry.model_url(summary.champion_version)}{CLASSIC_VIEW}"
        text = "The champion's run" if summary.champion_version else "All runs"
        yield lambda: create_link_artifact(link, f"{text} in MLflow", key=f"{name}-mlflow", description=about)


def _format_outcome(summary: RunSummary) -> str:
    lines = [f"# {summary.flow} of {escape_markup(summary.night)}: {summary.verdict}", ""]
    lines += [f"- {escape_markup(line)}" for line in summary.lines]
    lines += ["", "| what | where |", "|---|---|"]
    lines += [f"| {name} | {escape_markup(location)} |" for name, location in summary.locations.items() if location]
    return "\n".join(lines)


def _inline(store: Store, uri: str) -> str:
    data = base64.b64encode(store.get_bytes(store.artifact_at(uri))).decode()
    return f"data:image/svg+xml;base64,{data}"


def _round(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) and math.isfinite(value) else value


def _call_in_run(calls: Iterator[Callable[[], Any]]) -> None:
    if FlowRunContext.get() is None:
        return
    try:
        for call in calls:
            call()
    except Exception as error:  # noqa: BLE001 - see the docstring of this file
        log.warning("the artifacts of this run in the Prefect UI are not complete: %s", redact(str(error)))
