"""`nightcast gc`: free the space of old nights. What a kept night, a decision or a reader refers to stays."""

import contextlib
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from data_contracts.errors import NightcastError, SpecError
from deployments.maintenance.full_disk import hold_with_room
from deployments.maintenance.gc_plan import MIN_AGE, CollectionPlan, plan_collection
from deployments.maintenance.prefect_database import count_old_runs, delete_old_runs, prunable_database
from deployments.maintenance.store_index import StoreIndex, parse_moment
from flows.settings import Settings
from models.data.windows import parse_duration
from tasks.engine.machine_memory import format_bytes
from tasks.registry.retention import delete_runs, shrink_database
from tasks.storage import files
from tasks.storage.inventory import remove_empty_folders
from tasks.storage.layout import retention_uri
from tasks.storage.store import Store

FILES_PER_FENCE = 100
ORDER = ("cache", "snapshots", "reports")  # first: what refers to the tables


class RecordsUnreadable(NightcastError):
    """A record cannot be read, so what it needs is not known."""

    def __init__(self, uris: list[str]) -> None:
        more = f" and {len(uris) - 1} more records" if len(uris) > 1 else ""
        super().__init__(
            f"{uris[0]}{more} cannot be read, so it is not known which files are still needed; nothing was deleted. "
            "Run nightcast fsck --repair, then nightcast gc again."
        )


def collect_garbage(keep: str, apply: bool) -> tuple[dict[str, Any], str]:
    """Return (facts, the same as text) about what can be deleted; delete it if `apply` is set.

    Args:
        keep: Nights younger than this keep everything, as a pandas duration.
        apply: Delete, while the lease of every pipeline is held.

    Returns:
        Facts for `--json`, and the text.

    Raises:
        SpecError: `keep` is not a duration.
        RecordsUnreadable: It is not known what a record refers to; nothing was deleted.
        LeaseHeld: A run is writing; nothing was deleted.
        StoreFull: The disk is full, and there is nothing to delete.
    """
    settings, age = Settings(), _parse_keep(keep)
    store, tracking = settings.opened_store, settings.readable_tracking
    index, database = StoreIndex(store), prunable_database()
    _require_readable(index)
    plan, expired = plan_collection(index, age, tracking), max(age, MIN_AGE)
    old_runs = count_old_runs(database, expired) if database else 0
    if apply and index.files:
        with hold_with_room(index.pipelines, plan, store, settings.lease_settings) as (stores, deleted):
            index = StoreIndex(store, exclusive=True)
            _require_readable(index)
            plan = plan_collection(index, age, tracking)
            _record(plan, stores)
            _delete(plan, stores, store)
            for pipeline, runs in plan.runs.items():
                delete_runs(tracking, pipeline, runs)  # type: ignore[arg-type]
            if plan.runs and tracking:
                shrink_database(tracking)
            plan = plan._replace(files=(*deleted, *plan.files))
    if apply and database and old_runs:
        delete_old_runs(database, expired)
    return _report(plan, keep, apply, old_runs)


def _parse_keep(keep: str) -> timedelta:
    try:
        age = parse_duration(keep).to_pytimedelta()
    except ValueError as error:
        raise SpecError(f"--keep {keep!r} is not a duration. Write one such as 90d or 36h.") from error
    if not age >= timedelta(0):
        raise SpecError(f"--keep {keep!r} must not be negative. Write a duration such as 90d.")
    return age


def _record(plan: CollectionPlan, stores: dict[str, Store]) -> None:
    """Record from which night on each pipeline is kept, before anything is deleted: fsck then expects no more."""
    for pipeline, before in plan.before.items():
        store = stores[pipeline]
        earlier = parse_moment((store.read_json(retention_uri(pipeline)) or {}).get("before"))
        newest = max(filter(None, (earlier, before)))
        if newest != earlier:
            store.write_json(retention_uri(pipeline), {"pipeline": pipeline, "before": newest.isoformat()})


def _require_readable(index: StoreIndex) -> None:
    if index.unreadable:
        raise RecordsUnreadable(sorted(index.unreadable))


def _delete(plan: CollectionPlan, stores: dict[str, Store], store: Store) -> None:
    """Delete the files, a few at a time while all leases are proved: a gc that was suspended must not go on."""
    ranks = {kind: rank for rank, kind in enumerate(ORDER)}
    ordered = sorted(plan.files, key=lambda garbage: ranks.get(garbage.kind, len(ranks)))
    for start in range(0, len(ordered), FILES_PER_FENCE):
        with contextlib.ExitStack() as fences:
            for fenced in stores.values():
                fences.enter_context(fenced.fenced_write())
            for garbage in ordered[start : start + FILES_PER_FENCE]:
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
        f"{kind:<12} {counts['files']:>8,} files {format_bytes(counts['bytes']):>12}"
        for kind, counts in sorted(kinds.items(), key=lambda item: -item[1]["bytes"])
    ]
    lines += [f"{'mlflow.db':<12} {runs:>8,} runs"] if runs else []
    lines += [f"{'prefect.db':<12} {prefect_runs:>8,} runs"] if prefect_runs else []
    lines += [f"{pipeline}: kept from {_format(before)} on" for pipeline, before in sorted(plan.before.items())]
    total = f"{len(plan.files):,} files, {format_bytes(size)}"
    total += f", {runs + prefect_runs:,} runs of databases" if runs + prefect_runs else ""
    if not plan.files and not runs and not prefect_runs:
        lines.append(f"nothing to delete: files of the last day, and what nights of the last {keep} need, are kept")
    elif applied:
        lines.append(f"deleted: {total}")
    else:
        lines.append(f"would delete: {total}; run nightcast gc --keep {keep} --apply to delete it")
    return facts, "\n".join(lines)


def _format(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
