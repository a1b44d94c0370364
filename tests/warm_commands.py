"""Run `nightcast` in a process that is forked from one with warm imports: the same isolation, without their seconds.

test ──socket: arguments, folder, environment; the ends of two pipes──> warm process ──fork──> child: main(), exit code
        └── reads stdout and stderr until the child ends

The child has its own working directory, environment, standard streams and session, and runs what is to run at exit.
The warm process has imported neither Prefect, which reads its settings when it is imported, nor anything that starts a
thread. Start-up itself is tested with the real executable.
"""

import atexit
import contextlib
import functools
import json
import os
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.garbage import without_garbage_search

ROOT = Path(__file__).parents[1]
MODULES = (
    *(
        "deployments.cli.main",
        "deployments.commands.check",
        "deployments.doctor.examine",
        "models.training.train_network",
    ),
    *(
        "models.streaming.build",
        "tasks.anomalies",
        "tasks.drift",
        "tasks.evaluation",
        "tasks.forecasting",
        "tasks.memory",
    ),
    *("tasks.registration", "tasks.reporting", "tasks.states", "tasks.training", "tasks.validation", "tasks.windowing"),
    *("evidently.presets", "great_expectations", "mlflow.store.tracking.sqlalchemy_store", "scipy.stats"),
    *("mlflow.store.model_registry.sqlalchemy_store", "optuna", "tasks.search.search", "sqlalchemy"),
)
FORCED = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"  # tasks/__init__.py sets it, whatever the user has


class WarmProcess:
    """A process with warm imports, which forks one child per command."""

    def __init__(self) -> None:
        self.connection, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "NIGHTCAST_"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm_commands", str(other.fileno())],
            cwd=ROOT,
            env=kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            pass_fds=(other.fileno(),),
        )
        other.close()

    def run(
        self, words: tuple[str, ...], folder: Path, environment: Mapping[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command and return its exit code (negative: the signal), stdout and stderr."""
        request = json.dumps({"words": words, "folder": str(folder), "environment": dict(environment)}) + "\n"
        texts, readers, ends = {}, [], []
        for name in ("stdout", "stderr"):
            out, into = os.pipe()
            ends.append(into)
            reader = threading.Thread(target=lambda name=name, out=out: texts.update({name: _read(out)}))
            reader.start()
            readers.append(reader)
        socket.send_fds(self.connection, [len(request).to_bytes(8)], ends)
        self.connection.sendall(request.encode())
        for end in ends:
            os.close(end)
        code = int.from_bytes(self.connection.recv(8), signed=True)
        for reader in readers:
            reader.join()
        return subprocess.CompletedProcess(["nightcast", *words], code, texts["stdout"], texts["stderr"])


def _read(descriptor: int) -> str:
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        return file.read()


@functools.cache
def warm_process() -> WarmProcess:
    """Return the warm process of this test process; it ends with it."""
    return WarmProcess()


def run_nightcast(
    words: tuple[str, ...], folder: Path, environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run `nightcast WORDS` in a folder, with exactly this environment."""
    process = warm_process()
    try:
        return process.run(tuple(map(str, words)), folder, environment)
    except BaseException:  # the time limit of the test: the answer to this request must not be that to the next
        warm_process.cache_clear()
        process.process.kill()
        raise


def serve(connection: socket.socket) -> None:
    """Import what commands use, and fork a child for each request, one at a time, until the test process ends."""
    import importlib

    os.fsync = lambda fd: None  # as in the process of the tests
    before = dict(os.environ)
    with without_garbage_search():
        for name in MODULES:
            importlib.import_module(name)
        from tasks.engine.code_digest import code_digest

        code_digest("flows.nightly")  # reads all modules of the steps; children inherit what was read
    assert threading.active_count() == 1, threading.enumerate()
    assert "prefect" not in sys.modules
    set_by_imports = {name: value for name, value in os.environ.items() if before.get(name) != value}
    while received := _receive(connection):
        request, descriptors = received
        child = os.fork()
        if child == 0:
            connection.close()
            _become_command(request, descriptors, set_by_imports)
        for descriptor in descriptors:
            os.close(descriptor)
        _, status = os.waitpid(child, 0)
        connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(8, signed=True))


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    size, descriptors, _, _ = socket.recv_fds(connection, 8, 2)
    if not size:
        return None
    data = b""
    while len(data) < int.from_bytes(size):
        data += connection.recv(int.from_bytes(size) - len(data))
    return json.loads(data), descriptors


def _become_command(request: dict[str, Any], descriptors: list[int], set_by_imports: dict[str, str]) -> None:
    """Turn this forked process into one that a shell started, run the command, and end."""
    os.setsid()
    for descriptor, stream in zip(descriptors, (1, 2), strict=True):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    environment = {**set_by_imports, **request["environment"]}
    os.environ.clear()
    os.environ.update(environment | {FORCED: set_by_imports.get(FORCED, "false")})
    os.chdir(request["folder"])
    sys.argv = ["nightcast", *request["words"]]
    sys.path[0] = str(Path(sys.executable).parent)
    code = 1
    try:
        import nightcast

        nightcast.main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # the end of the interpreter, without freeing the modules, which takes seconds
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
