"""What a run leaves in the Prefect UI, by lasting keys: <pipeline>-outcome, -leaderboard, -forecast, -page, -mlflow.

They are views. The store has the truth, so whatever goes wrong here is one line on the log, and the night goes on.
"""

import base64
import html
import logging
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
LONGEST_REASON = 4000  # characters


class RunSummary(NamedTuple):
    """What is told of a run that ended well."""

    pipeline: str
    flow: str
    night: str
    verdict: str
    lines: Sequence[str]
    places: dict[str, str | None]
    leaderboard: Sequence[dict[str, Any]]
    picture: str | None
    page: str | None
    champion_version: str | None
    cached: bool
    dry_run: bool


def publish_artifacts(left: RunSummary, settings: Settings, store: Store) -> None:
    """The artifacts of a run that ended well."""
    _try(_of(left, settings, store))


def publish_failure(pipeline: str, flow: str, night: str, error: Exception, page: str | None) -> None:
    """The outcome of a run that did not, in words, under the same key."""
    reason = plain(redact(str(error))[:LONGEST_REASON])
    lines = [f"# {flow} of {plain(night)}: {plain(type(error).__name__)}", "", reason.replace("\n", "  \n")]
    lines += ["", f"The page of this night: {plain(page)}"] if page else []
    text = "\n".join(lines)
    _try(iter([lambda: create_markdown_artifact(text, key=f"{pipeline}-outcome", description="How the run ended")]))


def plain(text: str) -> str:
    """Text that Markdown and HTML take for text, whatever a series is called."""
    return html.escape(re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", text), quote=False)


def _of(left: RunSummary, settings: Settings, store: Store) -> Iterator[Callable[[], Any]]:
    name, about = left.pipeline, f"{left.flow} of {left.night}"
    yield lambda: create_markdown_artifact(_outcome(left), key=f"{name}-outcome", description="How the run ended")
    if left.leaderboard:
        table = [{column: _rounded(row.get(column)) for column in COLUMNS} for row in left.leaderboard]
        yield lambda: create_table_artifact(table, key=f"{name}-leaderboard", description=f"Leaderboard, {about}")
    reports = "" if left.dry_run else (settings.reports_url or "").rstrip("/")  # a rehearsal's pages are not served
    if left.picture:
        url = f"{reports}/{left.picture.removeprefix(REPORTS_PREFIX)}" if reports else _inline(store, left.picture)
        yield lambda: create_image_artifact(url, key=f"{name}-forecast", description=f"The largest series, {about}")
    if left.page and reports:
        link = f"{reports}/{left.page.removeprefix(REPORTS_PREFIX)}"
        yield lambda: create_link_artifact(link, "The morning page", key=f"{name}-page", description=about)
    ui = settings.mlflow_address
    if (
        ui and left.leaderboard and not left.cached and not left.dry_run
    ):  # a cached night has no reason to load MLflow for seconds
        link = f"{ui.rstrip('/')}/{ModelRegistry(settings.tracking, name).model_url(left.champion_version)}"
        text = "The champion's run" if left.champion_version else "All runs"
        yield lambda: create_link_artifact(link, f"{text} in MLflow", key=f"{name}-mlflow", description=about)


def _outcome(left: RunSummary) -> str:
    lines = [f"# {left.flow} of {plain(left.night)}: {left.verdict}", ""]
    lines += [f"- {plain(line)}" for line in left.lines]
    lines += ["", "| what | where |", "|---|---|"]
    lines += [f"| {word} | {plain(place)} |" for word, place in left.places.items() if place]
    return "\n".join(lines)


def _inline(store: Store, uri: str) -> str:
    data = base64.b64encode(store.get_bytes(store.artifact_at(uri))).decode()
    return f"data:image/svg+xml;base64,{data}"


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


def _try(calls: Iterator[Callable[[], Any]]) -> None:
    if FlowRunContext.get() is None:
        return
    try:
        for call in calls:
            call()
    except Exception as trouble:  # noqa: BLE001 - as the docstring of this file says
        log.warning("what this run leaves in the Prefect UI is not complete: %s", redact(str(trouble)))
