"""A step: a Prefect task whose memory lies in the store, so that the same inputs give the same claim checks at once.

inputs ──digest──> cache/<step>/<key>.json ──claims hold?──> Cached
                        │ none, torn, or a claimed file is gone or damaged
                        └──> compute, store, remember
"""

import contextlib
import functools
import hashlib
import inspect
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar, overload

from prefect import task
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import TypeAdapter, ValidationError

from data_contracts.artifact import Artifact
from data_contracts.errors import LeaseLost, NightcastError, redact
from tasks.engine import run_log
from tasks.engine.code_digest import code_digest
from tasks.engine.failure import StepFailure
from tasks.storage.layout import cache_uri
from tasks.storage.store import Store

P = ParamSpec("P")
R = TypeVar("R")


RETRY_DELAYS_S = (2.0, 15.0)  # seconds before a step is tried again that lost a connection


class CacheInputs(NamedTuple):
    """What a step depends on, and what had to be read to know it: the step gets it as `read`."""

    key: Any
    loaded: Any


class Step(Generic[P, R]):
    """Call it like the function it wraps; `attempt` gives a Failure back instead of raising."""

    def __init__(self, fn: Callable[P, R], cache_key: Callable[..., Any] | None) -> None:
        functools.update_wrapper(self, fn)
        self.fn: Callable[..., R] = fn
        self.name, self._cache_key = str(getattr(fn, "__name__", "step")), cache_key
        self._signature = inspect.signature(fn)
        self._result = TypeAdapter[R](inspect.get_annotations(fn, eval_str=True)["return"])
        self._task = task(
            name=self.name,
            task_run_name=self.name,
            persist_result=False,
            retries=len(RETRY_DELAYS_S),
            retry_delay_seconds=list(RETRY_DELAYS_S),
            retry_condition_fn=_connection_was_lost,
        )(self._run_cached)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        state: State[Any] = self._task(dict(self._signature.bind(*args, **kwargs).arguments), return_state=True)
        result: R = state.result()
        return result

    def attempt(self, *args: Any, **kwargs: Any) -> R | StepFailure:
        """For what the night can do without: the error is logged, kept as a sentence, and not raised.

        Takes what the step takes, or the Failure of an earlier attempt in its place, which makes this one fail too.
        """
        lacking = [one.step for one in (*args, *kwargs.values()) if isinstance(one, StepFailure)]
        if lacking:
            return StepFailure(step=self.name, reason=f"needs {', '.join(lacking)}, which failed")
        try:
            return self(*args, **kwargs)
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a drift or page library raises, the forecast goes out
            run_log.log_step(self.name, "failed", 0.0, redact(str(error)))
            reason = str(error) if isinstance(error, NightcastError) else f"{type(error).__name__}: {error}"
            return StepFailure(step=self.name, reason=redact(reason))

    def _run_cached(self, inputs: dict[str, Any]) -> R | State[R]:
        started = time.perf_counter()
        store: Store = inputs["store"]
        told: Any = self._cache_key(**inputs) if self._cache_key else _without_store(inputs)
        more = {"read": told.loaded} if isinstance(told, CacheInputs) else {}
        uri = cache_uri(self.name, self._key(told.key if isinstance(told, CacheInputs) else told))
        with contextlib.suppress(KeyError, ValidationError):  # a record of another shape is worth nothing
            record = store.read_json(uri) or {}
            known = self._result.validate_python(record["result"])
            if all(store.contains(claim) for claim in _claims(record)):
                run_log.log_step(self.name, "cached", time.perf_counter() - started, run_log.describe_result(known))
                return Completed(name="Cached", message="same inputs, same bytes", data=known)
        result = self.fn(**inputs, **more)
        store.write_json(uri, {"result": self._result.dump_python(result, mode="json")})
        run_log.log_step(self.name, "ran", time.perf_counter() - started, run_log.describe_result(result))
        return result

    def _key(self, told: Any) -> str:
        """Digest of the step's code and of what it depends on."""
        plain = json.dumps(TypeAdapter(Any).dump_python(told, mode="json"), sort_keys=True)  # records are sorted too
        return hashlib.sha256("\n".join((self.name, code_digest(), plain)).encode()).hexdigest()[:32]


def _connection_was_lost(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Whether trying again may help: a connection that broke, not one that was refused an answer, nor broken data."""
    error: BaseException | None = state.result(raise_on_failure=False)
    while error is not None:
        if isinstance(error, ConnectionError | TimeoutError) or getattr(error, "connection_invalidated", False):
            return True
        error = error.__cause__
    return False


def _without_store(inputs: dict[str, Any]) -> dict[str, Any]:
    """All but the store: its cache moves with it."""
    return {name: value for name, value in inputs.items() if name != "store"}


@overload
def step(fn: Callable[P, R], /) -> Step[P, R]: ...


@overload
def step(*, cache_key: Callable[..., Any]) -> Callable[[Callable[P, R]], Step[P, R]]: ...


def step(fn: Callable[P, R] | None = None, /, *, cache_key: Callable[..., Any] | None = None) -> Any:
    """Make a step of a function that takes settings, artifacts and one `store`, and returns artifacts.

    Args:
        fn: The function, if the decorator is used without arguments.
        cache_key: Called with the inputs of the step; its result replaces them as the cache key. If it had to read
            what the step needs, it returns `CacheInputs`, and the step receives that table as `read`.

    Returns:
        The step, or a decorator that makes one.
    """
    return Step(fn, cache_key) if fn else lambda function: Step(function, cache_key)


def _claims(record: Any) -> Iterator[Artifact]:
    if isinstance(record, dict):
        if set(record) == set(Artifact.model_fields):
            yield Artifact.model_validate(record)
        else:
            for value in record.values():
                yield from _claims(value)
    elif isinstance(record, list):
        for value in record:
            yield from _claims(value)
