"""Processes that are started together, watched, started again when they die, and stopped together."""

import contextlib
import ctypes
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import psutil

FIRST_RESTART_DELAY_S, MAX_RESTART_DELAY_S = (
    1.0,
    60.0,
)  # seconds before a process that died is started again; doubled each time
STABLE_AFTER_S = 120.0  # seconds after which a process is taken to run well
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before a fork, when no lock can be held
SHUTDOWN_TIMEOUT_S = 15.0  # seconds between asking a process to stop and ending it


class SupervisedProcess:
    """One process; its output goes to a file, its stdout to `hear` line by line where there is one."""

    def __init__(self, name: str, words: list[str], log: Path, hear: Callable[[str], None] | None = None) -> None:
        self.name, self.words, self.log, self.hear = name, words, log, hear
        self.process: subprocess.Popen[str] | None = None
        self.deaths, self._pause, self._born, self._again = 0, FIRST_RESTART_DELAY_S, 0.0, 0.0

    def start(self, environment: dict[str, str]) -> None:
        """Start it in a session of its own, so that a Ctrl-C at the terminal reaches only who stops it in order."""
        self._born, self._again = time.monotonic(), 0.0
        with self.log.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own modules
                self.words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self.hear else log,
                stderr=log,
                text=True,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - two system calls, before any thread is started
            )
        if self.hear and self.process.stdout:
            threading.Thread(target=self._listen, args=(self.process.stdout, self.hear), daemon=True).start()

    @property
    def state(self) -> str:
        if self.process is None:
            return "waits"
        if self.process.poll() is None:
            return "runs"
        return (
            f"died ({_how(self.process.returncode)}), starts again in {max(0.0, self._again - time.monotonic()):.0f} s"
        )

    def supervise(self, environment: dict[str, str]) -> bool:
        """Start it again if it died, after a pause that grows; True at the moment when a death is seen."""
        if self.process is None or self.process.poll() is None:
            return False
        now = time.monotonic()
        if not self._again:
            self.deaths += 1
            self._pause = (
                FIRST_RESTART_DELAY_S
                if now - self._born > STABLE_AFTER_S
                else min(2 * self._pause, MAX_RESTART_DELAY_S)
            )
            self._again = now + self._pause
            return True
        if now >= self._again:
            self.start(environment)
        return False

    def ask_to_stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def wait_or_end(self, until: float) -> None:
        """Give it until then, and end it with all that it started."""
        if not self.process:
            return
        family = _family(self.process.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.1, until - time.monotonic()))
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    @staticmethod
    def _listen(lines: IO[str], hear: Callable[[str], None]) -> None:
        for line in lines:
            hear(line)


def stop(children: list[SupervisedProcess]) -> None:
    """Ask one after the other, the last that was started first, each with its own time to end."""
    for child in reversed(children):
        child.ask_to_stop()
        child.wait_or_end(time.monotonic() + SHUTDOWN_TIMEOUT_S)


def owner_of_port(port: int) -> str:
    """Who listens on a port of this machine; empty where nobody does."""
    for one in _listening():
        if one.laddr and one.laddr.port == port:
            with contextlib.suppress(psutil.Error):
                return (
                    f"process {one.pid} ({' '.join(psutil.Process(one.pid).cmdline())[:80]})" if one.pid else "somebody"
                )
            return f"process {one.pid}"
    return ""


def _listening() -> list[Any]:
    try:
        return [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
    except psutil.Error:  # macOS shows them to root alone
        return []


def _family(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def _end_with_parent() -> None:
    """A killed `up` leaves no server behind; and Ctrl-C works in a child though `up` was started with `&`."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if LIBC:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _how(code: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return str(code)
