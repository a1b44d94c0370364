"""Runs flows for the command line, with or without a Prefect server; the server may die during the run."""

import importlib
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from data_contracts.errors import NightcastError
from deployments.process_environment import drop_unreachable_server

if TYPE_CHECKING:  # loads torch
    from tasks.results.manifest import RunManifest

log = logging.getLogger("nightcast")


def run_flow(flow: str, pipeline: str, as_of: str | None, dry_run: bool, force: bool) -> tuple[dict[str, Any], str]:
    """Run a flow for one as-of.

    The manifest in the store decides: if Prefect fails after the manifest is written, the run has succeeded.

    Returns:
        The outcome for `--json`, and the text.
    """
    outcome = _run(flow, pipeline, as_of, dry_run, force)
    return outcome, "\n".join((*outcome["lines"], last_line(outcome)))


def _run(flow: str, pipeline: str, as_of: str | None, dry_run: bool, force: bool) -> dict[str, Any]:
    drop_unreachable_server()
    from flows.runs.outcome import Outcome
    from flows.settings import Settings

    Settings().opened_store.check_writable()  # before Prefect starts, so that a read-only store is reported at once
    begun = datetime.now(UTC)
    try:
        run = getattr(importlib.import_module(f"flows.{flow}"), flow)
        outcome: Outcome = run(pipeline, as_of, dry_run=dry_run, force=force)
    except NightcastError:
        raise
    except Exception as error:
        manifest = None if dry_run else _manifest_since(begun, flow, pipeline)
        if not manifest:
            raise
        log.warning("Prefect failed during the run (%s); the run itself is complete", type(error).__name__)
        completed = manifest.model_dump(mode="json", include=set(Outcome.model_fields))
        return completed | {"cached": False, "dry_run": False}
    return outcome.model_dump(mode="json")


def run_backfill(pipeline: str, start: str | None, end: str | None, dry_run: bool) -> tuple[dict[str, Any], str]:
    """Run the missed nights from `start` to `end` and return (the result, the same as text)."""
    drop_unreachable_server()
    from flows.backfill import backfill
    from flows.settings import Settings

    Settings().opened_store.check_writable()
    result = backfill(pipeline, start, end, dry_run)
    counts = f"{len(result.published)} nights published, {len(result.skipped)} already published"
    state = "dry run" if dry_run else "done"
    return result.model_dump(mode="json"), "\n".join(
        (*result.lines, f"{state} · backfill · {result.pipeline} · {counts}")
    )


def last_line(outcome: dict[str, Any]) -> str:
    """Return the last line that a run prints: its outcome, readable by a script too."""
    from tasks.storage.layout import dry_runs_dir

    parts = [outcome["flow"], outcome["pipeline"], f"as of {outcome['as_of']}", f"verdict {outcome['verdict']}"]
    parts += [f"{key} {outcome[key]}" for key in ("champion", "published", "page") if outcome[key]]
    parts += [f"everything below {dry_runs_dir(outcome['pipeline'])}/ in the store"] if outcome["dry_run"] else []
    return ("dry run · " if outcome["dry_run"] else "done · ") + " · ".join(parts)


def _manifest_since(begun: datetime, flow: str, pipeline: str) -> "RunManifest | None":
    """Return the manifest of this flow's newest run if it finished after `begun`."""
    from flows.pipeline.spec import PipelineSpec
    from flows.settings import Settings
    from tasks.results import manifest

    settings = Settings()
    store, name = settings.opened_store, PipelineSpec.read(pipeline, settings.pipelines).name
    finished = (run for run in manifest.read_all(store, name) if run.flow == flow and run.finished)
    last = manifest.newest(finished)
    return last if last and last.ended >= begun.timestamp() else None
