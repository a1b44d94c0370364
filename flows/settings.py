"""Where a run takes place: the NIGHTCAST_* environment variables, read here and nowhere else.

They are read in flows, not in deployments, because a flow that a Prefect worker starts has no caller above it.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ModelWrapValidatorHandler, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from data_contracts.errors import SpecError
from tasks.engine.execution import ExecutionSpec
from tasks.registry.mlflow_registry import TrackingSettings
from tasks.storage.layout import MLFLOW_DIR
from tasks.storage.lease import MAX_LEASE_S, LeaseSettings
from tasks.storage.store import Store

LOCAL_SCHEMES = ("", "file")


class Settings(BaseSettings):
    """The environment of Nightcast. By default the store is in the current folder, with the registry inside."""

    model_config = SettingsConfigDict(env_prefix="NIGHTCAST_", frozen=True, extra="ignore")

    store: str = Field("store", description="folder or fsspec URL of the store")
    mlflow_uri: str | None = Field(None, description="MLflow tracking and registry; by default SQLite inside the store")
    pipelines: Path | None = Field(None, description="folder of pipeline YAMLs, besides deployments/pipelines")

    allow_file_store: bool = Field(
        False, validation_alias="MLFLOW_ALLOW_FILE_STORE", description="MLflow's own variable: it may use a folder"
    )

    engine: Literal["local", "dask", "ray"] = Field(
        "local", description="where networks are trained and forecast many windows"
    )
    engine_address: str | None = Field(None, description="address of the Dask scheduler or the Ray cluster")

    mlflow_ui: str | None = Field(None, description="address of MLflow's UI for links, if not that of mlflow_uri")
    reports_url: str | None = Field(None, description="where the store's reports are served, for links to pages")
    lease_seconds: float = Field(
        120.0, gt=0, le=MAX_LEASE_S, description="a run that does not renew its lease for this long may no longer write"
    )
    max_future_hours: float = Field(
        1.0, ge=0, description="an as-of farther ahead of the clock needs --force; clocks differ by less"
    )
    lease_wait: float = Field(3600.0, ge=0, description="seconds that a run waits for another run of the same pipeline")

    partition_rows: int | None = Field(
        None, ge=1, description="rows of the source that are checked at once; by default as the memory allows"
    )
    allow_private_sources: bool = Field(
        False, description="read http and sftp sources from hosts inside this machine or its network too"
    )

    serve_key: SecretStr | None = Field(None, description="key of the API that `nightcast serve` requires")

    @model_validator(mode="wrap")
    @classmethod
    def _name_variable(cls, values: Any, handler: ModelWrapValidatorHandler["Settings"]) -> "Settings":
        """Raise SpecError with the variable and its value, instead of the report of pydantic."""
        try:
            return handler(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = str(first["loc"][0])
            variable = name if name.isupper() else f"NIGHTCAST_{name.upper()}"
            shown = "" if name == "serve_key" else f" is {str(first['input'])[:60]!r}"
            raise SpecError(
                f"the environment variable {variable}{shown}: {first['msg']}. Correct it in the environment or in .env."
            ) from None

    @property
    def mlflow_address(self) -> str | None:
        """Address of the MLflow UI; None if no server is known."""
        uri = self.mlflow_uri or ""
        return self.mlflow_ui or (uri if uri.startswith(("http://", "https://")) and "@" not in uri else None)

    @property
    def lease_settings(self) -> LeaseSettings:
        """Length of a lease and waiting time, in seconds."""
        return LeaseSettings(seconds=self.lease_seconds, wait=self.lease_wait)

    @property
    def execution(self) -> ExecutionSpec:
        """Where networks are trained and forecast. Raises SpecError if it has no address or is not installed."""
        spec = ExecutionSpec(engine=self.engine, address=self.engine_address)
        spec.check()
        return spec

    @property
    def opened_store(self) -> Store:
        """The store at `store`."""
        return Store(root=self.store)

    @property
    def local_root(self) -> Path | None:
        """The absolute folder of the store; None if it is not on a local disk."""
        scheme, _, rest = self.store.rpartition("://")
        return Path(rest or self.store).resolve() if scheme in LOCAL_SCHEMES else None

    @property
    def registry_problem(self) -> str | None:
        """Why no model can be registered with these settings; None if the address is usable as far as it tells."""
        try:
            return None if self.allow_file_store else self.tracking.problem
        except SpecError as error:
            return str(error)

    @property
    def readable_tracking(self) -> TrackingSettings | None:
        """Where MLflow keeps models, to read from; None if no address is set and the store is remote."""
        try:
            return self.tracking
        except SpecError:
            return None

    @property
    def tracking(self) -> TrackingSettings:
        """Where MLflow keeps models. Raises SpecError if the store is remote and no MLflow address is set."""
        if self.mlflow_uri:
            return TrackingSettings.at_address(self.mlflow_uri)
        if self.local_root is None:
            raise SpecError(
                f"the store {self.store!r} is not a local folder, so MLflow cannot keep its database there. Set "
                "NIGHTCAST_MLFLOW_URI to the address of an MLflow server or database."
            )
        home = self.local_root / MLFLOW_DIR
        artifacts = (home / "artifacts").as_uri()
        return TrackingSettings(uri=f"sqlite:///{home}/mlflow.db", artifacts=artifacts, in_store=True)
