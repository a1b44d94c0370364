"""Run a call that may block for ever, such as a read of a network folder, in a thread that its caller can abandon.

caller ──copy of its context──> daemon thread: work()
   └── waits in slices: interrupts are handled, `check` is called ──timeout──> DeadlineExceeded; the thread stays behind
"""

import concurrent.futures
import contextvars
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")

POLL_INTERVAL_S = 0.1
_abandoned: list[threading.Thread] = []


class DeadlineExceeded(Exception):
    """A call had not returned by its deadline. Its thread may still run."""


def run_within(work: Callable[[], R], timeout_s: float, check: Callable[[], None] = lambda: None) -> R:
    """Run `work` in a thread.

    A call that is abandoned keeps its thread and its memory until it returns; `sys.stdout`, `sys.path` and the bytecode
    settings are those of before again.

    Args:
        work: What to do. It sees the context variables of the caller.
        timeout_s: How long to wait for it, in seconds.
        check: Called about ten times a second while it runs; what it raises abandons the call.

    Returns:
        What `work` returns. What it raises is raised unchanged.

    Raises:
        DeadlineExceeded: The call has not returned in time.
    """
    future: concurrent.futures.Future[R] = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - the caller raises it
            future.set_exception(error)

    context, stdout, path = contextvars.copy_context(), sys.stdout, list(sys.path)
    bytecode = sys.dont_write_bytecode, sys.pycache_prefix
    thread = threading.Thread(target=context.run, args=(run,), name="work with a deadline", daemon=True)
    thread.start()
    try:
        _wait(future, time.monotonic() + timeout_s, check)
    except BaseException:
        _abandoned.append(thread)
        sys.stdout, sys.path[:] = stdout, path  # a function of a user may have redirected these
        sys.dont_write_bytecode, sys.pycache_prefix = bytecode
        raise
    return future.result()


def _wait(future: concurrent.futures.Future[R], deadline: float, check: Callable[[], None]) -> None:
    while True:
        left = deadline - time.monotonic()
        if concurrent.futures.wait([future], max(0.0, min(POLL_INTERVAL_S, left))).done:
            return
        if left <= 0:
            raise DeadlineExceeded
        check()


def has_abandoned_work() -> bool:
    """Return whether an abandoned thread still runs: the teardown of the interpreter could wait for it."""
    return any(thread.is_alive() for thread in _abandoned)
