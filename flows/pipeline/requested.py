"""Read the pipeline of a run: a run of a deployment names a file in the folder of pipelines, and brings no spec.

Its parameters come from the API of the Prefect server, which validates them only if the caller wants it to. A spec in
them could name any Python function as its source.
"""

from pathlib import Path

from prefect.context import FlowRunContext

from data_contracts.errors import SpecError
from flows.pipeline.files import list_pipelines
from flows.pipeline.spec import PipelineSpec


def read_requested(pipeline: PipelineSpec | str, folder: Path | None) -> PipelineSpec:
    """Read the pipeline that a flow was called with.

    Args:
        pipeline: A spec, a path or a name; only a name if the run belongs to a deployment.
        folder: Folder of pipelines, besides deployments/pipelines.

    Returns:
        The validated spec.

    Raises:
        SpecError: The pipeline does not exist, is invalid, or is not a name in a run of a deployment.
    """
    if belongs_to_deployment() and not (isinstance(pipeline, str) and pipeline in list_pipelines(folder)):
        names = ", ".join(sorted(list_pipelines(folder))) or "none"
        request = f"the path or unknown name {pipeline[:80]!r}" if isinstance(pipeline, str) else "a whole pipeline"
        raise SpecError(
            f"the parameter pipeline of this run is {request}; a run of a deployment takes the name of a file in the "
            f"folder of pipelines. Start it again with one of: {names}. To run another file, call nightcast with its "
            "path, or put it into the folder NIGHTCAST_PIPELINES and run nightcast deploy, or restart nightcast up."
        )
    return PipelineSpec.read(pipeline, folder)


def belongs_to_deployment() -> bool:
    """Return whether the current flow run was created for a deployment: its parameters are from the API."""
    context = FlowRunContext.get()
    return bool(context and context.flow_run and context.flow_run.deployment_id)
