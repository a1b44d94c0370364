"""The few MLflow calls, in our words: one run a trained model, one version a challenger, two aliases."""

import contextlib
import os
import tempfile
import uuid
from pathlib import Path

from pydantic import Field

from data_contracts.spec import Spec

MAX_METRICS_PER_CALL = 1000  # metrics, by MLflow's own limit


class TrackingSettings(Spec):
    """Where MLflow is: its URI, and where a new experiment keeps its files."""

    uri: str
    artifacts: str | None = None

    @property
    def lost(self) -> bool:
        """Whether this is a database file that is not there: asking it would make an empty one."""
        return self.uri.startswith("sqlite:///") and not Path(self.uri.removeprefix("sqlite:///")).exists()


class LoggedModel(Spec):
    """What one trained model leaves in MLflow."""

    name: str
    digest: str
    settings: dict[str, str]
    metrics: dict[str, float]
    curve: tuple[float, ...]
    weights: bytes
    settings_json: str
    curves: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    drawings: dict[str, bytes] = Field(default_factory=dict)


class ModelRegistry:
    """One pipeline's experiment and registered model, both named like the pipeline."""

    def __init__(self, tracking: TrackingSettings, pipeline: str) -> None:
        from mlflow import MlflowClient  # takes seconds, and a cached night never needs it
        from mlflow.utils.logging_utils import disable_logging

        disable_logging()
        if tracking.uri.startswith("sqlite:///"):
            _ensure_database(Path(tracking.uri.removeprefix("sqlite:///")))
        self.client = MlflowClient(tracking.uri, tracking.uri)
        self.pipeline, self.tracking = pipeline, tracking

    def log(self, model: LoggedModel, run_id: str) -> str:
        """The MLflow run of a trained model; logging the same weights for the same night twice gives the same run."""
        experiment = self._experiment()
        tags = {"nightcast.run_id": run_id, "nightcast.digest": model.digest}
        wanted = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        for run in self.client.search_runs([experiment], f"{wanted} and attributes.status = 'FINISHED'"):
            return str(run.info.run_id)
        run = self.client.create_run(experiment, run_name=model.name, tags=tags)
        key = run.info.run_id
        from mlflow.entities import Metric, Param

        now = run.info.start_time
        metrics = [Metric(name, value, now, 0) for name, value in model.metrics.items()]
        for name, curve in {"validation_loss": model.curve, **model.curves}.items():
            metrics += [Metric(name, value, now, epoch) for epoch, value in enumerate(curve, 1)]
        self.client.log_batch(key, params=[Param(name, value) for name, value in model.settings.items()])
        for start in range(0, len(metrics), MAX_METRICS_PER_CALL):
            self.client.log_batch(key, metrics=metrics[start : start + MAX_METRICS_PER_CALL])
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "weights.safetensors").write_bytes(model.weights)
            (Path(folder) / "settings.json").write_text(model.settings_json, encoding="utf-8")
            self.client.log_artifacts(key, folder, "model")
        with tempfile.TemporaryDirectory() as folder:
            for name, drawing in model.drawings.items():
                (Path(folder) / f"{name}.svg").write_bytes(drawing)
            if model.drawings:
                self.client.log_artifacts(key, folder, "memory")
        self.client.set_terminated(key)
        return str(key)

    def version(self, digest: str, mlflow_run: str, run_id: str) -> str:
        """The registered version of these weights, made if there is none yet."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.get_registered_model(self.pipeline)
        except MlflowException:
            self.client.create_registered_model(self.pipeline)
        for known in self.client.search_model_versions(f"name = '{self.pipeline}'"):
            if known.tags.get("nightcast.digest") == digest:
                return str(known.version)
        source = f"runs:/{mlflow_run}/model"
        location = f"{self.client.get_run(mlflow_run).info.artifact_uri}/model"
        tags = {"nightcast.digest": digest, "nightcast.run_id": run_id, "nightcast.source": source}
        made = self.client.create_model_version(self.pipeline, location, mlflow_run, tags=tags)
        return str(made.version)

    def set_alias(self, alias: str, version: str) -> bool:
        """Move `champion` or `challenger` to a version; False where this registry has no such version."""
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

        try:
            self.client.set_registered_model_alias(self.pipeline, alias, version)
        except MlflowException as refused:
            if refused.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            return False
        return True

    def get_alias(self, alias: str) -> str | None:
        """The version that an alias points at; None where it points at none."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.get_model_version_by_alias(self.pipeline, alias).version)
        except MlflowException:
            return None

    def model_url(self, version: str | None) -> str:
        """The address, within MLflow's UI, of the run that trained a version, else of all runs of this pipeline."""
        from mlflow.exceptions import MlflowException

        experiment = f"#/experiments/{self._experiment()}"
        try:
            run = self.client.get_model_version(self.pipeline, version).run_id if version else None
        except MlflowException:
            run = None
        return f"{experiment}/runs/{run}" if run else f"{experiment}/runs"

    def _experiment(self) -> str:
        known = self.client.get_experiment_by_name(self.pipeline)
        if known is not None:
            return str(known.experiment_id)
        return str(self.client.create_experiment(self.pipeline, artifact_location=self.tracking.artifacts))


def _ensure_database(path: Path) -> None:
    """Make the registry's database aside and put it in place whole.

    MLflow would make it table by table in place, and a kill or a second run in between would leave one that no later
    run can open.
    """
    if path.exists():
        return
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.parent / f".{uuid.uuid4().hex}.part"
    client = MlflowClient(f"sqlite:///{scratch}", f"sqlite:///{scratch}")
    client.search_experiments(max_results=1)
    client.search_registered_models(max_results=1)
    client._tracking_client.store.engine.dispose()
    with contextlib.suppress(FileExistsError):
        os.link(scratch, path)
    scratch.unlink()
