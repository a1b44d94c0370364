"""Every file of a store with its facts: hidden ones, half-written ones and links included."""

import contextlib
import os
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from fsspec.implementations.local import LocalFileSystem

from tasks.storage.local_paths import OTHERS_WRITE
from tasks.storage.object_stores import open_filesystem

SHARED_DEPTH = 2  # of folders that several processes write to, such as cache/train
TIME_KEYS = ("LastModified", "last_modified", "updated", "mtime", "created")  # of the file systems of fsspec


class StoredFile(NamedTuple):
    """One entry of a store. A folder is listed only if it is a link, or if other users may write to it.

    `modified` is a Unix timestamp, None if the store does not say. `link` is the real path that a symbolic link out of
    the store leads to, else empty. `open_to_others` is whether other users may write to it, `is_special` whether it is
    a pipe, a device or a socket, which must not be opened.
    """

    uri: str
    size: int
    modified: float | None
    link: str = ""
    open_to_others: bool = False
    is_folder: bool = False
    is_special: bool = False


def list_stored(root: str) -> list[StoredFile]:
    """List all files of a store by path; symbolic links are listed, and not followed."""
    filesystem, base = open_filesystem(root)
    if isinstance(filesystem, LocalFileSystem):
        return sorted(_walk(Path(base)))
    filesystem.invalidate_cache()
    files = filesystem.find(base, detail=True).items()
    return sorted(StoredFile(str(path)[len(base) :].lstrip("/"), _size(facts), _time(facts)) for path, facts in files)


def forbid_others(root: str, uri: str) -> None:
    """Take the right to write to a file or folder from its group and from other users; local stores only."""
    path = Path(open_filesystem(root)[1]) / uri
    path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~OTHERS_WRITE)


def _walk(base: Path) -> Iterator[StoredFile]:
    real_base = os.path.realpath(base)
    for folder, folders, names in os.walk(base):
        for name in [*folders, *names]:
            path = Path(folder, name)
            try:
                facts = path.lstat()
            except FileNotFoundError:  # a running night has removed it
                continue
            is_link, is_folder = stat.S_ISLNK(facts.st_mode), stat.S_ISDIR(facts.st_mode)
            is_open = not is_link and bool(facts.st_mode & OTHERS_WRITE)
            real = os.path.realpath(path) if is_link else ""
            link = real if real and not real.startswith(f"{real_base}{os.sep}") else ""
            if is_folder and not is_open:
                continue
            if is_link and not link and path.is_dir():  # another name of a folder of the store
                continue
            uri = path.relative_to(base).as_posix()
            is_special = not (is_link or is_folder or stat.S_ISREG(facts.st_mode))
            size = 0 if is_folder else facts.st_size
            yield StoredFile(uri, size, facts.st_mtime, link, is_open, is_folder, is_special)


def _size(facts: dict[str, Any]) -> int:
    return int(facts.get("size") or 0)


def _time(facts: dict[str, Any]) -> float | None:
    values = (facts.get(key) for key in TIME_KEYS)
    for value in values:
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
    return None


def remove_empty_folders(root: str, uris: list[str]) -> None:
    """Remove the folders that the removal of these files has left empty; local stores only.

    Folders at the top of the store and those of artifacts and cached results stay: a search may be writing to them.
    """
    filesystem, base = open_filesystem(root)
    if not isinstance(filesystem, LocalFileSystem):
        return
    parents = {parent for uri in uris for parent in Path(uri).parents}
    deep = (folder for folder in parents if len(folder.parts) > SHARED_DEPTH)
    for folder in sorted(deep, key=lambda folder: len(folder.parts), reverse=True):
        with contextlib.suppress(OSError):
            (Path(base) / folder).rmdir()
