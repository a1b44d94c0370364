"""Run a night again whose steps are all cached, without a temporary Prefect server: it takes longer than the night."""

from typing import TYPE_CHECKING, Any

from data_contracts.errors import NightcastError
from deployments.process_environment import variable
from flows.runs.outcome import Outcome
from flows.runs.request import RunRequest
from flows.settings import Settings
from tasks.engine.cached_only import NotCached, cached_steps_only
from tasks.results.manifest import read_all

if TYPE_CHECKING:
    from prefect import Flow


def run_if_cached(flow: "Flow[..., Any]", parameters: dict[str, Any]) -> Outcome | None:
    """Run a flow as a plain function if it would only take results from the cache, and no Prefect server is set.

    With a server at PREFECT_API_URL every run is recorded there. Without one, a server is started to record the run in
    the database of this folder: that is left out for a run that changes nothing.

    Args:
        flow: The flow.
        parameters: Its parameters by name.

    Returns:
        The outcome; None if a step has to compute, in which case the run has changed nothing.
    """
    if variable("PREFECT_API_URL") or not _has_ended_before(flow.name, parameters):
        return None
    try:
        with cached_steps_only():
            outcome: Outcome = flow.fn(**flow.validate_parameters(parameters))
            return outcome
    except NotCached:
        return None


def _has_ended_before(flow: str, parameters: dict[str, Any]) -> bool:
    """Return whether the store has the manifest of this run; what is wrong with the request is reported later."""
    settings = Settings()
    request = RunRequest(**parameters)
    try:
        spec = request.read_spec(settings)
        as_of = request.parse_as_of(spec, None)
        runs = read_all(settings.opened_store, spec.name)
    except NightcastError:
        return False
    return any((run.flow, run.as_of) == (flow, as_of) and run.outcome in ("done", "degraded") for run in runs)
