"""Hold the leases of all pipelines of a store at once, so that no night of any of them runs meanwhile."""

import contextlib
import time
from collections.abc import Iterator, Sequence

from data_contracts.errors import LeaseHeld
from flows.runs.store_lease import writable_lease
from tasks.storage.lease import LeaseSettings, hold_lease
from tasks.storage.process_identity import current_process
from tasks.storage.store import Store

RETRY_DELAY_S = 1.0
MARGIN_S = 5.0  # beyond the length of a lease, after which that of a dead process on another machine is free


@contextlib.contextmanager
def hold_all(pipelines: Sequence[str], run: str, store: Store, settings: LeaseSettings) -> Iterator[dict[str, Store]]:
    """Hold the lease of every pipeline. While one of them is busy, the others are released again.

    Args:
        pipelines: Names of the pipelines.
        run: What the caller does, as other runs report it.
        store: The store.
        settings: Length of a lease, and how long to wait for all of them.

    Yields:
        The fenced store of each pipeline.

    Raises:
        LeaseHeld: A run still held one of the leases when the waiting time was over.
        StoreFull: The disk has no space left for a lease.
    """
    started = time.monotonic()
    deadline = started + settings.wait
    while True:
        try:
            with contextlib.ExitStack() as leases:
                stores = {}
                for pipeline in sorted(pipelines):
                    remaining = max(0.0, min(settings.seconds + MARGIN_S, deadline - time.monotonic()))
                    terms = settings.model_copy(update={"wait": remaining})
                    owner = current_process(f"{run} {pipeline}")
                    with writable_lease(pipeline, store):
                        lease = leases.enter_context(hold_lease(store.root, pipeline, owner, terms))
                    stores[pipeline] = store.with_lease(lease)
                kept = leases.pop_all()
            break
        except LeaseHeld as held:
            if time.monotonic() >= deadline:
                raise LeaseHeld(held.pipeline, held.holder, time.monotonic() - started) from held
            time.sleep(RETRY_DELAY_S)
    with kept:
        yield stores
