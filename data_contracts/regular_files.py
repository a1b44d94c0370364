"""Paths that may be opened: a read of a FIFO, a socket or a device may wait for ever or never end."""

import os
import stat

SPECIAL_FILES = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def describe_obstacle(path: str | os.PathLike[str], *, allow_devices: bool = False) -> str:
    """Describe why `path` cannot be read as a file or a folder.

    Args:
        path: A local path; links are followed.
        allow_devices: The caller opens it with `open_without_waiting`, and reads a limited number of bytes.

    Returns:
        A sentence part such as 'is a FIFO, not a file'; empty for a file, a folder or a path that does not exist.
    """
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)  # noqa: PTH116 - a path may be bytes of any origin
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:  # links that loop, a folder without permission; a NUL in the path
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"
    if allow_devices and kind in (stat.S_IFCHR, stat.S_IFBLK):
        return ""
    special = SPECIAL_FILES.get(kind)
    return f"is {special}, not a file" if special else ""


def open_without_waiting(path: str, flags: int) -> int:
    """Open a file so that a read of a terminal fails instead of waiting: an `opener` of `open`."""
    return os.open(path, flags | os.O_NONBLOCK)
