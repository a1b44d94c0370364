"""Where submitted calls run: in processes of this machine, or on the workers of a Dask or Ray cluster.

submit(call) ──> a process of this machine                 result, log
            └──> a worker ──> a process of that machine    result, log ──> the store

A worker runs the same process as this machine does. It reads and writes the store, which it must reach; a call whose
worker is lost is sent to another one; without any, it is made on this machine. A step connects for as long as its calls
take.
"""

import contextlib
import contextvars
import importlib.util
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, Protocol

from data_contracts.errors import NightcastError, SpecError, redact
from data_contracts.spec import Spec
from tasks.engine.code_digest import code_digest
from tasks.engine.step_process import ProcessEnded, StepProcess, follow_answers

log = logging.getLogger("nightcast")

CONNECT_TIMEOUT_S = 20.0
MAX_RESENDS = 2  # to another worker, if one is lost
PACKAGES = {"dask": "distributed", "ray": "ray"}
EXAMPLES = {"dask": "tcp://10.0.0.5:8786", "ray": "10.0.0.5:6379 or ray://10.0.0.5:10001"}


class ExecutionSpec(Spec):
    """The engine that runs submitted calls, and the address of its scheduler."""

    engine: Literal["local", "dask", "ray"] = "local"
    address: str | None = None

    def check(self) -> None:
        """Raise SpecError if the engine cannot be used: no address, or its package is not installed."""
        if self.engine == "local":
            return
        if not self.address:
            raise SpecError(
                f"NIGHTCAST_ENGINE is {self.engine!r}, and NIGHTCAST_ENGINE_ADDRESS is not set. Set it to the address "
                f"of the cluster, such as {EXAMPLES[self.engine]}, or NIGHTCAST_ENGINE to local."
            )
        if importlib.util.find_spec(PACKAGES[self.engine]) is None:
            raise SpecError(
                f"NIGHTCAST_ENGINE is {self.engine!r}, and the package {PACKAGES[self.engine]} is not installed. Run "
                f"pip install 'nightcast[{self.engine}]' on this machine and on the workers."
            )


class SubmittedCall(Protocol):
    """A call that has begun somewhere."""

    @property
    def is_running(self) -> bool:
        """Whether the call has not ended, as far as this machine knows."""

    def wait(self) -> Any:
        """Return the result, as JSON holds it. Raises ProcessEnded if the call must be made again."""

    def stop(self) -> None:
        """End the call, if it still runs."""


class Executor(NamedTuple):
    """Where calls run: dotted module, name of the function or step in it, arguments that JSON can hold."""

    submit: Callable[[str, str, dict[str, Any]], SubmittedCall]
    workers: int  # that a cluster has; 0 for this machine, whose cores the caller counts


LOCAL = Executor(StepProcess, workers=0)


class RunEngine:
    """The engine of a run. A cluster that did not answer is not asked again."""

    def __init__(self, spec: ExecutionSpec) -> None:
        self.spec, self.is_silent = spec, False


_engine: contextvars.ContextVar[RunEngine | None] = contextvars.ContextVar("engine", default=None)


@contextlib.contextmanager
def executed_on(spec: ExecutionSpec) -> Iterator[None]:
    """Give the steps inside the block this engine. It is not connected yet."""
    token = _engine.set(RunEngine(spec))
    try:
        yield
    finally:
        _engine.reset(token)


def has_cluster() -> bool:
    """Return whether this run has a cluster that has answered, or was not asked yet."""
    engine = _engine.get()
    return engine is not None and engine.spec.engine != "local" and not engine.is_silent


@contextlib.contextmanager
def connected_executor() -> Iterator[Executor | None]:
    """Connect to the engine of this run. Not for longer than needed: Ray ends a process whose head node is lost.

    Yields:
        The executor: `LOCAL` without a cluster, None if the cluster does not answer.
    """
    engine = _engine.get() or RunEngine(ExecutionSpec())
    if engine.is_silent:
        yield None
        return
    with open_executor(engine.spec) as executor:
        engine.is_silent = executor is None
        yield executor


