"""Runs a flow for the command line: with the Prefect server there is, with none, or with one that dies meanwhile."""

import importlib
import logging
from datetime import UTC, datetime
from typing import Any

from data_contracts.errors import NightcastError
from deployments.process_environment import drop_unreachable_server

log = logging.getLogger("nightcast")


def run_flow(flow: str, night: tuple[str, str | None], dry_run: bool) -> dict[str, Any]:
    """The outcome of a night. The manifest in the store is the truth: a Prefect that is lost on the way fails no night.

    Raises what the flow raises where there is no manifest of this run.
    """
    drop_unreachable_server()
    from flows.runs.run import Outcome
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
        return {name: found[name] for name in Outcome.model_fields if name in found} | {
            "cached": False,
            "dry_run": False,
        }
    return outcome.model_dump(mode="json")


def _manifest_since(begun: datetime, flow: str, pipeline: str) -> dict[str, Any] | None:
    """The manifest of a run of this flow that was finished after `begun`."""
    from flows.pipeline.spec import PipelineSpec
    from flows.settings import Settings

    settings = Settings()
    store, name = settings.opened_store, PipelineSpec.read(pipeline, settings.pipelines).name
    records = (store.read_json(uri) for uri in store.list_files(f"runs/pipeline={name}"))
    whole = [one for one in records if one and one.get("flow") == flow and "finished" in one]
    newest = max(whole, key=lambda one: str(one["finished"]), default=None)
    return newest if newest and datetime.fromisoformat(newest["finished"]) >= begun else None
