"""Which process does something, so that another one can tell later whether it is still alive.

A process id alone is not enough: it is given again after a reboot, and another container has the same ones.
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
    """One process on one machine; `mark` tells apart two leases of one process."""

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
        return f"{self.run} (process {self.pid} on {self.host})"


def current_process(run: str, flow_run: str = "") -> ProcessIdentity:
    """This process, doing `run`; `flow_run` is its id in Prefect, if it has one."""
    pid = os.getpid()
    return ProcessIdentity(
        host=socket.gethostname(),
        machine=_text(Path("/etc/machine-id")),
        boot=_text(PROC / "sys/kernel/random/boot_id"),
        space=_pid_space(),
        pid=pid,
        started=_started(pid) or "",
        run=run,
        flow_run=flow_run,
        mark=uuid.uuid4().hex,
    )


def has_exited(owner: ProcessIdentity) -> bool:
    """Whether that process is surely gone; False where this machine can't know."""
    this = current_process("")
    if owner.host != this.host or owner.machine != this.machine:
        return False
    if owner.boot != this.boot:  # the same machine, started anew: nothing of before lives; needs a name of its own
        return bool(this.machine)
    return owner.space == this.space and _started(owner.pid) != owner.started


def _started(pid: int) -> str | None:
    """When a process started, in whatever unit the system tells; None where there is no such process."""
    if (PROC / "self/stat").exists():
        with contextlib.suppress(OSError):
            fields = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
            return None if fields[0] in "ZX" else fields[19]  # a zombie holds nothing any more
        return None
    asked = subprocess.run(  # noqa: S603 - a fixed command and a number
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or None


def _pid_space() -> str:
    """Containers on one machine share its kernel, and number their processes apart."""
    with contextlib.suppress(OSError):
        return re.sub(r"\D", "", str((PROC / "self/ns/pid").readlink()))
    return sys.platform


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8").strip()
    return ""
