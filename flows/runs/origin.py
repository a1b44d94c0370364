"""Where the models of a run come from: the settings of the registration, with the Git commit of the pipeline file."""

import subprocess
from pathlib import Path

from data_contracts.errors import SpecError
from flows.pipeline.files import find_pipeline
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings
from tasks.registration import RegistrationSpec
from tasks.registry.mlflow_registry import TrackingSettings
from tasks.registry.model_files import ServingSettings

TIMEOUT_S = 5.0


def registration_spec(
    spec: PipelineSpec, argument: str, tracking: TrackingSettings | None, settings: Settings
) -> RegistrationSpec:
    """Return the settings of the registration of a run; `tracking` is None for a dry run."""
    return RegistrationSpec(
        promotion=spec.promotion,
        evaluation=spec.evaluation,
        tracking=tracking,
        serving=ServingSettings.of(spec.forecast_setup),
        revision=git_revision(argument, settings.pipelines) if tracking else "",
        segments=spec.forecast_setup.segment_columns,
    )


def git_revision(argument: str, folder: Path | None) -> str:
    """Return the Git commit of the pipeline file's repository; empty without a file, a repository or Git."""
    try:
        parent = find_pipeline(argument, folder).resolve().parent
        command = ("git", "-C", str(parent), "rev-parse", "--verify", "HEAD")
        result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S)  # noqa: S603
    except (SpecError, OSError, subprocess.SubprocessError):
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""
