"""Space for the few bytes that `nightcast gc` has to write itself: a full disk must not keep it from deleting.

gc takes leases, and records what it collects before it deletes anything. On a full disk neither can be written, and no
run can start either, because it could not take its lease. So files that no run reads are deleted first.
"""

import contextlib
from collections.abc import Iterator, Sequence

from deployments.maintenance.gc_plan import CollectionPlan, Garbage
from deployments.maintenance.leases import hold_all
from tasks.storage import files
from tasks.storage.failures import StoreFull
from tasks.storage.lease import LeaseSettings
from tasks.storage.store import Store

ROOM_BYTES = 2**20
READ_BY_RUNS = ("snapshots",)  # deleted only under the leases: a record that a night looks for
UNREAD = ("reports", "cache", "dry-runs", "lost+found")  # first: a run reads none of these, or computes it again


@contextlib.contextmanager
def hold_with_room(
    pipelines: Sequence[str], plan: CollectionPlan, store: Store, settings: LeaseSettings
) -> Iterator[tuple[dict[str, Store], tuple[Garbage, ...]]]:
    """Hold the lease of every pipeline; on a full disk, delete a part of the plan before.

    Args:
        pipelines: Names of the pipelines.
        plan: What gc will delete.
        store: The store.
        settings: Length of a lease, and how long to wait for all of them.

    Yields:
        The fenced store of each pipeline, and the files that were deleted to make room.

    Raises:
        LeaseHeld: A run still held one of the leases when the waiting time was over.
        StoreFull: The disk is full, and deleting this part did not make room for the leases.
    """
    deleted: tuple[Garbage, ...] = ()
    with contextlib.ExitStack() as held:
        try:
            stores = held.enter_context(hold_all(pipelines, "gc", store, settings))
        except StoreFull:
            deleted = _make_room(plan, store)
            stores = held.enter_context(hold_all(pipelines, "gc", store, settings))
        yield stores, deleted


def _make_room(plan: CollectionPlan, store: Store) -> tuple[Garbage, ...]:
    """Delete files of the plan until ROOM_BYTES are free, and return them. Raises StoreFull if the plan has none."""
    candidates = sorted((garbage for garbage in plan.files if garbage.kind not in READ_BY_RUNS), key=_rank)
    if not candidates:
        raise StoreFull(
            f"the disk of the store {store.display_root!r} is full, and no file of the store may be deleted: what "
            "nights that are kept need, and files of the last day, stay. Keep fewer nights (nightcast gc --keep 30d "
            "--apply), or free space on that disk in another way."
        )
    deleted = list[Garbage]()
    for garbage in candidates:
        files.remove(store.root, garbage.uri)
        deleted.append(garbage)
        if sum(removed.size for removed in deleted) >= ROOM_BYTES:
            break
    return tuple(deleted)


def _rank(garbage: Garbage) -> tuple[bool, int]:
    return garbage.kind not in UNREAD, -garbage.size
