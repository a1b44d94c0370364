"""Bytes at a path below one root, on local disk or any fsspec URL; a file is there whole or not at all."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
from filelock import FileLock, Timeout
from fsspec.implementations.local import LocalFileSystem


class FileLocked(OSError):
    """Somebody else has the lock."""


def read(root: str, uri: str) -> bytes:
    """The bytes at `uri`; FileNotFoundError where nothing lies there."""
    filesystem, base = fsspec.core.url_to_fs(root)
    found: bytes = filesystem.cat_file(f"{base}/{uri}")
    return found


def exists(root: str, uri: str) -> bool:
    filesystem, base = fsspec.core.url_to_fs(root)
    return bool(filesystem.isfile(f"{base}/{uri}"))


def list_files(root: str, folder: str) -> list[str]:
    """Every file below `folder`, as sorted uris; empty where there is no such folder."""
    filesystem, base = fsspec.core.url_to_fs(root)
    filesystem.invalidate_cache()  # another process may have written since
    found = filesystem.find(f"{base}/{folder}")
    names = (str(path)[len(base) :].lstrip("/") for path in found)
    return sorted(name for name in names if not name.rsplit("/", 1)[-1].startswith("."))


def remove(root: str, uri: str) -> None:
    """Delete the file at `uri`, if it is there."""
    filesystem, base = fsspec.core.url_to_fs(root)
    with contextlib.suppress(FileNotFoundError):
        filesystem.rm_file(f"{base}/{uri}")


@contextlib.contextmanager
def locked(root: str, uri: str, timeout: float) -> Iterator[None]:
    """Be alone with the processes that lock the same `uri`; the kernel lets go when a process ends, however it ends.

    Raises FileLocked after `timeout` seconds. Object stores have no locks: there nothing is locked.
    """
    filesystem, base = fsspec.core.url_to_fs(root)
    if not isinstance(filesystem, LocalFileSystem):
        yield
        return
    path = Path(f"{base}/{uri}")
    path.parent.mkdir(parents=True, exist_ok=True)
    # A lock file that merely exists would outlive a killed process, so file systems without flock are refused.
    lock = FileLock(path, timeout=timeout, poll_interval=0.01, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as busy:
        raise FileLocked(f"{path} is locked by another process") from busy
    try:
        yield
    finally:
        lock.release()


def write(root: str, uri: str, data: bytes, *, only_if_absent: bool = False) -> bool:
    """Put `data` at `uri` in one step that readers can't see half done; False if it had to be absent and was not.

    Local disk: a temporary file in the same folder, fsync, link or rename, fsync of the folder.
    Object stores: one PUT, which is atomic there.
    """
    filesystem, base = fsspec.core.url_to_fs(root)
    target = f"{base}/{uri}"
    if isinstance(filesystem, LocalFileSystem):
        return _write_local(Path(target), data, only_if_absent)
    filesystem.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
    try:
        filesystem.pipe_file(target, data, mode="create" if only_if_absent else "overwrite")
    except FileExistsError:
        return False
    return True


def _write_local(target: Path, data: bytes, only_if_absent: bool) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.parent / f".{uuid.uuid4().hex}.part"  # readers and listings skip dotted names
    try:
        with scratch.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if only_if_absent:
            try:
                os.link(scratch, target)
            except FileExistsError:
                return False
        else:
            scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True
