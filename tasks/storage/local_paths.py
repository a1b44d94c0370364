"""Paths of a store on local disk: no symbolic link leads out of it, and only its owner may write."""

import contextlib
import os
import stat
from pathlib import Path

OTHERS_WRITE = 0o022
FOLDER_MODE = 0o755


class NotInStore(OSError):
    """A path of the store is not a file of it."""


class LinkOutside(NotInStore):
    """A path of the store leads through a symbolic link to a place outside the store."""


def check_inside(path: Path, root: Path) -> None:
    """Raise LinkOutside if `path`, with all links resolved, is not below `root`, which may be a link itself."""
    real, real_root = os.path.realpath(path), os.path.realpath(root)
    if real != real_root and not real.startswith(f"{real_root.rstrip('/')}/"):
        raise LinkOutside(
            f"{path} is reached through a symbolic link to {real}, outside the store, and such links are not followed: "
            "remove the link, or mount that folder at its path"
        )


def check_regular(path: Path) -> None:
    """Raise NotInStore if `path` is a pipe, a device or a socket: to open it could take for ever."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise NotInStore(f"{path} is a pipe, a device or a socket, and is not opened: remove it")


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, which only their owner may write to, whatever the umask is."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def forbid_others_to_write(descriptor: int) -> None:
    """Take the right to write to an open file from its group and from other users."""
    mode = os.fstat(descriptor).st_mode
    if mode & OTHERS_WRITE:
        os.fchmod(descriptor, mode & 0o7777 & ~OTHERS_WRITE)
