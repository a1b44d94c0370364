"""Runs a flow for the command line: with the Prefect server there is, with none, or with one that dies meanwhile."""

import importlib
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from data_contracts.errors import NightcastError
from deployments.process_environment import drop_unreachable_server

if TYPE_CHECKING:  # loads torch
    from tasks.results.manifest import RunManifest

log = logging.getLogger("nightcast")


def run_flow(flow: str, night: tuple[str, str | None], dry_run: bool) -> dict[str, Any]:
    """The outcome of a night. The manifest in the store is the truth: a Prefect that is lost on the way fails no night.

    Raises what the flow raises where there is no manifest of this run.
    """
    drop_unreachable_server()
    from flows.runs.outcome import Outcome
    from flows.settings import Settings

    Settings().opened_store.check_writable()  # before Prefect is started: a store that refuses is said at once
    begun = datetime.now(UTC)
    try:
        outcome: Outcome = getattr(importlib.import_module(f"flows.{flow}"), flow)(*night, dry_run=dry_run)
    except NightcastError:
        raise
    except Exception as lost:
        found = None if dry_run else _manifest_since(begun, flow, night[0])
        if not found:
            raise
        log.warning("Prefect was lost on the way (%s); the night itself is done", type(lost).__name__)
        known = found.model_dump(mode="json", include=set(Outcome.model_fields))
        return known | {"cached": False, "dry_run": False}
    return outcome.model_dump(mode="json")


def _manifest_since(begun: datetime, flow: str, pipeline: str) -> "RunManifest | None":
    """The manifest of a run of this flow that was finished after `begun`."""
    from flows.pipeline.spec import PipelineSpec
    from flows.settings import Settings
    from tasks.results import manifest

    settings = Settings()
    store, name = settings.opened_store, PipelineSpec.read(pipeline, settings.pipelines).name
    finished = (run for run in manifest.read_all(store, name) if run.flow == flow and run.finished)
    last = manifest.newest(finished)
    return last if last and last.ended >= begun.timestamp() else None
