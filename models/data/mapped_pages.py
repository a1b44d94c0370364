"""Pages of arrays that lie in files: a pass over a large array gives back what it has read.

array   ████ ████ ░░░░ ░░░░        █ read and released, ░ not read yet: one block at a time takes memory
"""

import mmap

import numpy as np

GATHERED_VALUES = 1_000_000  # at once


def mapping_of(values: np.ndarray) -> mmap.mmap | None:
    """Find the mapping of a file that an array is a part of.

    Args:
        values: An array of any shape.

    Returns:
        The mapping; None for an array in memory.
    """
    owner: object = values
    while isinstance(owner, np.ndarray):
        owner = owner.base
    owner = owner.obj if isinstance(owner, memoryview) else None
    return owner if isinstance(owner, mmap.mmap) else None


def release_pages(values: np.ndarray) -> None:
    """Give back the memory of an array that is mapped from a file, read-only; an array in memory does not change.

    Args:
        values: An array or a part of one. Pages that are used again are read from the file again.
    """
    pages = mapping_of(values)
    if pages is None or not hasattr(pages, "madvise") or not values.nbytes:  # Windows has no madvise
        return
    begin = values.__array_interface__["data"][0] - np.frombuffer(pages, np.uint8).__array_interface__["data"][0]
    first = begin // mmap.PAGESIZE * mmap.PAGESIZE  # pages at the ends, of which other parts have rows, are read again
    pages.madvise(mmap.MADV_DONTNEED, first, begin + values.nbytes - first)


def gather_ranges(values: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Gather ranges of an array, one after the other, and release the pages that were read.

    Args:
        values: Numbers, (R,).
        starts: Index of the first value of each range, (k,), ascending.
        lengths: Number of values of each range, (k,).

    Returns:
        The values, float64; the indices of few ranges at a time take memory.
    """
    ends = np.cumsum(lengths)
    gathered = np.empty(ends[-1] if len(ends) else 0)
    begin = 0
    while begin < len(lengths):
        low = ends[begin] - lengths[begin]
        end = max(begin + 1, int(np.searchsorted(ends, low + GATHERED_VALUES, "right")))
        offsets = np.repeat(starts[begin:end] - (ends[begin:end] - lengths[begin:end]), lengths[begin:end])
        gathered[low : ends[end - 1]] = values[np.arange(low, ends[end - 1]) + offsets]
        release_pages(values[starts[begin] : starts[end - 1] + lengths[end - 1]])
        begin = end
    return gathered
