"""Checks of the files themselves: half-written ones, links out of the store, rights of other users, unknown names."""

from collections.abc import Iterator
from datetime import timedelta

from deployments.maintenance.finding import Damage, Repair
from deployments.maintenance.store_index import StoreIndex
from tasks.storage import files, lease
from tasks.storage.process_identity import has_exited

MIN_AGE = timedelta(days=1)  # a younger half-written file may be one that a run writes now, with or without a lease
MAX_LISTED_FILES = 3


def check_half_written(index: StoreIndex) -> Iterator[Damage]:
    """Report files that a killed process left while it wrote. Those of the last day may belong to a run."""
    oldest = index.now.timestamp() - MIN_AGE.total_seconds()
    for uri in index.of_kind("half-written"):
        modified = index.files[uri].modified
        if modified is None or modified > oldest or not files.exists(index.store.root, uri):
            continue
        step = "--repair deletes it: its content was never part of the store."
        yield Damage(
            uri, "bad", "was left by a process that was killed while it wrote", "", step, Repair("delete", uri)
        )


def check_links(index: StoreIndex) -> Iterator[Damage]:
    """Report symbolic links that leave the store, and pipes: nothing is read or written through them."""
    for uri, file in index.files.items():
        if file.link or file.is_special:
            step = f"Remove the link, or mount {file.link} at its path." if file.link else "Remove it."
            yield Damage(uri, "bad", index.describe_link(uri), "every file below it", step, None)


def check_rights(index: StoreIndex) -> Iterator[Damage]:
    """Report files and folders that other users may write to."""
    for uri, file in index.files.items():
        if file.open_to_others:
            what = "folder" if file.is_folder else "file"
            step = "--repair takes that right away; check who has written to it since."
            yield Damage(uri, "bad", f"is a {what} that other users may write to", "", step, Repair("close", uri))


def check_names(index: StoreIndex) -> Iterator[Damage]:
    """Report in a note the files that Nightcast does not write, and what an earlier repair has moved away."""
    for name, message in (
        ("unknown", "not written by Nightcast"),
        ("lost", "moved away by fsck --repair; gc deletes it when it is old"),
    ):
        uris = [uri for uri in index.of_kind(name) if not index.files[uri].link]
        for uri in uris[:MAX_LISTED_FILES]:
            yield Damage(uri, "note", message)
        if len(uris) > MAX_LISTED_FILES:
            yield Damage(uris[MAX_LISTED_FILES], "note", f"and {len(uris) - MAX_LISTED_FILES:,} files more: {message}")


def is_busy(pipeline: str, index: StoreIndex) -> bool:
    """Whether another run, which may be alive, holds the lease of a pipeline."""
    held = None if index.exclusive else lease.holder(index.store.root, pipeline)
    return held is not None and not has_exited(held.owner)
