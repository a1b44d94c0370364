"""Record runs of the command line in Prefect's UI with the tags and in the deployment of the scheduled ones."""

import logging
from typing import TYPE_CHECKING, Any

from data_contracts.errors import SpecError
from deployments.commands.temporary_server import end_with_this_process
from deployments.process_environment import FIRST_SERVER_ERROR, variable
from flows.pipeline.heading import read_heading
from flows.settings import Settings

if TYPE_CHECKING:  # takes seconds
    from prefect import Flow
    from prefect.client.schemas.objects import FlowRun

TAG = "nightcast"
log = logging.getLogger("nightcast")


def call_recorded(flow: "Flow[..., Any]", parameters: dict[str, Any]) -> Any:
    """Call a flow as a Prefect flow run.

    Args:
        flow: The flow.
        parameters: Its parameters by name.

    Returns:
        What the flow returns. The run belongs to the deployment <flow>/<pipeline> if the server at PREFECT_API_URL has
        one that runs the same file.
    """
    import prefect
    from prefect.flow_engine import run_flow

    if not variable("PREFECT_API_URL"):
        end_with_this_process()
    name = _pipeline_name(parameters)
    tags = (TAG, name) if name else (TAG,)
    with prefect.tags(*tags):
        flow_run = _create_in_deployment(flow, parameters, tags) if name and variable("PREFECT_API_URL") else None
        return run_flow(flow, flow_run=flow_run, parameters=parameters) if flow_run else flow(**parameters)


def _pipeline_name(parameters: dict[str, Any]) -> str | None:
    try:
        return read_heading(str(parameters["pipeline"]), Settings().pipelines).name
    except (SpecError, KeyError):  # the flow reports what is wrong
        return None


def _create_in_deployment(
    flow: "Flow[..., Any]", parameters: dict[str, Any], tags: tuple[str, ...]
) -> "FlowRun | None":
    """Create a run of the deployment; None without one, or if it runs another file or refuses the parameters."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
    from prefect.states import Pending

    try:
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name(f"{flow.name}/{tags[-1]}")
            if deployment.parameters.get("pipeline") != parameters["pipeline"]:
                return None
            return client.create_flow_run_from_deployment(  # Pending: no runner takes it
                deployment.id, parameters=parameters, state=Pending(), tags=tags
            )
    except ObjectNotFound:
        return None
    except PrefectHTTPStatusError as error:
        if error.response.status_code >= FIRST_SERVER_ERROR:
            raise  # the run continues without Prefect
        log.debug("this run is not in a deployment: %s", error)
        return None
