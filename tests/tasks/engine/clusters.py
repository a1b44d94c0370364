"""Small clusters on 127.0.0.1 for tests and benchmarks: a scheduler and two workers, each a process of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[3]
START_TIMEOUT_S = 60.0
CALL_MODULE = "tasks.engine.step_process"


@contextlib.contextmanager
def dask_cluster(workers: int = 2) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Yield the address of a Dask scheduler, and its workers' processes, each with one thread."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        scheduler = _start(folder, "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                           "--scheduler-file", str(file))  # fmt: skip
        processes = [scheduler]
        try:
            _wait_until(file.exists)
            command = ("dask", "worker", "--scheduler-file", str(file), "--host", "127.0.0.1", "--nthreads", "1",
                       "--no-dashboard", "--local-directory", folder)  # fmt: skip
            processes += [_start(folder, *command) for _ in range(workers)]
            from distributed import Client

            with Client(scheduler_file=str(file), timeout=START_TIMEOUT_S, set_as_default=False) as client:
                client.wait_for_workers(workers, timeout=START_TIMEOUT_S)
                address = client.scheduler.address
            yield address, processes[1:]
        finally:
            for process in reversed(processes):
                _end(process)


@contextlib.contextmanager
def ray_cluster(cpus: int = 2) -> Iterator[str]:
    """Yield the address of a Ray cluster of one node."""
    folder = tempfile.mkdtemp(prefix="ray")
    port = 20_000 + os.getpid() % 20_000
    command = ("ray", "start", "--head", "--block", "--node-ip-address", "127.0.0.1", "--port", str(port),
               "--num-cpus", str(cpus), "--include-dashboard", "false", "--disable-usage-stats",
               "--object-store-memory", "100000000", "--temp-dir", folder)  # fmt: skip
    process = _start(folder, *command)
    try:
        _wait_until((Path(folder) / "session_latest" / "sockets" / "raylet").exists)
        yield f"127.0.0.1:{port}"
    finally:
        _end(process)
        shutil.rmtree(folder, ignore_errors=True)


def kill_worker(workers: list[int], killed: list[int], calls: int = 1, wait_s: float = 120.0) -> None:
    """Kill the first worker that has begun this number of calls, with all its processes, and add it to `killed`."""
    begun: dict[int, set[int]] = {worker: set() for worker in workers}
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        for worker in workers:
            with contextlib.suppress(psutil.Error):
                below = psutil.Process(worker).children(recursive=True)
                begun[worker] |= {child.pid for child in below if CALL_MODULE in " ".join(child.cmdline())}
            if len(begun[worker]) >= calls:
                killed.append(worker)
                os.killpg(worker, signal.SIGKILL)
                return
        time.sleep(0.05)


def _start(folder: str, *command: str) -> subprocess.Popen[bytes]:
    log = (Path(folder) / "log.txt").open("ab")
    return subprocess.Popen(
        [str(BIN / command[0]), *command[1:]], stdout=log, stderr=log, cwd=ROOT, start_new_session=True
    )


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the cluster did not start")
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
