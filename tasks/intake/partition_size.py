"""How many rows of a table are held at once while it is read and checked: results do not depend on it."""

import contextlib
import contextvars
from collections.abc import Iterator

from tasks.engine.machine_memory import memory_limit

BYTES_PER_ROW = 512  # that the checks of a row need at most, while its part is held
MAX_PARTITION_ROWS = 2_000_000

_chosen: contextvars.ContextVar[int | None] = contextvars.ContextVar("partition_rows", default=None)


@contextlib.contextmanager
def partitions_of(rows: int | None) -> Iterator[None]:
    """Hold at most this many rows at once, inside the block.

    Args:
        rows: Rows of a part; a series with more of them is a part of its own. None: as this machine allows.

    Yields:
        Nothing.
    """
    token = _chosen.set(rows)
    try:
        yield
    finally:
        _chosen.reset(token)


def partition_rows() -> int:
    """Return how many rows of a table are held at once: fewer on a machine with less than 1 GiB of memory."""
    return _chosen.get() or min(MAX_PARTITION_ROWS, memory_limit() // BYTES_PER_ROW)
