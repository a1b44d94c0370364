"""Where a night runs: the environment, read here and nowhere else.

It stands on this floor, not in deployments/, because a flow that a Prefect worker starts has no caller above it.
"""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from data_contracts.errors import SpecError
from tasks.registry.mlflow_registry import TrackingSettings
from tasks.storage.layout import MLFLOW_DIR
from tasks.storage.lease import LeaseSettings
from tasks.storage.store import Store

DEFAULT_STORE = ("", "file")


class Settings(BaseSettings):
    """Every setting has a default that works: a store in this folder, with a registry of its own inside."""

    model_config = SettingsConfigDict(env_prefix="NIGHTCAST_", frozen=True, extra="ignore")

    store: str = Field("store", description="folder or fsspec URL of the store")
    mlflow_uri: str | None = Field(None, description="MLflow tracking and registry; by default SQLite inside the store")
    pipelines: Path | None = Field(None, description="folder of pipeline YAMLs, besides deployments/pipelines")

    mlflow_ui: str | None = Field(None, description="address of MLflow's UI for links, if not that of mlflow_uri")
    reports_url: str | None = Field(None, description="where the store's reports are served, for links to pages")
    lease_seconds: float = Field(120.0, gt=0, description="a run that is silent for so long may write no more")
    lease_wait: float = Field(3600.0, ge=0, description="seconds that a run waits for another one of its pipeline")

    @property
    def mlflow_address(self) -> str | None:
        """Where a person opens MLflow; None where nobody serves it."""
        uri = self.mlflow_uri or ""
        return self.mlflow_ui or (uri if uri.startswith(("http://", "https://")) and "@" not in uri else None)

    @property
    def lease_settings(self) -> LeaseSettings:
        return LeaseSettings(seconds=self.lease_seconds, wait=self.lease_wait)

    @property
    def opened_store(self) -> Store:
        return Store(root=self.store)

    @property
    def local_root(self) -> Path | None:
        """The store's folder; None where it is not on this machine's disk."""
        scheme, _, rest = self.store.rpartition("://")
        return Path(rest or self.store).resolve() if scheme in DEFAULT_STORE else None

    @property
    def tracking(self) -> TrackingSettings:
        if self.mlflow_uri:
            return TrackingSettings(uri=self.mlflow_uri)
        if self.local_root is None:
            raise SpecError(
                f"the store {self.store!r} is not a local folder, so NIGHTCAST_MLFLOW_URI must say where MLflow is."
            )
        home = self.local_root / MLFLOW_DIR
        return TrackingSettings(uri=f"sqlite:///{home}/mlflow.db", artifacts=(home / "artifacts").as_uri())
