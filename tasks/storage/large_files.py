"""Files of the store that are read and written on disk, a part at a time, and never held in memory."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from tasks.storage.files import BLOCK_BYTES, check_file, hidden_path, sync_folder, write_timeout
from tasks.storage.local_paths import check_inside, forbid_others_to_write, make_folder
from tasks.storage.object_stores import is_bucket, open_filesystem, opened_store


def digest(path: Path) -> str:
    """Return the SHA-256 of a file on local disk, in hex."""
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            sha256.update(block)
    return sha256.hexdigest()


@contextlib.contextmanager
def local_copy(root: str, uri: str) -> Iterator[Path]:
    """Give a file of the store as a path on local disk: the file itself, or a temporary copy from an object store.

    Args:
        root: Folder or fsspec URL.
        uri: Path below `root`.

    Yields:
        The path, which is valid inside the block.

    Raises:
        FileNotFoundError: The file does not exist.
        NotInStore: A link leads out of a local store, or the file is a pipe or a device.
    """
    with contextlib.ExitStack() as stack:
        with opened_store(root) as (filesystem, base):
            check_file(filesystem, base, uri)
            path = Path(f"{base}/{uri}")
            if not isinstance(filesystem, LocalFileSystem):
                path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / path.name
                filesystem.get_file(f"{base}/{uri}", str(path))
            elif not path.is_file():
                raise FileNotFoundError(str(path))
        yield path


@contextlib.contextmanager
def scratch_file(root: str, folder: str) -> Iterator[Path]:
    """Give a path for a file that is not complete yet, and that `move_into_store` makes a file of the store.

    Args:
        root: Folder or fsspec URL.
        folder: Where the file is to lie below `root`.

    Yields:
        A path on the disk of a local store, otherwise in the folder for temporary files. What lies there at the end of
        the block is deleted.

    Raises:
        LinkOutside: The folder is a link out of a local store.
    """
    filesystem, base = open_filesystem(root)
    if not isinstance(filesystem, LocalFileSystem):
        with tempfile.TemporaryDirectory() as temporary:
            yield hidden_path(Path(temporary))
        return
    parent = Path(f"{base}/{folder}")
    check_inside(parent, Path(base))
    make_folder(parent)
    scratch = hidden_path(parent)
    try:
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)


def copy_into_store(source: Path, root: str, uri: str) -> None:
    """Copy a complete file on local disk to `uri` atomically, as `move_into_store` moves one.

    Args:
        source: The file.
        root: Folder or fsspec URL.
        uri: Path below `root`.
    """
    if not isinstance(open_filesystem(root)[0], LocalFileSystem):
        move_into_store(source, root, uri)  # an upload leaves the file where it is
        return
    with scratch_file(root, uri.rpartition("/")[0]) as scratch:
        shutil.copyfile(source, scratch)
        move_into_store(scratch, root, uri)


def move_into_store(scratch: Path, root: str, uri: str) -> None:
    """Move a complete file to `uri` atomically: a rename on local disk, one upload to an object store.

    Args:
        scratch: The path of `scratch_file`.
        root: Folder or fsspec URL.
        uri: Path below `root`, in the folder that `scratch_file` was given.
    """
    with opened_store(root) as (filesystem, base):
        target = Path(f"{base}/{uri}")
        if isinstance(filesystem, LocalFileSystem):
            with scratch.open("rb+") as file:
                forbid_others_to_write(file.fileno())
                os.fsync(file.fileno())
            scratch.replace(target)
            sync_folder(target.parent)
        elif is_bucket(filesystem):
            filesystem.put_file(str(scratch), f"{base}/{uri}", timeout=write_timeout(scratch.stat().st_size))
        else:
            filesystem.makedirs(f"{base}/{uri}".rsplit("/", 1)[0], exist_ok=True)
            filesystem.put_file(str(scratch), f"{base}/{uri}")
