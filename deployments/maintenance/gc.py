"""`nightcast gc`: free the space of old nights. What a kept night, a decision or a reader refers to stays."""

import re
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from data_contracts.errors import SpecError
from deployments.maintenance.exclusive import hold_all
from deployments.maintenance.gc_plan import MIN_AGE, CollectionPlan, plan_collection
from deployments.maintenance.prefect_database import count_old_runs, delete_old_runs, prunable_database
from deployments.maintenance.store_index import StoreIndex, parse_moment
from flows.settings import Settings
from tasks.registry.retention import delete_runs, shrink_database
from tasks.storage import files
from tasks.storage.inventory import remove_empty_folders
from tasks.storage.layout import retention_uri
from tasks.storage.store import Store

ORDER = ("cache", "snapshots", "reports")  # first: what refers to the tables


def collect_garbage(keep: str, apply: bool) -> tuple[dict[str, Any], str]:
    """Return (facts, the same as text) about what can be deleted; delete it if `apply` is set.

    Args:
        keep: Nights younger than this keep everything, as a pandas duration.
        apply: Delete, while the lease of every pipeline is held.

    Returns:
        Facts for `--json`, and the text.

    Raises:
        SpecError: `keep` is not a duration.
        LeaseHeld: A run is writing; nothing was deleted.
    """
    settings, age = Settings(), _parse_keep(keep)
    store, tracking = settings.opened_store, settings.readable_tracking
    index, database = StoreIndex(store), prunable_database()
    plan, expired = plan_collection(index, age, tracking), max(age, MIN_AGE)
    old_runs = count_old_runs(database, expired) if database else 0
    if apply and database and old_runs:
        delete_old_runs(database, expired)
    if apply and (plan.files or plan.runs):
        with hold_all(index.pipelines, "gc", store, settings.lease_settings) as stores:
            plan = plan_collection(StoreIndex(store, exclusive=True), age, tracking)
            _record(plan, stores)
            _delete(plan, store)
            for pipeline, runs in plan.runs.items():
                delete_runs(tracking, pipeline, runs)  # type: ignore[arg-type]
            if plan.runs and tracking:
                shrink_database(tracking)
    return _report(plan, keep, apply, old_runs)


def _parse_keep(keep: str) -> timedelta:
    try:
        age = pd.Timedelta(re.sub(r"(?<=\d)d\b", "D", keep))  # pandas deprecates the small letter
    except ValueError as error:
        raise SpecError(f"--keep {keep!r} is not a duration. Write one such as 90d or 26w.") from error
    if not age >= pd.Timedelta(0):
        raise SpecError(f"--keep {keep!r} must not be negative. Write a duration such as 90d.")
    return age.to_pytimedelta()


def _record(plan: CollectionPlan, stores: dict[str, Store]) -> None:
    """Record from which night on each pipeline is kept, before anything is deleted: fsck then expects no more."""
    for pipeline, before in plan.before.items():
        store = stores[pipeline]
        earlier = parse_moment((store.read_json(retention_uri(pipeline)) or {}).get("before"))
        newest = max(filter(None, (earlier, before)))
        if newest != earlier:
            store.write_json(retention_uri(pipeline), {"pipeline": pipeline, "before": newest.isoformat()})


def _delete(plan: CollectionPlan, store: Store) -> None:
    ranks = {kind: rank for rank, kind in enumerate(ORDER)}
    for garbage in sorted(plan.files, key=lambda garbage: ranks.get(garbage.kind, len(ranks))):
        files.remove(store.root, garbage.uri)
    remove_empty_folders(store.root, [garbage.uri for garbage in plan.files])


def _report(plan: CollectionPlan, keep: str, applied: bool, prefect_runs: int) -> tuple[dict[str, Any], str]:
    kinds: dict[str, dict[str, int]] = defaultdict(lambda: {"files": 0, "bytes": 0})
    for garbage in plan.files:
        kinds[garbage.kind]["files"] += 1
        kinds[garbage.kind]["bytes"] += garbage.size
    runs = sum(map(len, plan.runs.values()))
    size = sum(garbage.size for garbage in plan.files)
    facts = {
        "applied": applied,
        "keep": keep,
        "kept_from": {pipeline: before.isoformat() for pipeline, before in sorted(plan.before.items())},
        "kinds": dict(sorted(kinds.items())),
        "mlflow_runs": runs,
        "prefect_runs": prefect_runs,
        "files": len(plan.files),
        "bytes": size,
    }
    lines = [
        f"{kind:<12} {counts['files']:>8,} files {_format_size(counts['bytes']):>12}"
        for kind, counts in sorted(kinds.items(), key=lambda item: -item[1]["bytes"])
    ]
    lines += [f"{'mlflow.db':<12} {runs:>8,} runs"] if runs else []
    lines += [f"{'prefect.db':<12} {prefect_runs:>8,} runs"] if prefect_runs else []
    lines += [f"{pipeline}: kept from {_format(before)} on" for pipeline, before in sorted(plan.before.items())]
    total = f"{len(plan.files):,} files, {_format_size(size)}"
    total += f", {runs + prefect_runs:,} runs of databases" if runs + prefect_runs else ""
    if not plan.files and not runs and not prefect_runs:
        lines.append(f"nothing to delete: no night is older than {keep}, or its files are still needed")
    elif applied:
        lines.append(f"deleted: {total}")
    else:
        lines.append(f"would delete: {total}; run nightcast gc --keep {keep} --apply to delete it")
    return facts, "\n".join(lines)


def _format_size(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _format(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
