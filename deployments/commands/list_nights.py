"""`nightcast list`: every pipeline of the folder and of the store, its last night, its next night and its state."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from data_contracts.errors import NightcastError
from flows.pipeline.files import list_pipelines
from flows.pipeline.heading import PipelineHeading, list_stored, read_heading
from flows.pipeline.schedule import missing_nights, scheduled_times
from flows.pipeline.schedule_spec import ScheduleSpec
from flows.settings import Settings
from tasks.results.manifest import newest, read_all
from tasks.storage import lease
from tasks.storage.process_identity import has_exited
from tasks.storage.store import Store

NIGHT_DURATION = timedelta(hours=2)  # a night that was due more recently may still be running
MAX_GAP = timedelta(days=800)  # to the next night
TABLE_WIDTH = 140


def list_nights(now: datetime | None = None) -> tuple[dict[str, Any], str]:
    """Return one record per pipeline, by name, and the same as a table.

    Args:
        now: The current time, which decides the next night; by default that of the clock.

    Returns:
        {"store": …, "pipelines": […]} for `--json`, and the text.
    """
    settings, moment = Settings(), now or datetime.now(UTC)
    store = settings.opened_store
    records = dict[str, dict[str, Any]]()
    for argument, file in sorted(list_pipelines(settings.pipelines).items()):
        try:
            heading = read_heading(str(file), settings.pipelines)
            records[heading.name] = _describe(heading, store, moment)
        except NightcastError as error:
            records[argument] = _record(argument, file) | {"state": "broken", "reason": str(error).splitlines()[0]}
    for name in list_stored(store):
        if name not in records:
            records[name] = _describe(PipelineHeading(name, ScheduleSpec()), store, moment)
    facts = {"store": store.display_root, "pipelines": [records[name] for name in sorted(records)]}
    return facts, _format(facts)


def _record(name: str, file: Path | None) -> dict[str, Any]:
    empty = dict.fromkeys(("last_night", "outcome", "verdict", "next_night", "champion", "page"))
    return {"name": name, "file": str(file.absolute()) if file else None, **empty, "state": "never ran", "reason": ""}


def _describe(heading: PipelineHeading, store: Store, now: datetime) -> dict[str, Any]:
    record = _record(heading.name, heading.file)
    if heading.file and not heading.schedule.as_of:
        upcoming = next(scheduled_times(heading, now, now + MAX_GAP), None)
        record["next_night"] = upcoming.isoformat() if upcoming else None
    last = newest(run for run in read_all(store, heading.name) if run.outcome)
    if last:
        record |= {"last_night": last.as_of_text, "outcome": last.outcome, "verdict": last.verdict}
        record |= {"champion": last.champion, "page": last.page, "reason": last.headline}
        record["state"] = last.verdict or last.outcome
    if last and record["next_night"] and _is_late(heading, store, last.as_of, now):
        record["state"] = "late"
    held = lease.holder(store.root, heading.name)
    if held and not has_exited(held.owner):
        record["state"] = "running"
    return record


def _is_late(heading: PipelineHeading, store: Store, last: datetime, now: datetime) -> bool:
    """Return whether the newest night that is due has no forecasts."""
    due = list(scheduled_times(heading, max(last, now - timedelta(days=31)), now - NIGHT_DURATION))[-1:]
    return bool(missing_nights(heading, due, store))


def _format(facts: dict[str, Any]) -> str:
    if not facts["pipelines"]:
        return (
            f"no pipelines, neither in deployments/pipelines nor in {facts['store']}. Write one: nightcast init TABLE"
        )
    table = Table(box=None, pad_edge=False)
    for header in ("pipeline", "state", "last night", "outcome", "next night", "file"):
        table.add_column(header, overflow="fold")
    for record in facts["pipelines"]:
        last, upcoming = ((record[key] or "–")[:16].replace("T", " ") for key in ("last_night", "next_night"))
        outcome = record["reason"] if record["state"] == "broken" else record["outcome"] or "–"
        table.add_row(record["name"], record["state"], last, outcome, upcoming, record["file"] or "only in the store")
    out = Console(file=io.StringIO(), width=TABLE_WIDTH, force_terminal=False)
    out.print(table)
    text: str = out.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    return "\n".join([*(line.rstrip() for line in text.rstrip().splitlines()), "", "Times are UTC."])
