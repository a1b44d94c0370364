"""Take the lease of a pipeline, and name the store if it cannot be written. Imports no Prefect, for short commands."""

import contextlib
from collections.abc import Iterator

from tasks.storage.failures import FULL, StoreFull, StoreUnusable
from tasks.storage.lease import LeaseSettings, hold_lease
from tasks.storage.process_identity import current_process
from tasks.storage.store import Store


@contextlib.contextmanager
def writable_lease(pipeline: str, store: Store) -> Iterator[None]:
    """Name the store if the lease of a pipeline cannot be written.

    Args:
        pipeline: Name of the pipeline.
        store: The store of the lease.

    Yields:
        None, while the lease is taken.

    Raises:
        StoreFull: The disk of the store has no space left for the lease.
        StoreUnusable: The lease cannot be written for another reason.
    """
    try:
        yield
    except OSError as error:
        failed = f"cannot write the lease of pipeline {pipeline!r} to the store {store.display_root!r}: {error}."
        if error.errno in FULL:
            raise StoreFull(
                f"{failed} Free space on that disk (nightcast gc lists what old nights can give back), then run the "
                "same command again."
            ) from error
        raise StoreUnusable(f"{failed} Check the permissions of its folder leases/.") from error


@contextlib.contextmanager
def hold_store(run: str, pipeline: str, settings: LeaseSettings, store: Store) -> Iterator[Store]:
    """Hold the lease of a pipeline for a command.

    Args:
        run: What the command does, as other runs report it.
        pipeline: Name of the pipeline.
        settings: Length of the lease, and how long to wait for another run.
        store: The store with the lease.

    Yields:
        The store whose writes the lease fences.

    Raises:
        LeaseHeld: Another run holds the lease.
        StoreUnusable: The lease cannot be written.
    """
    with contextlib.ExitStack() as held:
        with writable_lease(pipeline, store):
            owner = current_process(f"{run} {pipeline}")
            lease = held.enter_context(hold_lease(store.root, pipeline, owner, settings))
        yield store.with_lease(lease)
