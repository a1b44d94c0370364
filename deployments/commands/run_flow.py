"""Runs flows for the command line, with or without a Prefect server; the server may refuse or die during the run."""

import importlib
import logging
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

from data_contracts.errors import NightcastError, redact
from deployments.commands.recorded_run import call_recorded
from deployments.process_environment import is_server_ready

if TYPE_CHECKING:  # loads torch
    from prefect import Flow


PREFECT_MODULES = ("prefect", "httpx", "httpcore", "anyio", "websockets")

log = logging.getLogger("nightcast")


class FlowRequest(NamedTuple):
    """The arguments of a command that runs one flow for one as-of."""

    flow: str
    pipeline: str
    as_of: str | None = None
    dry_run: bool = False
    force: bool = False
    server: bool = True


def run_flow(request: FlowRequest) -> tuple[dict[str, Any], str]:
    """Run a flow for one as-of.

    Args:
        request: Which flow, for which pipeline and as-of, and how.

    Returns:
        The outcome for `--json`, and the text.
    """
    outcome = _run(request)
    return outcome, "\n".join((*outcome["lines"], last_line(outcome)))


def _run(request: FlowRequest) -> dict[str, Any]:
    from deployments.commands.cached_run import run_if_cached
    from flows.runs.outcome import Outcome
    from flows.settings import Settings

    Settings().opened_store.check_writable()  # before Prefect starts, so that a read-only store is reported at once
    called = getattr(importlib.import_module(f"flows.{request.flow}"), request.flow)
    parameters = request._asdict()
    del parameters["flow"], parameters["server"]
    outcome: Outcome | None = run_if_cached(called, parameters) if request.server else None
    if outcome is None:
        outcome = call_flow(called, parameters, request.server)
    return outcome.model_dump(mode="json")


def call_flow(flow: "Flow[..., Any]", parameters: dict[str, Any], server: bool = True) -> Any:
    """Call a flow as a Prefect flow run, or as a plain function without a usable Prefect server.

    Args:
        flow: The flow.
        parameters: Its parameters by name.
        server: Use the server at PREFECT_API_URL, or start one for this process.

    Returns:
        What the flow returns. Steps that finished before Prefect failed are taken from the cache.

    Raises:
        NightcastError: The flow raised it.
    """
    if server and is_server_ready():
        try:
            return call_recorded(flow, parameters)
        except NightcastError:
            raise
        except Exception as error:
            if not _is_error_of_prefect(error, flow):
                raise
            reason = f"{type(error).__name__}: {redact(str(error).strip().splitlines()[0] if str(error) else '')}"
            log.warning("Prefect failed (%s): this run continues without it and is not in its UI", reason)
    return flow.fn(**flow.validate_parameters(parameters))


def _is_error_of_prefect(error: BaseException, flow: "Flow[..., Any]") -> bool:
    """Return whether an error is of the server or the engine: it was raised outside the flow, or by their libraries."""
    in_flow = any(frame.f_code is flow.fn.__code__ for frame, _ in traceback.walk_tb(error.__traceback__))
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) and cause not in causes:
        causes.append(cause)
    return not in_flow or any(type(cause).__module__.split(".")[0] in PREFECT_MODULES for cause in causes)


def run_backfill(
    pipeline: str, start: str | None, end: str | None, dry_run: bool, server: bool = True
) -> tuple[dict[str, Any], str]:
    """Run the missed nights from `start` to `end` and return (the result, the same as text)."""
    from flows.backfill import backfill
    from flows.settings import Settings

    Settings().opened_store.check_writable()
    result = call_flow(backfill, {"pipeline": pipeline, "start": start, "end": end, "dry_run": dry_run}, server)
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
