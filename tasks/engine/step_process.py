"""One call of a step in a process of its own, so that two networks are trained on two cores.

this process ──inputs, JSON──> process of the step          the process ends when this one does
             <──progress, log, result or error, JSON lines──
"""

import contextlib
import importlib
import inspect
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, cast

from pydantic import TypeAdapter

from data_contracts.errors import NightcastError, StoreDamaged
from tasks.engine import run_log
from tasks.engine.code_digest import code_digest
from tasks.engine.failure import is_out_of_memory
from tasks.engine.retry import is_lost_connection

log = logging.getLogger("nightcast")

FAILED = ("error", "out of memory", "other code", "store", "connection lost")  # kinds of the last line of a call


class ProcessEnded(NightcastError):
    """A process ended without a result and without an error of its step."""


class StepProcess:
    """A call that has begun. `wait` returns its result."""

    def __init__(self, module: str, name: str, inputs: dict[str, Any]) -> None:
        """Start the process.

        Args:
            module: Dotted name of the module of the step.
            name: Name of the step, or of a function with annotations, in it.
            inputs: Arguments by name, as values that JSON can hold.
        """
        self.name = name
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - `stop` closes it
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tasks.engine.step_process"],  # -P: a user's tasks.py stays out of the way
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
        )  # fmt: skip
        self._request, self._answers = (cast("IO[str]", pipe) for pipe in (self._process.stdin, self._process.stdout))
        with contextlib.suppress(BrokenPipeError):  # it has ended already; `wait` says why
            request = {"module": module, "name": name, "inputs": inputs, "path": sys.path, "code": code_digest(module)}
            self._request.write(json.dumps(request) + "\n")
            self._request.flush()

    @property
    def answers(self) -> Iterator[str]:
        """The lines that the process writes, as it writes them. Raises ProcessEnded if none has a result."""
        for line in self._answers:
            yield line
            if line.endswith("\n") and json.loads(line)[0] in ("result", *FAILED):
                return
        raise ProcessEnded(self._describe_end(self._process.wait()))

    def wait(self) -> Any:
        """Wait for the result, as `follow_answers` does. Raises ProcessEnded too if the process was killed."""
        return follow_answers(self.answers, self.name)

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process, if it still runs."""
        self._process.kill()
        self._process.wait()
        for stream in (self._request, self._answers, self._errors):
            with contextlib.suppress(OSError):
                stream.close()

    def _describe_end(self, code: int) -> str:
        """Describe how a process ended without a result."""
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().splitlines()[-1:]
        message = f": {last[0]}" if last else ""
        how = f"was stopped by {signal_name(-code)}" if code < 0 else f"ended with code {code}"
        return f"the process of step {self.name!r} {how}{message}"


def follow_answers(answers: Iterable[str], name: str) -> Any:
    """Show the progress and log of a call until its result.

    Args:
        answers: The lines of its process.
        name: The step.

    Returns:
        The result of the step, as JSON holds it.

    Raises:
        NightcastError: The step failed; the message is that of its error.
        ProcessEnded: The process ran out of memory, or cannot read the store: the step may succeed in this process.
        ConnectionError: The step lost a connection, so that it may succeed when it is called again.
    """
    with contextlib.ExitStack() as shown:
        advance: Callable[[str], None] = log.debug
        for line in answers:
            try:
                kind, value = json.loads(line)
            except json.JSONDecodeError:  # the process was killed while it wrote
                continue
            if kind == "result":
                return value
            if kind in FAILED:
                failure = _failure(kind, value, name)
                raise failure
            if kind == "begin":
                advance = shown.enter_context(run_log.progress_bar(*value))
            elif kind == "advance":
                advance(value)
            else:
                log.log(*value)
    raise ProcessEnded(f"the process of step {name!r} ended without a result")


def _failure(kind: str, reason: str, name: str) -> Exception:
    """Return the error of a call that ended with a line of this kind."""
    if kind == "error":
        return NightcastError(reason)
    if kind == "connection lost":
        return ConnectionError(reason)
    if kind == "other code":
        return ProcessEnded(f"the files of step {name!r} were changed after this run began")
    how = "ran out of memory" if kind == "out of memory" else f"cannot read the store: {reason}"
    return ProcessEnded(f"the process of step {name!r} {how}")


def signal_name(number: int) -> str:
    """Return the name of a signal; real-time signals have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def main() -> None:
    """Run the call that stdin names, and write what happens to stdout."""
    lines = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # what a library prints does not belong to the protocol

    def send(kind: str, value: Any) -> None:
        lines.write(json.dumps([kind, value]) + "\n")

    request = json.loads(sys.stdin.readline())
    sys.path[:] = request["path"]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log.addHandler(_RelayHandler(send))
    log.setLevel(logging.INFO)
    log.propagate = False
    run_log.relay_progress(send)
    called = getattr(importlib.import_module(request["module"]), request["name"])
    function = getattr(called, "fn", called)  # of a step, what it wraps
    if code_digest(request["module"]) != request["code"]:  # an upgrade while the run goes on
        send("other code", None)
        os._exit(0)
    types = inspect.get_annotations(function, eval_str=True)
    inputs = {name: TypeAdapter(types[name]).validate_python(value) for name, value in request["inputs"].items()}
    try:
        result = function(**inputs)
    except Exception as error:  # noqa: BLE001 - the other process decides what an error means
        send(*_describe_error(error))
    else:
        send("result", TypeAdapter(types["return"]).dump_python(result, mode="json"))
    lines.flush()
    os._exit(0)  # without the teardown of the interpreter, which takes seconds with torch loaded


def _describe_error(error: Exception) -> tuple[str, str]:
    """Return the kind of line for an error, and its text."""
    text = str(error) if isinstance(error, NightcastError) else f"{type(error).__name__}: {error}"
    if is_lost_connection(error):
        return "connection lost", text
    if isinstance(error, StoreDamaged):  # a machine without the folder of the store; here, the step says so again
        return "store", text
    return "out of memory" if is_out_of_memory(error) and not isinstance(error, NightcastError) else "error", text


def _end_with_parent() -> None:
    """End this process when the other end of stdin is closed: nobody waits for its result."""
    sys.stdin.read()
    os._exit(1)


class _RelayHandler(logging.Handler):
    """Sends each line of the log to the process that waits."""

    def __init__(self, send: Callable[[str, Any], None]) -> None:
        super().__init__()
        self.send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Send one line."""
        self.send("log", [record.levelno, record.getMessage()])


if __name__ == "__main__":
    main()
