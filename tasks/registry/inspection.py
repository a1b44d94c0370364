"""What the registry holds. A SQLite database that does not exist is created, as by every use of MLflow."""

from typing import NamedTuple

from tasks.registry.database import open_database
from tasks.registry.mlflow_registry import ModelRegistry, TrackingSettings


class RegisteredVersion(NamedTuple):
    """One version: the digest of its bundle, its MLflow run, and when it was created, a Unix timestamp."""

    version: str
    digest: str
    run: str
    created: float


class RegistryState(NamedTuple):
    """All versions of a pipeline by number, and the version of each alias that is set."""

    versions: dict[str, RegisteredVersion]
    aliases: dict[str, str]


def read_registry(tracking: TrackingSettings, pipeline: str) -> RegistryState:
    """Read versions and aliases of a pipeline. Raises an error of MLflow if the registry does not answer."""
    registry = ModelRegistry(tracking, pipeline)
    versions = {}
    for known in registry.client.search_model_versions(f"name = '{pipeline}'"):
        digest = str(known.tags.get("nightcast.digest") or "")
        created = float(known.creation_timestamp or 0) / 1000
        versions[str(known.version)] = RegisteredVersion(str(known.version), digest, str(known.run_id), created)
    return RegistryState(versions, registry.list_aliases())


def next_version(tracking: TrackingSettings, pipeline: str) -> int:
    """Return the number that the next version of a pipeline gets; deleted versions keep theirs. SQLite only."""
    path = tracking.database
    if path is None or not path.exists():
        return 1
    with open_database(path, "ro") as db:
        query = "SELECT max(version) FROM model_versions WHERE name = ?"
        return int(db.execute(query, (pipeline,)).fetchone()[0] or 0) + 1
