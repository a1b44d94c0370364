"""Starts processes, watches them, restarts those that die, and stops all of them in order."""

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

FIRST_RESTART_DELAY_S, MAX_RESTART_DELAY_S = 1.0, 60.0  # the first after a stable run; doubled at each early death
STABLE_AFTER_S = 120.0  # a run of this length is stable
SHUTDOWN_TIMEOUT_S = 15.0  # from SIGTERM to SIGKILL
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before any fork: loading takes a lock


class SupervisedProcess:
    """One process. Its output goes to a log file; with `on_line`, its stdout goes there line by line instead."""

    def __init__(self, name: str, command: list[str], log: Path, on_line: Callable[[str], None] | None = None) -> None:
        self.name, self.command, self.log, self.on_line = name, command, log, on_line
        self.process: subprocess.Popen[str] | None = None
        self.deaths, self._delay = 0, FIRST_RESTART_DELAY_S
        self._started_at, self._restart_at = 0.0, 0.0

    def start(self, environment: dict[str, str]) -> None:
        """Start the process in its own session, so that Ctrl-C in the terminal does not stop it out of order."""
        self._started_at, self._restart_at = time.monotonic(), 0.0
        with self.log.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(  # noqa: S603 - the command is one of our modules
                self.command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self.on_line else log,
                stderr=log,
                text=True,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - two system calls, before any thread is started
            )
        if self.on_line and self.process.stdout:
            threading.Thread(target=self._read_lines, args=(self.process.stdout, self.on_line), daemon=True).start()

    @property
    def state(self) -> str:
        """The state as shown to the user: waits, runs, or died with the time until the restart."""
        if self.process is None:
            return "waits"
        if self.process.poll() is None:
            return "runs"
        seconds = max(0.0, self._restart_at - time.monotonic())
        return f"died ({_describe_exit(self.process.returncode)}), restarts in {seconds:.0f} s"

    def supervise(self, environment: dict[str, str]) -> bool:
        """Restart the process if it died and its delay is over. Returns True once per death."""
        if self.process is None or self.process.poll() is None:
            return False
        now = time.monotonic()
        if not self._restart_at:
            self.deaths += 1
            was_stable = now - self._started_at > STABLE_AFTER_S
            self._delay = FIRST_RESTART_DELAY_S if was_stable else min(2 * self._delay, MAX_RESTART_DELAY_S)
            self._restart_at = now + self._delay
            return True
        if now >= self._restart_at:
            self.start(environment)
        return False

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def wait_or_kill(self, deadline: float) -> None:
        """Wait until the process ends or `deadline` (monotonic seconds); kill what remains of its process tree."""
        if not self.process:
            return
        family = _process_tree(self.process.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.1, deadline - time.monotonic()))
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    @staticmethod
    def _read_lines(lines: IO[str], on_line: Callable[[str], None]) -> None:
        for line in lines:
            on_line(line)


def stop(children: list[SupervisedProcess]) -> None:
    """Stop processes one after the other in reverse order of start, each with its own timeout."""
    for child in reversed(children):
        child.terminate()
        child.wait_or_kill(time.monotonic() + SHUTDOWN_TIMEOUT_S)


def owner_of_port(port: int) -> str:
    """Describe the process that listens on a port of this machine; empty if it cannot be found."""
    for connection in _listening_connections():
        if connection.laddr and connection.laddr.port == port:
            if not connection.pid:
                return "a process of another user"
            with contextlib.suppress(psutil.Error):
                command = " ".join(psutil.Process(connection.pid).cmdline())
                return f"process {connection.pid} ({command[:80]})"
            return f"process {connection.pid}"
    return ""


def _listening_connections() -> list[Any]:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:  # macOS shows them to root only
        return []
    return [connection for connection in connections if connection.status == psutil.CONN_LISTEN]


def _process_tree(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def _end_with_parent() -> None:
    """Let the kernel stop this child when `up` is killed; restore Ctrl-C, which `up &` would have disabled."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if LIBC:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _describe_exit(code: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return str(code)
