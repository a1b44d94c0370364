"""Imports without searches for garbage: of the million objects that libraries and tests create, all stay."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def without_garbage_search() -> Iterator[None]:
    """Search for no garbage inside the block, nor later among the objects that exist at its end.

    A search of everything takes a second, and in a forked process it copies what it visits.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