def run_on_worker(module: str, name: str, inputs: dict[str, Any], code: str) -> list[str]:
    """Run a call in a process of the worker.

    Args:
        module: Dotted name of the module of the step.
        name: Name of the function or step in it.
        inputs: Arguments by name.
        code: The digest of the code of the caller.

    Returns:
        The lines that the process wrote, for `follow_answers`.

    Raises:
        ProcessEnded: The worker has other code, or its process was killed.
    """
    if code_digest(module) != code:
        raise ProcessEnded("the worker has another release of nightcast; install that of the caller there")
    process = StepProcess(module, name, inputs)
    try:
        return list(process.answers)
    finally:
        process.stop()


class RemoteCall:
    """A call on a worker of a cluster."""

    def __init__(self, name: str, result: Callable[[], list[str]], cancel: Callable[[], object]) -> None:
        """Take the call.

        Args:
            name: The step, or the function that is called.
            result: Waits for the lines that the process of the call writes.
            cancel: Ends the call.
        """
        self.name, self._result, self._cancel, self.is_running = name, result, cancel, True

    def wait(self) -> Any:
        """Return the result as `follow_answers` does. Raises ProcessEnded if no worker could end the call."""
        try:
            lines = self._result()
        except Exception as lost:  # a worker, the scheduler or the connection; an error of the step is a line
            reason = (str(lost).strip().splitlines() or [type(lost).__name__])[-1]
            raise ProcessEnded(f"the call of {self.name!r} on the cluster was lost: {reason}") from lost
        return follow_answers(lines, self.name)

    def stop(self) -> None:
        """End the call, if it still runs."""
        with contextlib.suppress(Exception):
            self._cancel()


@contextlib.contextmanager
def open_executor(spec: ExecutionSpec) -> Iterator[Executor | None]:
    """Connect to the engine.

    Args:
        spec: The engine and its address.

    Yields:
        The executor; None if the cluster does not answer, which is logged: the calls are then made here.
    """
    if spec.engine == "local":
        yield LOCAL
        return
    with contextlib.ExitStack() as connection:
        try:
            executor = connection.enter_context(_connect(spec))
        except Exception as error:  # noqa: BLE001 - each engine has errors of its own, and the night goes on here
            log.warning("! %s; this machine does the work", _describe_silence(spec, error))
            executor = None
        yield executor


def engine_fault(spec: ExecutionSpec) -> str:
    """Return that the cluster does not answer, as a clause; empty if it does, or without a cluster."""
    if spec.engine == "local":
        return ""
    try:
        with _connect(spec):
            return ""
    except Exception as error:  # noqa: BLE001 - each engine has errors of its own
        return _describe_silence(spec, error)


def _connect(spec: ExecutionSpec) -> contextlib.AbstractContextManager[Executor]:
    return (_dask if spec.engine == "dask" else _ray)(spec.address or "")


def _describe_silence(spec: ExecutionSpec, error: Exception) -> str:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return redact(f"the {spec.engine} cluster at {spec.address} does not answer ({reason})")


@contextlib.contextmanager
def _dask(address: str) -> Iterator[Executor]:
    from distributed import Client

    with Client(address, timeout=CONNECT_TIMEOUT_S, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        workers = len(client.nthreads())
        if not workers:
            raise NightcastError("it has no workers")

        def submit(module: str, name: str, inputs: dict[str, Any]) -> RemoteCall:
            code = code_digest(module)
            future = client.submit(run_on_worker, module, name, inputs, code, pure=False, retries=MAX_RESENDS)
            return RemoteCall(name, future.result, lambda: future.cancel(force=True))

        yield Executor(submit, workers)


@contextlib.contextmanager
def _ray(address: str) -> Iterator[Executor]:
    import ray

    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if separator:  # Ray itself waits for minutes
        socket.create_connection((host, int(port)), CONNECT_TIMEOUT_S).close()
    ray.init(address=address, log_to_driver=False, configure_logging=False, namespace="nightcast")
    try:
        task = ray.remote(run_on_worker).options(max_retries=MAX_RESENDS, num_cpus=1)

        def submit(module: str, name: str, inputs: dict[str, Any]) -> RemoteCall:
            reference = task.remote(module, name, inputs, code_digest(module))
            return RemoteCall(name, lambda: ray.get(reference), lambda: ray.cancel(reference, force=True))

        cpus = ray.cluster_resources()["CPU"]  # type: ignore[no-untyped-call]
        yield Executor(submit, int(cpus))
    finally:
        ray.shutdown()
