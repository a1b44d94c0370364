"""A step: a Prefect task with a result cache in the store, so that the same inputs give the same artifacts at once.

inputs ──digest──> cache/<step>/<key>.json ──all its artifacts intact?──> Cached
                        │ missing, torn, or an artifact is missing or damaged
                        └──> compute, store, write the cache record
"""

import contextlib
import functools
import hashlib
import inspect
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypeVar, overload

from pydantic import TypeAdapter, ValidationError

from data_contracts.artifact import iterate_artifacts
from data_contracts.errors import LeaseLost, NightcastError, redact
from tasks.engine import cached_only, run_log
from tasks.engine.code_digest import code_digest
from tasks.engine.execution import LOCAL, Executor, SubmittedCall
from tasks.engine.failure import OutOfMemory, StepFailure, is_out_of_memory
from tasks.engine.flow_context import in_flow_run
from tasks.engine.machine_memory import release_unused_memory
from tasks.engine.retry import is_lost_connection, retry
from tasks.engine.step_process import ProcessEnded
from tasks.storage.failures import StoreUnusable
from tasks.storage.layout import cache_uri
from tasks.storage.object_stores import StoreUnreachable
from tasks.storage.store import Store

if TYPE_CHECKING:  # takes seconds, and settings of steps are read without it
    from prefect import Task
    from prefect.client.schemas.objects import State

log = logging.getLogger("nightcast")
P = ParamSpec("P")
R = TypeVar("R")

RETRY_DELAYS_S = (2.0, 15.0)  # before each retry of a step that lost a connection


class CacheInputs(NamedTuple):
    """What a step depends on, and a table that was loaded to find out: the step receives it as `read`."""

    key: Any
    loaded: Any


class StepRun(NamedTuple, Generic[R]):
    """The result of a step, and whether it was taken from the cache."""

    result: R
    cached: bool


