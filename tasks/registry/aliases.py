"""The aliases of a pipeline in MLflow: they follow the decisions, and an alias that a person has moved is noticed.

A tag of the registered model holds the version that Nightcast itself set last. So the alias of a night that was killed
before it could set it (alias = tag) differs from an alias that a person has moved (alias ≠ tag).
"""

import contextlib
import sqlite3
from datetime import datetime
from typing import NamedTuple

from tasks.registry.champions import champion_at, champion_versions
from tasks.registry.database import LOCK_TIMEOUT_S
from tasks.registry.mlflow_registry import ModelRegistry, TrackingSettings
from tasks.storage.store import Store

LAST_SET_TAG = "nightcast.champion"
ALIAS_QUERY = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = 'champion'"
TAG_QUERY = "SELECT value FROM registered_model_tags WHERE name = ? AND key = 'nightcast.champion'"


class AliasState(NamedTuple):
    """The version of the alias champion, and the version that Nightcast itself set last; empty if unset."""

    version: str = ""
    last_set: str = ""


def read_alias(tracking: TrackingSettings, pipeline: str) -> AliasState:
    """Read the alias champion. A SQLite database is read directly, since importing MLflow takes seconds."""
    path = tracking.database
    if path is None:
        return _read_from_server(ModelRegistry(tracking, pipeline), pipeline)
    if not path.exists():
        return AliasState()
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=LOCK_TIMEOUT_S)) as db:
        values = [db.execute(query, (pipeline,)).fetchone() for query in (ALIAS_QUERY, TAG_QUERY)]
    return AliasState(*(str(row[0]) if row and row[0] is not None else "" for row in values))


def _read_from_server(registry: ModelRegistry, pipeline: str) -> AliasState:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

    try:
        model = registry.client.get_registered_model(pipeline)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        return AliasState()
    return AliasState(str(model.aliases.get("champion") or ""), str(model.tags.get(LAST_SET_TAG) or ""))


def moved_version(state: AliasState, pipeline: str, now: datetime, store: Store) -> str:
    """Return the version to which a person has moved the alias champion; empty if nobody has.

    A registry of an earlier release has no tag: there, an alias at a version that has been champion counts as the
    alias of a night that was killed.
    """
    decided = champion_at(pipeline, now, store)
    if not state.version or state.version == (decided.version if decided else ""):
        return ""
    if state.last_set:
        return state.version if state.version != state.last_set else ""
    return "" if state.version in champion_versions(pipeline, now, store) else state.version


def follow_decision(registry: ModelRegistry, version: str, now: datetime, store: Store) -> str:
    """Set the alias champion to the decided version, unless a person has moved it since the decision was read.

    Args:
        registry: The registry of the pipeline.
        version: The version of the decided champion.
        now: The current time.
        store: The store with the decision records, that of `version` included.

    Returns:
        Why the alias does not point to `version`; empty if it does.
    """
    moved = moved_version(_read_from_server(registry, registry.pipeline), registry.pipeline, now, store)
    if moved:
        return f"the alias champion was moved to version {moved} in MLflow during this run; the next night adopts it"
    if not point_alias(registry, version):
        return f"the registry has lost version {version}, whose bundle is still in the store"
    return ""


def point_alias(registry: ModelRegistry, version: str) -> bool:
    """Set the alias champion and the tag that says so. Returns False if the registry has no such version."""
    if not registry.set_alias("champion", version):
        return False
    registry.client.set_registered_model_tag(registry.pipeline, LAST_SET_TAG, version)
    return True


def follow_challenger(registry: ModelRegistry, version: str) -> None:
    """Set the alias challenger to the best challenger of the newest night, or delete it if that night has none."""
    if version:
        registry.set_alias("challenger", version)
    elif registry.get_alias("challenger"):
        registry.client.delete_registered_model_alias(registry.pipeline, "challenger")
