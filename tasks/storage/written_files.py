"""Store a file that its owner writes to disk, so that its bytes are never held in memory."""

from collections.abc import Callable
from pathlib import Path

from data_contracts.artifact import Artifact
from tasks.storage import large_files
from tasks.storage.failures import translate_write_errors
from tasks.storage.layout import artifacts_dir
from tasks.storage.store import Store


def put_written(write: Callable[[Path], None], kind: str, suffix: str, store: Store) -> Artifact:
    """Store a file other than a table under the digest of its content, as `Store.put_bytes` does.

    Args:
        write: Writes the complete file at a path; an OSError means that it could not.
        kind: The kind of artifact, such as states.
        suffix: Of the file's name, without the dot.
        store: The store that takes the file.

    Returns:
        The reference to the stored file.

    Raises:
        StoreFull: The disk has no space left.
        StoreUnusable: The store cannot be written.
    """
    folder = artifacts_dir(kind)
    with translate_write_errors(store.root, folder), large_files.scratch_file(store.root, folder) as scratch:
        scratch.touch()
        mode = scratch.stat().st_mode  # that of other files of the store: a library may allow its owner alone
        write(scratch)
        scratch.chmod(mode)
        digest = large_files.digest(scratch)
        uri = f"{folder}/{digest}.{suffix}"
        artifact = Artifact(contract=f"{kind}@1.0.0", uri=uri, digest=digest, rows=0)
        if not store.contains(artifact):
            large_files.move_into_store(scratch, store.root, uri)
    store.mark_used(artifact)
    return artifact
