"""Read, write, list and lock files below one root, on local disk or any fsspec URL. Writes are atomic."""

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from fsspec.implementations.local import LocalFileSystem

from tasks.storage.local_paths import check_inside, check_regular, forbid_others_to_write, make_folder
from tasks.storage.object_stores import is_bucket, open_filesystem, opened_store

BLOCK_BYTES = 2**22
MAX_UNMARKED_AGE_S = 3600.0
WRITE_TIMEOUT_S, MIN_BYTES_PER_S = 45.0, 1_000_000.0  # of one PUT


class FileLocked(OSError):
    """Another process holds the lock of a file."""


def read(root: str, uri: str) -> bytes:
    """Return the bytes at `uri`. Raises FileNotFoundError if it does not exist, NotInStore for a link out or a pipe."""
    with opened_store(root) as (filesystem, base):
        check_file(filesystem, base, uri)
        data: bytes = filesystem.cat_file(f"{base}/{uri}")
        return data


def digest(root: str, uri: str) -> str:
    """Return the SHA-256 of the file at `uri`, in hex, whatever its size. Raises as `read` does."""
    sha256 = hashlib.sha256()
    with opened_store(root) as (filesystem, base):
        check_file(filesystem, base, uri)
        with filesystem.open(f"{base}/{uri}", "rb") as file:
            while block := file.read(BLOCK_BYTES):
                sha256.update(block)
    return sha256.hexdigest()


def exists(root: str, uri: str) -> bool:
    """Return whether there is a file at `uri`. Raises LinkOutside if a link leads out of `root`."""
    with opened_store(root) as (filesystem, base):
        _check_links(filesystem, base, uri)
        try:
            return bool(filesystem.info(f"{base}/{uri}")["type"] == "file")  # isfile of s3fs hides a dead server
        except (FileNotFoundError, NotADirectoryError):
            return False


def mark_used(root: str, uri: str) -> None:
    """Set the time of an old file to now, on local disk: `gc` deletes no young file, and a run relies on this one."""
    filesystem, base = open_filesystem(root)
    if isinstance(filesystem, LocalFileSystem):
        with contextlib.suppress(OSError):  # a store that is only read
            path = Path(f"{base}/{uri}")
            if time.time() - path.stat().st_mtime > MAX_UNMARKED_AGE_S:
                os.utime(path)


def list_files(root: str, folder: str) -> list[str]:
    """Return the sorted paths of all files below `folder`, without hidden ones; empty if the folder does not exist."""
    with opened_store(root) as (filesystem, base):
        filesystem.invalidate_cache()  # another process may have written since the last listing
        paths = filesystem.find(f"{base}/{folder}")
    names = (str(path)[len(base) :].lstrip("/") for path in paths)
    return sorted(name for name in names if not name.rsplit("/", 1)[-1].startswith("."))


def remove(root: str, uri: str) -> None:
    """Delete the file or link at `uri`, if it exists."""
    with contextlib.suppress(FileNotFoundError), opened_store(root) as (filesystem, base):
        _check_links(filesystem, base, _folder_of(uri))
        filesystem.rm_file(f"{base}/{uri}")


@contextlib.contextmanager
def locked(root: str, uri: str, timeout: float) -> Iterator[None]:
    """Hold an exclusive lock of the file at `uri`. The kernel releases it if the process dies.

    Object stores have no locks, so nothing is locked there.

    Args:
        root: Folder or fsspec URL.
        uri: Path of the lock file below `root`; it is created, and left in place.
        timeout: How long to wait for another process, in seconds.

    Yields:
        None, while the lock is held.

    Raises:
        FileLocked: Another process still held the lock after `timeout` seconds.
    """
    filesystem, base = open_filesystem(root)
    if not isinstance(filesystem, LocalFileSystem):
        yield
        return
    path = Path(f"{base}/{uri}")
    check_inside(path, Path(base))
    make_folder(path.parent)
    # A lock file that merely exists would outlive a killed process, so file systems without flock are refused.
    lock = FileLock(path, timeout=timeout, mode=0o644, poll_interval=0.01, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as busy:
        raise FileLocked(f"{path} is locked by another process") from busy
    try:
        yield
    finally:
        lock.release()


def write(root: str, uri: str, data: bytes, *, only_if_absent: bool = False) -> bool:
    """Write `data` to `uri` atomically.

    On local disk: a temporary file in the same folder, fsync, link or rename, fsync of the folder. On object stores:
    one PUT, which is atomic there.

    Args:
        root: Folder or fsspec URL.
        uri: Path below `root`.
        data: The whole content.
        only_if_absent: Leave an existing file as it is.

    Returns:
        False if the file existed and `only_if_absent` was set, otherwise True.

    Raises:
        LinkOutside: The folder of `uri` is a link out of `root`, on local disk.
    """
    with opened_store(root) as (filesystem, base):
        target = f"{base}/{uri}"
        if isinstance(filesystem, LocalFileSystem):
            check_inside(Path(target).parent, Path(base))  # a link at `uri` itself is replaced, not followed
            return _write_local(Path(target), data, only_if_absent)
        mode = "create" if only_if_absent else "overwrite"
        try:
            if is_bucket(filesystem):  # it has no folders, and asking for them costs requests
                with contextlib.suppress(FileNotFoundError):
                    filesystem.pipe_file(target, data, mode=mode, timeout=write_timeout(len(data)))
                    return True
            filesystem.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
            filesystem.pipe_file(target, data, mode=mode)
        except FileExistsError:
            return False
        return True


def write_timeout(size: int) -> float:
    """Return the seconds that one PUT of `size` bytes may take; it has no timeout of its own."""
    return WRITE_TIMEOUT_S + size / MIN_BYTES_PER_S


def hidden_path(folder: Path) -> Path:
    """Return a new path for a file that is not complete yet."""
    return folder / f".{uuid.uuid4().hex}.part"  # list_files skips hidden files


def _check_links(filesystem: Any, base: str, uri: str) -> None:
    if isinstance(filesystem, LocalFileSystem):
        check_inside(Path(f"{base}/{uri}"), Path(base))


def check_file(filesystem: Any, base: str, uri: str) -> None:
    """Raise NotInStore on local disk for a link that leads out of the store, a pipe or a device."""
    _check_links(filesystem, base, uri)
    if isinstance(filesystem, LocalFileSystem):
        check_regular(Path(f"{base}/{uri}"))


def _folder_of(uri: str) -> str:
    return uri.rpartition("/")[0]


def _write_local(target: Path, data: bytes, only_if_absent: bool) -> bool:
    make_folder(target.parent)
    scratch = hidden_path(target.parent)
    try:
        with scratch.open("xb") as file:
            file.write(data)
            file.flush()
            forbid_others_to_write(file.fileno())
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
    sync_folder(target.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Make the names of a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
