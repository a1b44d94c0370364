"""The MLflow calls: one run per trained model, one registered version per challenger, two aliases."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from data_contracts.spec import Spec
from tasks.registry.database import ensure_database
from tasks.registry.logged_model import WEIGHTS_FILE, LoggedModel, log_contents
from tasks.registry.relocation import relocate_artifacts

__all__ = ["WEIGHTS_FILE", "LoggedModel"]  # of their own file

SQLITE = "sqlite:///"
MAX_TAG_CHARACTERS = 5000  # that every release of MLflow stores
MODEL_DESCRIPTION = (
    "The networks of pipeline {name}, one version for each. The version with the alias champion forecasts every night; "
    "the alias challenger is the best new one of the newest night. "
    "To change the champion: nightcast promote {name} VERSION --reason WHY."
)


class TrackingSettings(Spec):
    """The tracking URI of MLflow, and the artifact location of a new experiment (MLflow's default if None).

    `in_store` is whether both lie inside the store, and so move with it.
    """

    uri: str
    artifacts: str | None = None
    in_store: bool = False

    @classmethod
    def at_address(cls, uri: str) -> "TrackingSettings":
        """Return the settings for an address: files of a SQLite database lie next to it, not in the current folder."""
        database = cls(uri=uri).database
        return cls(uri=uri, artifacts=(database.parent / f"{database.stem}-artifacts").as_uri() if database else None)

    @property
    def database(self) -> Path | None:
        """The SQLite file of the registry; None if it is a server or another database."""
        if not self.uri.startswith(SQLITE):
            return None
        return Path(self.uri.removeprefix(SQLITE).partition("?")[0]).absolute()

    @property
    def database_is_missing(self) -> bool:
        """Whether the URI is a SQLite file that does not exist. MLflow would create an empty database there."""
        return self.database is not None and not self.database.exists()

    @property
    def problem(self) -> str | None:
        """Why MLflow will not register a model at this URI, as far as the URI tells; None if it may."""
        scheme = self.uri.partition(":")[0]
        is_folder = scheme == "file" or (scheme == self.uri and scheme not in ("databricks", "databricks-uc", "uc"))
        if not is_folder:
            return None
        return (
            f"NIGHTCAST_MLFLOW_URI is the folder {self.uri!r}, and MLflow does not register models in a file store: no "
            "model will be promoted. Set it to a database such as sqlite:///mlflow.db or to the address of a server."
        )


class ModelRegistry:
    """Experiment and registered model of one pipeline, both named like the pipeline."""

    def __init__(self, tracking: TrackingSettings, pipeline: str) -> None:
        from mlflow import MlflowClient  # takes seconds, and a cached night never needs it
        from mlflow.utils.logging_utils import disable_logging

        disable_logging()
        if tracking.database:
            ensure_database(tracking.database)
        self.client = MlflowClient(tracking.uri, tracking.uri)
        self.pipeline, self.tracking = pipeline, tracking
        self._located = tracking.database is None or tracking.artifacts is None

    def locate_artifacts(self) -> None:
        """Let the recorded locations of files follow a registry that was copied or moved.

        Every method that reads or writes files calls it first, so that opening a registry changes nothing.
        """
        if not self._located and self.tracking.database and self.tracking.artifacts:
            shared_parts = 2 if self.tracking.in_store else 1
            relocate_artifacts(self.tracking.database, self.tracking.artifacts, shared_parts)
        self._located = True

    def log_model(self, model: LoggedModel, run_id: str) -> str:
        """Log a trained model as an MLflow run. The same weights of the same night are logged only once.

        Args:
            model: The contents of the run.
            run_id: The run id of the night, which is stored as a tag.

        Returns:
            The id of the MLflow run.
        """
        self.locate_artifacts()
        experiment = self._experiment()
        identity = {"nightcast.run_id": run_id, "nightcast.digest": model.digest}
        query = " and ".join(f"tags.`{name}` = '{value}'" for name, value in identity.items())
        for run in self.client.search_runs([experiment], f"{query} and attributes.status = 'FINISHED'"):
            return str(run.info.run_id)
        note = {"mlflow.note.content": model.description} if model.description else {}
        run = self.client.create_run(experiment, run_name=model.run_name, tags=identity | model.tags | note)
        key = run.info.run_id
        log_contents(self.client, key, model, run.info.start_time)
        self.client.set_terminated(key)
        return str(key)

    def register_version(
        self,
        digest: str,
        mlflow_run: str,
        run_id: str,
        description: str = "",
        more_tags: Mapping[str, str] | None = None,
    ) -> str:
        """Return the registered version of these weights; register them first if they are new.

        Args:
            digest: Digest of the bundle.
            mlflow_run: Id of the MLflow run that has the weights as an artifact.
            run_id: The run id of the night, which is stored as a tag.
            description: What MLflow shows for the version.
            more_tags: Further tags of the version.

        Returns:
            The number of the version.
        """
        self.locate_artifacts()
        self._ensure_model()
        for known in self.client.search_model_versions(f"name = '{self.pipeline}'"):
            if known.tags.get("nightcast.digest") == digest:
                return str(known.version)
        source = f"runs:/{mlflow_run}/model"
        location = f"{self.client.get_run(mlflow_run).info.artifact_uri}/model"
        tags = {"nightcast.digest": digest, "nightcast.run_id": run_id, "nightcast.source": source}
        created = self.client.create_model_version(
            self.pipeline, location, mlflow_run, tags=tags | dict(more_tags or {}), description=description or None
        )
        return str(created.version)

    def tag_version(self, version: str, tags: Mapping[str, str]) -> None:
        """Set tags of a version; texts longer than MLflow keeps are cut."""
        for name, text in tags.items():
            self.client.set_model_version_tag(self.pipeline, version, name, text[:MAX_TAG_CHARACTERS])

    def skip_version(self) -> None:
        """Use up the next version number, for a model that the registry has lost."""
        self._ensure_model()
        unused = self.client.create_model_version(self.pipeline, self.tracking.artifacts or self.tracking.uri)
        self.client.delete_model_version(self.pipeline, unused.version)

    def read_weights(self, digest: str) -> bytes | None:
        """Return the bundle of the version with this digest; None if no version has it."""
        self.locate_artifacts()
        for version in self.client.search_model_versions(f"name = '{self.pipeline}'"):
            if version.tags.get("nightcast.digest") == digest:
                with tempfile.TemporaryDirectory() as folder:
                    path = self.client.download_artifacts(version.run_id, f"model/{WEIGHTS_FILE}", folder)
                    return Path(path).read_bytes()
        return None

    def set_alias(self, alias: str, version: str) -> bool:
        """Set `champion` or `challenger` to a version. Returns False if the registry has no such version."""
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

        try:
            self.client.set_registered_model_alias(self.pipeline, alias, version)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            return False
        return True

    def get_alias(self, alias: str) -> str | None:
        """Return the version of an alias; None if the alias is not set."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.get_model_version_by_alias(self.pipeline, alias).version)
        except MlflowException:
            return None

    def list_aliases(self) -> dict[str, str]:
        """Return the version of every alias of the model, also of those that a person has set."""
        from mlflow.exceptions import MlflowException

        try:
            aliases = self.client.get_registered_model(self.pipeline).aliases
        except MlflowException:
            return {}
        return {alias: str(version) for alias, version in aliases.items()}

    def model_url(self, version: str | None) -> str:
        """Return the address within MLflow's UI of the run of a version, or of all runs if it is unknown."""
        from mlflow.exceptions import MlflowException

        experiment = f"#/experiments/{self._experiment()}"
        try:
            run = self.client.get_model_version(self.pipeline, version).run_id if version else None
        except MlflowException:
            run = None
        return f"{experiment}/runs/{run}" if run else f"{experiment}/runs"

    def list_runs(self) -> Iterator[tuple[str, float]]:
        """Yield the id of every run that a night of the pipeline logged, and when it started, a Unix timestamp."""
        token: str | None = None
        known = self.client.get_experiment_by_name(self.pipeline)
        while known is not None:
            page = self.client.search_runs([known.experiment_id], page_token=token)
            own = (run for run in page if "nightcast.run_id" in run.data.tags)  # not those of people
            yield from ((str(run.info.run_id), run.info.start_time / 1000) for run in own)
            token = page.token
            if not token:
                return

    def delete_run(self, run: str) -> None:
        """Delete a run with its metrics and parameters, as `mlflow gc` does; its files stay."""
        self.client._tracking_client.store._hard_delete_run(run)

    def _ensure_model(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.get_registered_model(self.pipeline)
        except MlflowException:
            self.client.create_registered_model(self.pipeline, description=MODEL_DESCRIPTION.format(name=self.pipeline))

    def _experiment(self) -> str:
        known = self.client.get_experiment_by_name(self.pipeline)
        if known is not None:
            return str(known.experiment_id)
        tags = {"mlflow.experimentKind": "custom_model_development"}  # MLflow's UI shows runs, not traces of agents
        tags["mlflow.note.content"] = f"A run for each network of each night of pipeline {self.pipeline}."
        return str(self.client.create_experiment(self.pipeline, artifact_location=self.tracking.artifacts, tags=tags))
