"""Name and schedule of a pipeline, without the settings of its models: commands that only look start without torch."""

from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from data_contracts.errors import SpecError
from data_contracts.yaml_reader import read_document, spec_error_from
from flows.pipeline.files import find_pipeline, list_pipelines
from flows.pipeline.schedule_spec import ScheduleSpec
from tasks.storage.layout import runs_dir
from tasks.storage.store import Store

PIPELINE_FOLDER = "pipeline="


class PipelineHeading(NamedTuple):
    """What identifies a pipeline and says when it runs; `file` is None if only the store knows it."""

    name: str
    schedule: ScheduleSpec
    file: Path | None = None


def read_heading(pipeline: str, folder: Path | None, store: Store | None = None) -> PipelineHeading:
    """Read name and schedule of a pipeline.

    Args:
        pipeline: The path of a YAML file, or the name of a file in a folder of pipelines.
        folder: Folder of pipelines, besides deployments/pipelines.
        store: A pipeline without a file is looked up by its name in this store.

    Returns:
        The heading.

    Raises:
        SpecError: No pipeline has this name, or its file has no name or no valid schedule.
    """
    has_file = "/" in pipeline or pipeline in list_pipelines(folder) or Path(pipeline).is_file()
    if store and not has_file and store.list_files(runs_dir(pipeline)):
        return PipelineHeading(pipeline, ScheduleSpec())
    path = find_pipeline(pipeline, folder)
    document = read_document(path)
    name = document.get("name")
    if not isinstance(name, str) or not name:
        raise SpecError(f"{path}: the field name is missing. Write the name of the pipeline, such as name: shops.")
    try:
        return PipelineHeading(name, ScheduleSpec.model_validate(document.get("schedule") or {}), path)
    except ValidationError as error:
        invalid = spec_error_from(path, error, ScheduleSpec)
        raise invalid from error


def list_stored(store: Store) -> list[str]:
    """Return the names of the pipelines of which the store has a run, sorted."""
    folders = {uri.split("/")[1] for uri in store.list_files("runs") if uri.count("/") > 1}
    return sorted(name.removeprefix(PIPELINE_FOLDER) for name in folders if name.startswith(PIPELINE_FOLDER))
