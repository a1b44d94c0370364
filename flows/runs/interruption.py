"""Signals that end a command: an exception in the main thread, and a deadline after which the process ends in any case.

SIGTERM, SIGINT, SIGHUP ──handler──> KeyboardInterrupt in the main thread ──> record, release of the lease, exit 1
             └──wakeup descriptor──> watching thread ──GRACE_S later──> record, end of the children, exit 1

Python runs signal handlers between two bytecodes only: a library call that blocks in C never gets there, and a library
may swallow the exception. The interpreter writes to the wakeup descriptor even then.
"""

import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from data_contracts.errors import RunInterrupted

GRACE_S = 7.0  # from the signal until the watching thread ends the process
RECORD_TIMEOUT_S = 1.5  # for the record that the watching thread writes
announced = threading.Event()  # set once the command has printed that it was interrupted
_writers: list[socket.socket] = []
_recorders: list[Callable[[RunInterrupted], None]] = []  # of the open run; a backfill has none of its own
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def raise_on_signals() -> None:
    """Raise KeyboardInterrupt with the signal's name in the main thread. A signal that `nohup` ignores stays ignored.

    SIGINT is not left ignored: a shell ignores it for background jobs of a script, and `kill -INT` must stop those.
    """
    for number in SIGNALS:
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _raise)


@contextlib.contextmanager
def end_within_grace() -> Iterator[None]:
    """End the process, with a record of its run, if it still runs GRACE_S after a signal. Main thread only."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    _writers.append(writer)
    threading.Thread(target=_watch, args=(reader,), name="deadline after a signal", daemon=True).start()
    watch_signals()
    try:
        yield
    finally:  # a thread that has received a signal stays: stopping Prefect's server can hang too
        signal.set_wakeup_fd(-1)
        _writers.remove(writer)
        writer.close()


@contextlib.contextmanager
def recorded_by(record: Callable[[RunInterrupted], None]) -> Iterator[None]:
    """Call `record` if the process has to be ended while this context is open."""
    _recorders.append(record)
    watch_signals()
    try:
        yield
    finally:
        _recorders.remove(record)


def watch_signals() -> None:
    """Direct the wakeup descriptor to the watching thread, if there is one: an event loop may have taken it."""
    if _writers and threading.current_thread() is threading.main_thread():
        signal.set_wakeup_fd(_writers[-1].fileno(), warn_on_full_buffer=False)


def interruption_of(error: BaseException) -> RunInterrupted | None:
    """Return the error for the signal among the causes of an exception; None if a signal is not the cause."""
    cause: BaseException | None = error
    while cause:
        if interruption := RunInterrupted.caused_by(cause, current_activity()):
            return interruption
        cause = cause.__context__
    return None


def announce(interruption: RunInterrupted) -> None:
    """Print the sentence about a signal, unless the command has done so."""
    if not announced.is_set():
        announced.set()
        sys.stderr.write(f"error: {interruption}\n")


def exit_at_once(code: int) -> NoReturn:
    """End the process without the teardown of the interpreter, which takes seconds with torch loaded."""
    atexit._run_exitfuncs()  # stops the Prefect server of this process and removes temporary folders
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def current_activity() -> str:
    """Return what the process does, as the end of a sentence."""
    run_log = sys.modules.get("tasks.engine.run_log")  # loaded only once a run begins
    return str(run_log.describe_activity()) if run_log else "before its first step"


def _raise(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _watch(reader: socket.socket) -> None:
    numbers = {int(number) for number in SIGNALS}
    while received := reader.recv(1):
        if received[0] in numbers:
            time.sleep(GRACE_S)
            _end(RunInterrupted(signal.Signals(received[0]).name, current_activity()))


def _end(interruption: RunInterrupted) -> None:
    for recorder in _recorders:
        record = threading.Thread(target=recorder, args=(interruption,), daemon=True)
        record.start()
        record.join(RECORD_TIMEOUT_S)
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
    announce(interruption)
    sys.stderr.flush()
    os._exit(interruption.exit_code)
