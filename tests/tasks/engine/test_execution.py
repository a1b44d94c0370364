"""Calls on the workers of a cluster: their results, their errors, a lost worker, and a cluster that does not answer."""

import importlib.util
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data_contracts.errors import SpecError
from tasks.engine.code_digest import code_digest
from tasks.engine.execution import (
    LOCAL,
    ExecutionSpec,
    connected_executor,
    executed_on,
    has_cluster,
    open_executor,
    run_on_worker,
)
from tasks.engine.failure import StepFailure
from tasks.engine.step_process import ProcessEnded
from tasks.storage.store import Store
from tests.tasks.engine.clusters import dask_cluster, ray_cluster
from tests.tasks.engine.test_step_process import count_letters


@pytest.fixture(scope="module")
def dask() -> Iterator[tuple[ExecutionSpec, list[Any]]]:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    with dask_cluster() as (address, workers):
        yield ExecutionSpec(engine="dask", address=address), workers


def make_calls(spec: ExecutionSpec, store: Store) -> None:
    calls = [{"word": word, "store": store} for word in ("train", "wrong")]
    with open_executor(spec) as executor:
        assert executor is not None
        with count_letters.submitted(calls, executor):
            there, failed = count_letters("train", store), count_letters.attempt("wrong", store)
    assert (there["letters"], there["root"]) == (5, store.root)
    assert there["process"] != os.getpid()
    assert failed == StepFailure(step="count_letters", reason="this word is wrong")
    assert count_letters("train", store) == there  # from the cache


def test_calls_run_on_dask_workers(dask: tuple[ExecutionSpec, Any], store: Store) -> None:
    make_calls(dask[0], store)


def test_steps_of_a_run_connect_for_as_long_as_their_calls_take(dask: tuple[ExecutionSpec, Any]) -> None:
    with executed_on(dask[0]):
        for _ in range(2):
            assert has_cluster()
            with connected_executor() as executor:
                assert executor is not None
                assert executor.workers == 2
    assert not has_cluster()
    with connected_executor() as executor:
        assert executor is LOCAL


def test_cluster_that_did_not_answer_is_not_asked_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.engine.execution.CONNECT_TIMEOUT_S", 0.5)
    with executed_on(ExecutionSpec(engine="dask", address="tcp://127.0.0.1:9")):
        for _ in range(2):
            with connected_executor() as executor:
                assert executor is None
        assert not has_cluster()
    assert caplog.text.count("does not answer") == 1


@pytest.mark.slow
def test_calls_run_on_ray_workers(store: Store) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    with ray_cluster() as address:
        make_calls(ExecutionSpec(engine="ray", address=address), store)


def test_call_that_its_worker_cannot_end_is_made_here(
    dask: tuple[ExecutionSpec, Any], store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_executor(dask[0]) as executor:
        assert executor is not None
        with count_letters.submitted([{"word": "killed", "store": store}], executor):
            monkeypatch.setattr(os, "kill", lambda *_: None)  # of this process: it would end the tests
            assert count_letters("killed", store)["process"] == os.getpid()
    assert "was stopped by SIGKILL; it runs again in this process" in caplog.text


def test_call_of_a_killed_worker_goes_to_another(
    dask: tuple[ExecutionSpec, list[Any]], store: Store, tmp_path: Path
) -> None:
    spec, workers = dask
    flag = tmp_path / "go"
    call = {"word": f"wait for {flag}", "store": store}
    with open_executor(spec) as executor:
        assert executor is not None
        with count_letters.submitted([call], executor):
            began = tmp_path / "began"
            while not began.exists():
                time.sleep(0.05)
            first = int(began.read_text())
            os.killpg(os.getpgid(first), signal.SIGKILL)  # the worker, its nanny and the process of the call
            threading.Timer(0.5, flag.touch).start()
            assert count_letters(**call)["process"] not in (first, os.getpid())
    assert sum(worker.poll() is None for worker in workers) == len(workers) - 1


@pytest.mark.parametrize(("engine", "scheme"), [("dask", "tcp://"), ("ray", ""), ("ray", "ray://")])
def test_cluster_that_does_not_answer_is_named_and_the_calls_are_made_here(
    engine: Any, scheme: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"{scheme}127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setattr("tasks.engine.execution.CONNECT_TIMEOUT_S", 0.5)
    spec = ExecutionSpec(engine=engine, address=address)
    with caplog.at_level(logging.WARNING, "nightcast"), open_executor(spec) as executor:
        assert executor is None
    assert f"the {engine} cluster at {address} does not answer" in caplog.text


def test_worker_with_other_code_refuses_a_call() -> None:
    with pytest.raises(ProcessEnded, match="another release"):
        run_on_worker("tasks.training", "train", {}, "0" * len(code_digest("tasks.training")))


def test_engine_without_address_or_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError, match="NIGHTCAST_ENGINE_ADDRESS is not set"):
        ExecutionSpec(engine="dask").check()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SpecError, match=r"pip install 'nightcast\[ray\]'"):
        ExecutionSpec(engine="ray", address="127.0.0.1:1").check()
    ExecutionSpec().check()
