"""What Prefect costs a night: the flow with a server, beside the same steps as plain functions, in one process."""

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


def plainly(self: Step, *args: Any, **kwargs: Any) -> Any:
    """A step without its task."""
    done = self._run_cached(dict(self._signature.bind(*args, **kwargs).arguments))
    return done.data if isinstance(done, State) else done


@flow(name="empty", persist_result=False)
def empty() -> None:
    """What any flow run costs."""


def test_overhead(tmp_path, monkeypatch):
    folder = small_world(tmp_path / "world", "small", end="2024-01-31")
    monkeypatch.setenv("NIGHTCAST_STORE", str(folder / "store"))
    spec = str(folder / "pipelines/small.yaml")
    nightly(spec, "2024-01-30")  # from here on every step is remembered, so that only what is around it is measured
    times: dict[str, list[float]] = {"flow": [], "plain": [], "empty": []}
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        nightly(spec, "2024-01-30")
        times["flow"].append(time.perf_counter() - begun)
        begun = time.perf_counter()
        empty()
        times["empty"].append(time.perf_counter() - begun)
        with monkeypatch.context() as patch:
            patch.setattr(Step, "__call__", plainly)
            begun = time.perf_counter()
            nightly.fn(spec, "2024-01-30")
            times["plain"].append(time.perf_counter() - begun)
    whole, plain, nothing = (1000 * statistics.median(times[name]) for name in ("flow", "plain", "empty"))
    steps = 12
    print(
        f"\na remembered night of {steps} steps, medians of {ROUNDS}: {whole:.0f} ms as a flow, {plain:.0f} ms plain "
        f"functions; an empty flow {nothing:.0f} ms: {(whole - plain) / steps:.1f} ms a step, "
        f"{(whole - plain - nothing) / steps:.1f} ms without what any flow run costs"
    )
