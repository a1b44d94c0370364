"""Local paths of a source: only files and folders are opened, and a listing ends after a number of entries."""

import itertools
import os
from collections.abc import Iterable
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from data_contracts.regular_files import describe_obstacle
from tasks.sources.addresses import CHAIN
from tasks.sources.limits import UnsuitablePath

MAX_LISTED_FILES = 100_000  # files and folders below the path of a source
LOCAL_SCHEMES = ("", "file", "local")


class BoundedFileSystem(LocalFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The local file system, of which one instance lists MAX_LISTED_FILES entries at most, whatever it walks."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.listed = 0

    def ls(self, path: str, detail: bool = False, **kwargs: Any) -> list[Any]:
        """List a folder. Raises UnsuitablePath if that is too much: not an OSError, which a walk passes over."""
        folder = self._strip_protocol(path)
        if os.path.isdir(folder):  # noqa: PTH112 - fsspec's paths are text
            try:
                with os.scandir(folder) as entries:
                    self.listed += sum(1 for _ in itertools.islice(entries, MAX_LISTED_FILES + 1 - self.listed))
            except OSError:
                return []
        if self.listed > MAX_LISTED_FILES:
            reason = f"more than {MAX_LISTED_FILES:,} files and folders lie below its path, {folder} among them"
            raise UnsuitablePath(f"{reason}; name a folder that holds only the table")
        listing: list[Any] = super().ls(path, detail, **kwargs)
        return listing


def check_local_parts(path: str) -> None:
    """Check each local path of an fsspec URL, which may be a chain. Raises UnsuitablePath for a FIFO or a device."""
    for part in CHAIN.split(path):
        scheme, _, rest = part.rpartition("://")
        if scheme in LOCAL_SCHEMES:
            check_local_files([rest])


def check_local_files(paths: Iterable[str]) -> None:
    """Raise UnsuitablePath if a path exists and is neither a file nor a folder."""
    for path in paths:
        if obstacle := describe_obstacle(path):
            raise UnsuitablePath(f"{path} {obstacle}; name a file, or remove it from the folder")


def has_match(pattern: str) -> bool:
    """Return whether a local path or glob matches a file. Raises UnsuitablePath if too many would be listed."""
    return bool(BoundedFileSystem().glob(pattern))
