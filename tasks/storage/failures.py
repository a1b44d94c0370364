"""Errors of a store that cannot be read or written, as sentences that say what to do."""

import contextlib
import errno
from collections.abc import Iterator

from data_contracts.errors import NightcastError, StoreDamaged, redact
from tasks.storage.local_paths import NotInStore

FULL = (errno.ENOSPC, errno.EDQUOT)  # errors of a disk or a quota
SYSTEM_ERRORS = (OSError, ValueError, ImportError)  # the last two: fsspec does not know the URL


class StoreUnusable(NightcastError):
    """The store cannot be read or written at all."""

    headline = "The store cannot be used: nothing new was published."


class StoreFull(StoreUnusable):
    """The disk of the store has no space left, or its quota is used up."""

    headline = "The store is full: nothing new was published."


class TemporaryFolderFull(NightcastError):
    """The folder for temporary files has no space left."""

    headline = "The folder for temporary files is full: nothing new was published."


@contextlib.contextmanager
def translate_temporary_errors(folder: str, size: int) -> Iterator[None]:
    """Translate the error of a temporary file for which the disk has no space.

    Args:
        folder: The folder of the file.
        size: The bytes that all temporary files need, at most.

    Yields:
        None.

    Raises:
        TemporaryFolderFull: The disk has no space left.
        OSError: Any other error of the disk.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise TemporaryFolderFull(
            f"the rows of a table that is not sorted by series are sorted in {folder}, whose disk is full; they need "
            f"up to {size:,} bytes. Free space there, set TMPDIR to a folder on a larger disk, or sort the source by "
            "series."
        ) from error


@contextlib.contextmanager
def translate_write_errors(root: str, uri: str, size: int | None = None) -> Iterator[None]:
    """Translate the errors of a write.

    Args:
        root: The store.
        uri: The file that is written.
        size: Its bytes, if they are known.

    Yields:
        None.

    Raises:
        StoreFull: The disk has no space left.
        StoreUnusable: The store cannot be written.
    """
    try:
        yield
    except SYSTEM_ERRORS as error:
        bytes_written = "" if size is None else f" ({size:,} bytes)"
        failed = f"cannot write {uri}{bytes_written} to the store {redact(root)!r}: {redact(str(error))}."
        if getattr(error, "errno", None) in FULL:
            raise StoreFull(
                f"{failed} Free space on that disk (nightcast gc lists what old nights can give back), or set "
                "NIGHTCAST_STORE to another location, then run the same command again."
            ) from error
        raise StoreUnusable(f"{failed} Check its permissions, or set NIGHTCAST_STORE to another location.") from error


@contextlib.contextmanager
def translate_read_errors(root: str, uri: str) -> Iterator[None]:
    """Translate the errors of a read.

    Args:
        root: The store.
        uri: The file that is read.

    Yields:
        None.

    Raises:
        StoreDamaged: The file is missing or not a file of the store.
        StoreUnusable: The store cannot be read.
    """
    try:
        yield
    except FileNotFoundError as missing:
        raise StoreDamaged(uri, "is missing") from missing
    except NotInStore as link:
        raise StoreDamaged(uri, f"is not a file of the store: {link}") from link
    except SYSTEM_ERRORS as error:
        raise StoreUnusable(
            f"cannot read {uri} from the store {redact(root)!r}: {redact(str(error))}. Check permissions, or set "
            "NIGHTCAST_STORE to another location."
        ) from error
