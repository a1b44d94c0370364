"""What MLflow gets of one version: parameters, tags, description and files, from the bundle and its night."""

import json
import math
from datetime import datetime

import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from models.bundle import Bundle
from tasks.registry.logged_model import LoggedModel, flatten_settings
from tasks.registry.model_files import ServingSettings, build_model_files, installed_release

REFERENCE = "seasonal_naive"


class VersionOrigin(Spec):
    """Where a model comes from. Fields that are unknown are empty, as for a registry that is built again.

    `revision` is the Git commit of the pipeline file, `dataset` the clean table of the night, `root` the store's.
    """

    pipeline: str
    run_id: str
    as_of: datetime | None = None
    revision: str = ""
    dataset: Artifact | None = None
    root: str = ""

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags of the run and of the version."""
        tags = {"pipeline": self.pipeline, "run_id": self.run_id, "release": installed_release("nightcast")}
        tags |= {"as_of": self.as_of.isoformat()} if self.as_of else {}
        tags |= {"git_revision": self.revision} if self.revision else {}
        return {f"nightcast.{name}": value for name, value in tags.items()}


def build_logged_model(
    name: str, weights: Artifact, data: bytes, origin: VersionOrigin, serving: ServingSettings
) -> LoggedModel:
    """Build the contents of the MLflow run of a model, without what only its night knows: metrics and curves.

    Args:
        name: Name of the model.
        weights: The bundle in the store.
        data: Its bytes.
        origin: Pipeline, night and data set.
        serving: What a forecast needs besides the bundle.

    Returns:
        The contents. Parameters are flat: `training.learning_rate`, and no value is cut.
    """
    bundle = Bundle.from_bytes(data)
    settings = bundle.stored_settings()
    return LoggedModel(
        name=name,
        digest=weights.digest,
        settings=flatten_settings(settings),
        metrics={},
        curve=(),
        weights=data,
        settings_json=json.dumps(settings, indent=1, sort_keys=True),
        tags=origin.tags,
        description=describe_version(name, origin),
        files=build_model_files(bundle, weights.digest, serving),
        dataset=origin.dataset,
        dataset_source=f"{origin.root.rstrip('/')}/{origin.dataset.uri}" if origin.dataset else "",
    )


def describe_version(name: str, origin: VersionOrigin, scores: pd.DataFrame | None = None, metric: str = "") -> str:
    """Describe a version for MLflow's UI.

    Args:
        name: Name of the model.
        origin: Pipeline and night.
        scores: The scores of the night by model_name; None if they are unknown.
        metric: The column of `scores` that the promotion compares.

    Returns:
        Model, pipeline, as-of and the skill against the seasonal naive forecast, as plain text: MLflow's
        tables show no Markdown.
    """
    night = f", as of {origin.as_of:%Y-%m-%d %H:%M} UTC" if origin.as_of else ""
    text = f"{name} of pipeline {origin.pipeline}{night}."
    references = [] if scores is None else [index for index in scores.index if str(index).startswith(REFERENCE)]
    if scores is not None and name in scores.index and references:
        own, reference = float(scores.loc[name, metric]), float(scores.loc[references[0], metric])
        if reference > 0 and math.isfinite(own):
            text += f" {metric.upper()} {own:.4g}: skill against {references[0]} {1 - own / reference:.1%}."
    return f"{text} Load it with mlflow.pyfunc.load_model: a history in long format gives the forecast table."
