"""Repeat a call that fails for a passing reason, such as a dropped connection.

A step as a whole is retried by Prefect, which shows the attempts in its UI and waits long enough for a server to
restart. `retry` does it for a run without Prefect, and for one call inside a step, where it starts within a second.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

R = TypeVar("R")


def is_lost_connection(raised: BaseException) -> bool:
    """Return whether a retry may help: after a broken connection, but not after a refused request or invalid data."""
    error: BaseException | None = raised
    while error is not None:
        if isinstance(error, ConnectionError | TimeoutError) or getattr(error, "connection_invalidated", False):
            return True
        error = error.__cause__
    return False


def retry(call: Callable[[], R], delays_s: Sequence[float], is_transient: Callable[[Exception], bool]) -> R:
    """Call until it succeeds, at most once more than there are delays.

    Args:
        call: What to do; it must be safe to repeat from the start.
        delays_s: Seconds to wait before the second, third, … attempt.
        is_transient: Whether an error may be gone at the next attempt. Any other error is raised at once.

    Returns:
        What the first successful call returns. The error of the last attempt is raised unchanged.
    """
    for delay_s in delays_s:
        try:
            return call()
        except Exception as error:
            if not is_transient(error):
                raise
        time.sleep(delay_s)
    return call()
