"""Identify a process, so that another process can check later whether it is still alive.

A process id alone is not enough: it is reused after a reboot, and containers use the same ids.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
import uuid
from pathlib import Path

from data_contracts.spec import Spec

PROC = Path("/proc")


class ProcessIdentity(Spec):
    """One process on one machine; `mark` distinguishes two leases of one process."""

    host: str
    machine: str
    boot: str
    space: str
    pid: int
    started: str
    run: str
    flow_run: str = ""
    mark: str = ""

    @property
    def told(self) -> str:
        """Name the run, the process and the host for a message."""
        return f"{self.run} (process {self.pid} on {self.host})"


def current_process(run: str, flow_run: str = "") -> ProcessIdentity:
    """Identify this process, which executes `run`; `flow_run` is its id in Prefect, if it has one."""
    pid = os.getpid()
    return ProcessIdentity(
        host=socket.gethostname(),
        machine=_read_text(Path("/etc/machine-id")),
        boot=_read_text(PROC / "sys/kernel/random/boot_id"),
        space=_pid_namespace(),
        pid=pid,
        started=_start_time(pid) or "",
        run=run,
        flow_run=flow_run,
        mark=uuid.uuid4().hex,
    )


def has_exited(owner: ProcessIdentity) -> bool:
    """Return whether the process has certainly exited; False if this machine cannot tell."""
    this = current_process("")
    if owner.host != this.host or owner.machine != this.machine:
        return False
    if owner.boot != this.boot:  # rebooted since; without a machine id it may be another machine of that name
        return bool(this.machine)
    return owner.space == this.space and _start_time(owner.pid) != owner.started


def _start_time(pid: int) -> str | None:
    """Return when a process started, in a unit of the system; None if it has exited."""
    if (PROC / "self/stat").exists():
        with contextlib.suppress(OSError):
            fields = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
            return None if fields[0] in "ZX" else fields[19]  # a zombie no longer holds anything
        return None
    completed = subprocess.run(  # noqa: S603 - a fixed command and a number
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return completed.stdout.strip() or None


def _pid_namespace() -> str:
    """Return the namespace of process ids: containers of one machine share its kernel, but not the ids."""
    with contextlib.suppress(OSError):
        return re.sub(r"\D", "", str((PROC / "self/ns/pid").readlink()))
    return sys.platform


def _read_text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8").strip()
    return ""
