"""One run of a pipeline writes at a time: it waits for others, reads the source, and then takes the lease.

wait for earlier runs ──> read the source, which may hang ──> take the lease ──> every other step, fenced ──> release
"""

import contextlib
import logging
from collections.abc import Iterator

from flows.runs.run_order import mark_crashed, wait_for_earlier_runs
from flows.runs.store_lease import writable_lease
from tasks.storage.lease import SYSTEM_TIME, LeaseSettings, free_moments, hold_lease
from tasks.storage.process_identity import ProcessIdentity
from tasks.storage.store import Store

log = logging.getLogger("nightcast")


def wait_for_others(pipeline: str, owner: ProcessIdentity, settings: LeaseSettings, store: Store) -> None:
    """Wait for earlier runs, and until no run holds the lease. Raises LeaseHeld after `settings.wait` seconds."""
    wait_for_earlier_runs(owner, settings.wait)
    next(free_moments(store.root, pipeline, settings, SYSTEM_TIME))


@contextlib.contextmanager
def leased(pipeline: str, owner: ProcessIdentity, settings: LeaseSettings, store: Store) -> Iterator[tuple[Store, int]]:
    """Hold the lease of a pipeline.

    Args:
        pipeline: Name of the pipeline.
        owner: This process.
        settings: Length of the lease, and how long to wait for another run.
        store: The store with the lease.

    Yields:
        The store whose writes the lease fences, and the number of the lease.
    """
    with contextlib.ExitStack() as held:
        with writable_lease(pipeline, store):
            lease = held.enter_context(hold_lease(store.root, pipeline, owner, settings))
        if lease.before:
            previous = lease.before.owner
            log.warning("lease taken over from %s, which is gone", previous.description)
            reason = f"its process {previous.pid} on {previous.host} is gone; {owner.run} took over"
            mark_crashed(previous.flow_run, reason)
        yield store.with_lease(lease), lease.held.token
