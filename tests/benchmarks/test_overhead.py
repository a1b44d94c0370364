"""The overhead of Prefect: a night as a flow with a server, compared with the same steps as plain functions."""

import statistics
import time
from typing import Any

import pytest
from prefect import flow
from prefect.client.schemas.objects import State

from flows.nightly import nightly
from tasks.engine.step import Step
from tests.deployments.conftest import small_world

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("prefect_server")]
ROUNDS = 9


def call_without_task(self: Step, *args: Any, **kwargs: Any) -> Any:
    """Run a step without its Prefect task."""
    result = self._run_cached(dict(self._signature.bind(*args, **kwargs).arguments))
    return result.data if isinstance(result, State) else result


@flow(name="empty", persist_result=False)
def empty() -> None:
    """A flow without steps: the cost of any flow run."""


def test_overhead_per_step(tmp_path, monkeypatch):
    folder = small_world(tmp_path / "world", "small", end="2024-01-31")
    monkeypatch.setenv("NIGHTCAST_STORE", str(folder / "store"))
    spec = str(folder / "pipelines/small.yaml")
    nightly(spec, "2024-01-30")  # every step is cached from here on, so that only the overhead is measured
    times: dict[str, list[float]] = {"flow": [], "plain": [], "empty": []}
    for _ in range(ROUNDS):
        started = time.perf_counter()
        nightly(spec, "2024-01-30")
        times["flow"].append(time.perf_counter() - started)
        started = time.perf_counter()
        empty()
        times["empty"].append(time.perf_counter() - started)
        with monkeypatch.context() as patch:
            patch.setattr(Step, "__call__", call_without_task)
            started = time.perf_counter()
            nightly.fn(spec, "2024-01-30")
            times["plain"].append(time.perf_counter() - started)
    flow_ms, plain_ms, empty_ms = (1000 * statistics.median(times[name]) for name in ("flow", "plain", "empty"))
    steps = 12
    print(
        f"\na cached night of {steps} steps, medians of {ROUNDS}: {flow_ms:.0f} ms as a flow, {plain_ms:.0f} ms plain "
        f"functions; an empty flow {empty_ms:.0f} ms: {(flow_ms - plain_ms) / steps:.1f} ms a step, "
        f"{(flow_ms - plain_ms - empty_ms) / steps:.1f} ms without what any flow run costs"
    )
