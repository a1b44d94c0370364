"""Runs and versions of the registry that nothing refers to any more, and their deletion."""

import contextlib
import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from tasks.registry.database import RegistryBusy, database_fault, open_database
from tasks.registry.inspection import read_registry
from tasks.registry.mlflow_registry import ModelRegistry, TrackingSettings


class ExpiredRun(NamedTuple):
    """One MLflow run of an old night, and the version that was registered from it; empty if none was."""

    run: str
    version: str


def expired_runs(
    tracking: TrackingSettings, pipeline: str, before: datetime, kept: Collection[str]
) -> tuple[ExpiredRun, ...]:
    """List the runs of a pipeline that are old, and whose model no record needs.

    Args:
        tracking: Where MLflow is. Only runs of a registry inside the store expire.
        pipeline: Name of the pipeline.
        before: Younger runs are kept.
        kept: Digests of the bundles that records refer to.

    Returns:
        The runs that Nightcast made. A version that has an alias, whatever its name, is kept with its run.
    """
    if not tracking.in_store or not _is_usable(tracking):
        return ()
    state, registry = read_registry(tracking, pipeline), ModelRegistry(tracking, pipeline)
    aliased = set(state.aliases.values())
    versions = {known.run: known for known in state.versions.values()}
    expired = []
    for run, started in registry.list_runs():
        known = versions.get(run)
        is_needed = known is not None and (known.version in aliased or known.digest in kept)
        if started < before.timestamp() and not is_needed:
            expired.append(ExpiredRun(run, known.version if known else ""))
    return tuple(expired)


def delete_runs(tracking: TrackingSettings, pipeline: str, runs: Sequence[ExpiredRun]) -> None:
    """Delete runs with their versions, metrics and parameters. The files of the runs are the caller's to delete."""
    registry = ModelRegistry(tracking, pipeline)
    for expired in runs:
        if expired.version:
            registry.client.delete_model_version(pipeline, expired.version)
        registry.delete_run(expired.run)


def shrink_database(tracking: TrackingSettings) -> None:
    """Give the space of deleted runs back to the disk, unless another process uses the database."""
    if tracking.database and _is_usable(tracking):
        with contextlib.suppress(sqlite3.OperationalError), open_database(tracking.database, "rw") as db:
            db.execute("VACUUM")


def _is_usable(tracking: TrackingSettings) -> bool:
    try:
        return not database_fault(tracking.database)
    except RegistryBusy:
        return False