class Step(Generic[P, R]):
    """A step is called like the function that it wraps; `attempt` returns a StepFailure instead of raising."""

    def __init__(self, fn: Callable[P, R], cache_key: Callable[..., Any] | None) -> None:
        functools.update_wrapper(self, fn)
        self.fn: Callable[..., R] = fn
        self.name, self._cache_key = str(getattr(fn, "__name__", "step")), cache_key
        self._signature = inspect.signature(fn)
        self._submitted: dict[str, SubmittedCall] = {}  # by path of the cache record
        self._result = TypeAdapter[R](inspect.get_annotations(fn, eval_str=True)["return"])

    @functools.cached_property
    def _task(self) -> "Task[[dict[str, Any]], Any]":
        from prefect import task

        return task(
            name=self.name,
            task_run_name=self._name_task_run,  # type: ignore[arg-type]  # its protocol has a method of its own
            persist_result=False,
            result_serializer="json",  # Prefect's default is pickle
            retries=len(RETRY_DELAYS_S),
            retry_delay_seconds=list(RETRY_DELAYS_S),
            retry_condition_fn=_should_retry,
        )(self._run_as_task)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the result of the step, cached or computed: as a Prefect task in a flow run, else as a plain call."""
        inputs = dict(self._signature.bind(*args, **kwargs).arguments)
        with run_log.running_step(self.name):
            if not in_flow_run():
                return retry(lambda: self._run_cached(inputs).result, RETRY_DELAYS_S, is_lost_connection)
            state: State[Any] = self._task(inputs, return_state=True)
            result: R = state.result()
            return result

    def attempt(self, *args: Any, **kwargs: Any) -> R | StepFailure:
        """Run a step that the night can do without. Errors are logged and returned, not raised, except LeaseLost.

        Args:
            *args: Arguments of the step. If one is the StepFailure of an earlier attempt, this step fails too.
            **kwargs: The same by name.

        Returns:
            The result of the step, or why it failed.

        Raises:
            LeaseLost: Another run writes to the pipeline now.
            StoreUnreachable: The store does not answer: every later step would wait for it too.
        """
        failed = [value.step for value in (*args, *kwargs.values()) if isinstance(value, StepFailure)]
        if failed:
            return StepFailure(step=self.name, reason=f"needs {', '.join(failed)}, which failed")
        try:
            return self(*args, **kwargs)
        except (LeaseLost, StoreUnreachable):
            raise
        except Exception as error:  # noqa: BLE001 - no error of a drift or page library may stop the forecast
            run_log.log_step(self.name, "failed", 0.0, redact(str(error)))
            reason = str(error) if isinstance(error, NightcastError) else f"{type(error).__name__}: {error}"
            return StepFailure(step=self.name, reason=redact(reason), is_of_store=isinstance(error, StoreUnusable))

    @contextlib.contextmanager
    def submitted(
        self, calls: Sequence[dict[str, Any]], executor: Executor = LOCAL
    ) -> Iterator[tuple[SubmittedCall, ...]]:
        """Submit calls to processes of their own; inside the block, the same calls wait for these results.

        A call whose result is cached is not submitted, nor one whose process cannot start: inside the block it is an
        ordinary call, which reports what is wrong. The processes end with the block.

        Args:
            calls: The arguments of each call, by name.
            executor: Where the processes run.

        Yields:
            The calls that were submitted.
        """
        processes: dict[str, SubmittedCall] = {}
        try:
            for inputs in () if cached_only.computes_nothing() else calls:
                try:
                    processes |= self._submit(inputs, executor)
                except Exception as error:  # noqa: BLE001 - the call itself reports it
                    log.debug("a call of step %s is not submitted: %s", self.name, error)
            self._submitted = processes.copy()
            yield tuple(processes.values())
        finally:
            self._submitted = {}
            for process in processes.values():
                process.stop()

    def _submit(self, inputs: dict[str, Any], executor: Executor) -> dict[str, SubmittedCall]:
        """Return the process of a call by the path of its cache record; none if the result is cached."""
        uri, _ = self._cache_entry(inputs)
        if inputs["store"].read_json(uri) is not None:
            return {}
        values = TypeAdapter(dict[str, Any]).dump_python(
            inputs, mode="json"
        )  # of the store its location, not its lease
        return {uri: executor.submit(self.fn.__module__, self.name, values)}

    def _name_task_run(self, parameters: dict[str, Any]) -> str:
        """Return the name in the Prefect UI: the step, and its network if it runs once per network."""
        recipe = parameters["inputs"].get("recipe")
        return f"{self.name} {recipe.model.name}" if recipe else self.name

    def _run_as_task(self, inputs: dict[str, Any]) -> "R | State[R]":
        from prefect.states import Completed

        result, cached = self._run_cached(inputs)
        return Completed(name="Cached", message="same inputs, same bytes", data=result) if cached else result

    def _run_cached(self, inputs: dict[str, Any]) -> "StepRun[R]":
        started = time.perf_counter()
        store: Store = inputs["store"]
        uri, loaded = self._cache_entry(inputs)
        with contextlib.suppress(KeyError, ValidationError):  # the record is of another release
            record = store.read_json(uri) or {}
            cached = self._result.validate_python(record["result"])
            artifacts = list(iterate_artifacts(record))
            if all(store.contains(artifact) for artifact in artifacts):
                for artifact in artifacts:
                    store.mark_used(artifact)
                run_log.log_step(self.name, "cached", time.perf_counter() - started, run_log.describe_result(cached))
                return StepRun(cached, cached=True)
        cached_only.require_cached(self.name)
        try:
            result = self._compute(uri, inputs | loaded)
        except Exception as error:
            if not isinstance(error, NightcastError) and is_out_of_memory(error):
                raise OutOfMemory(f"in step {self.name!r}") from error
            raise
        release_unused_memory()
        store.write_json(uri, {"result": self._result.dump_python(result, mode="json")})
        run_log.log_step(self.name, "ran", time.perf_counter() - started, run_log.describe_result(result))
        return StepRun(result, cached=False)

    def _compute(self, uri: str, inputs: dict[str, Any]) -> R:
        """Wait for a submitted call; compute any other call, and one whose process ended, in this process."""
        process = self._submitted.pop(uri, None)
        if process:
            try:
                return self._result.validate_python(process.wait())
            except ProcessEnded as ended:  # it may have been the memory of two processes that was too much
                log.warning("! %s; it runs again in this process", ended)
        return self.fn(**inputs)

    def _cache_entry(self, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the path of the cache record, and what was loaded to find out, as an argument of the function."""
        key: Any = self._cache_key(**inputs) if self._cache_key else _without_store(inputs)
        loaded = {"read": key.loaded} if isinstance(key, CacheInputs) else {}
        return cache_uri(self.name, self._digest(key.key if isinstance(key, CacheInputs) else key)), loaded

    def _digest(self, key: Any) -> str:
        """Return the digest of the source code and of what the step depends on."""
        text = json.dumps(TypeAdapter(Any).dump_python(key, mode="json"), sort_keys=True)  # as written records are
        return hashlib.sha256("\n".join((self.name, code_digest(self.fn.__module__), text)).encode()).hexdigest()[:32]


def _should_retry(_task: Any, _run: Any, state: "State[Any]") -> bool:
    return is_lost_connection(state.result(raise_on_failure=False))


def _without_store(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs without the store, whose location is not part of the cache key."""
    return {name: value for name, value in inputs.items() if name != "store"}


@overload
def step(fn: Callable[P, R], /) -> Step[P, R]: ...


@overload
def step(*, cache_key: Callable[..., Any]) -> Callable[[Callable[P, R]], Step[P, R]]: ...


def step(fn: Callable[P, R] | None = None, /, *, cache_key: Callable[..., Any] | None = None) -> Any:
    """Decorate a function as a step. It takes settings, artifacts and one `store`, and returns artifacts.

    Args:
        fn: The function, if the decorator is used without arguments.
        cache_key: Called with the inputs of the step; its result replaces them as the cache key. If it has to load
            a table to compute the key, it returns `CacheInputs`, and the step receives that table as `read`.

    Returns:
        The step, or a decorator that returns it.
    """
    return Step(fn, cache_key) if fn else lambda function: Step(function, cache_key)
