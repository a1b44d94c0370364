"""Large arrays in temporary files instead of memory: a step pays for the pages that it reads, not for the whole array.

array in memory ── move_to_file ──> the same numbers, mapped from an unnamed file ── release_all_pages ──> no memory
"""

import logging
import mmap
import tempfile
import weakref
from typing import IO

import numpy as np

log = logging.getLogger("nightcast")

WRITTEN_NUMBERS = 8192  # at once: Linux maps up to 2 MB with one number, if so much was written at once

_mapped = weakref.WeakSet[mmap.mmap]()


def move_to_file(values: np.ndarray) -> np.ndarray:
    """Copy an array to a temporary file and map it, read-only.

    The file lies in the folder for temporary files (`TMPDIR`), has no name, and ends with the array or the process. The
    system reads its pages when they are used, and takes them back when memory is short.

    Args:
        values: Numbers of any shape, in the order of C.

    Returns:
        The same numbers; `values` itself, read-only, if the file cannot be written, for example on a full disk.
    """
    if not values.nbytes:
        return values
    try:
        with tempfile.TemporaryFile() as file:
            write_numbers(values, file)
            return map_numbers(file, values.dtype).reshape(values.shape)
    except OSError as error:
        log_no_file(values.nbytes, error)
        values.flags.writeable = False
        return values


def write_numbers(values: np.ndarray, file: IO[bytes]) -> None:
    """Append the numbers of an array to a file. Raises OSError, for example on a full disk.

    Args:
        values: Numbers of any shape; they are written in the order of C.
        file: Where they are written, at its position.
    """
    numbers = np.ascontiguousarray(values).reshape(-1)
    for begin in range(0, len(numbers), WRITTEN_NUMBERS):
        file.write(numbers[begin : begin + WRITTEN_NUMBERS].data)
    file.flush()


def map_numbers(file: IO[bytes], dtype: np.dtype) -> np.ndarray:
    """Map the numbers of a file that `write_numbers` has written.

    Args:
        file: The file, with a number at least. It may be closed afterwards.
        dtype: The type of the numbers.

    Returns:
        The numbers, (n,), read-only.
    """
    pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    _mapped.add(pages)
    return np.frombuffer(pages, dtype=dtype)


def log_no_file(count: int, error: OSError) -> None:
    """Log that an array of `count` bytes stays in memory."""
    log.debug("an array of %d bytes stays in memory: no temporary file takes it (%s)", count, error)


def release_all_pages() -> None:
    """Give back the memory of all mapped arrays; a page that is used again is read from its file."""
    for pages in list(_mapped):
        if hasattr(pages, "madvise"):  # Windows has none
            pages.madvise(mmap.MADV_DONTNEED)
