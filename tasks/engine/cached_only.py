"""Find out whether a whole run is in the cache: run it, and stop before the first step that would have to compute."""

import contextlib
import contextvars
from collections.abc import Iterator

from tasks.engine import run_log

_is_required: contextvars.ContextVar[bool] = contextvars.ContextVar("cached_only", default=False)


class NotCached(BaseException):
    """A step would have to compute. Not an Exception: a run continues without a step that fails, and not after this."""


@contextlib.contextmanager
def cached_steps_only() -> Iterator[None]:
    """Raise NotCached in the first step without a cached result. Lines of steps are logged only if all steps have one.

    Yields:
        Nothing.

    Raises:
        NotCached: A step would have to compute; it has done nothing.
    """
    token = _is_required.set(True)
    try:
        with run_log.held_lines():
            yield
    finally:
        _is_required.reset(token)


def computes_nothing() -> bool:
    """Return whether this run may only use cached results."""
    return _is_required.get()


def require_cached(step: str) -> None:
    """Raise NotCached if this run may only use cached results. `step` is the step that has none."""
    if computes_nothing():
        raise NotCached(step)
