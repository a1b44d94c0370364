"""Windows in shares: the numbers of one process, bit for bit, also if a worker is lost or another forecast fails."""

import contextlib
import logging
import threading
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from models.bundle import Bundle
from models.data.panel import Panel
from models.data.panel_table import PanelTable
from models.predict import CalibratedForecast, Predictor
from tasks.engine.execution import LOCAL, ExecutionSpec, Executor, SubmittedCall, open_executor
from tasks.engine.step_process import ProcessEnded
from tasks.modeling import sharded_prediction
from tasks.modeling.candidate import Candidate
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.sharded_prediction import ShardedPredictor, make_restorer
from tasks.storage.store import Store
from tests.tasks.engine.clusters import dask_cluster, kill_worker

FILE = Path(__file__).parents[2] / "formats/bundle_recurrent.safetensors"
NETWORK = Bundle.from_bytes(FILE.read_bytes())
STARTS = {"a": 0, "b": 7, "c": 40}  # hours after the first time of the table


class Night(NamedTuple):
    """A stored clean table of three series, a network, and 2,000 windows in the order of the series."""

    store: Store
    clean: Artifact
    candidate: Candidate
    table: PanelTable
    panel: Panel
    series: np.ndarray
    position: np.ndarray

    def sharded(self, executor: Executor) -> np.ndarray:
        """Forecast in shares on the workers of an executor."""
        predictor = ShardedPredictor(self.candidate, NETWORK, self.clean, self.table.times, self.store)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sharded_prediction, "connected_executor", lambda: contextlib.nullcontext(executor))
            return joined(predictor.forecast(self.panel, self.series, self.position))

    def whole(self) -> np.ndarray:
        """Forecast in this process."""
        return joined(Predictor(NETWORK).forecast(self.panel, self.series, self.position))


def joined(forecast: CalibratedForecast) -> np.ndarray:
    """Quantiles, and the differences of the simple forecasts that the network is blended with, (n, H, Q + 3)."""
    assert forecast.differences is not None
    return np.concatenate([forecast.quantiles, np.moveaxis(forecast.differences, 0, 2)], axis=2)


@pytest.fixture
def night(store: Store, monkeypatch: pytest.MonkeyPatch) -> Night:
    monkeypatch.setattr(sharded_prediction, "MIN_SHARE_S", 1e-9)
    times, parts = pd.date_range("2024-03-01", periods=200, freq="h", tz="UTC").as_unit("us"), list[pd.DataFrame]()
    for name, start in STARTS.items():
        hours = np.arange(start, 200)
        columns = {"y": 10 + 5 * np.sin(hours / 4 + start), "plan": 8.0 + start % 2, "wind": np.cos(hours / 5)}
        parts.append(pd.DataFrame({"unique_id": name, "ds": times[start:], **columns, "port": f"port {start}"}))
    clean = store.put(pd.concat(parts, ignore_index=True), "clean")
    candidate = Candidate(
        name=NETWORK.name, role="champion", bundle=store.put_bytes(FILE.read_bytes(), "bundle", "safetensors")
    )
    table = load_clean_table(clean, store)
    panel = Panel.from_table(table, NETWORK.view)
    series = np.repeat([0, 1, 2], [1200, 300, 500]).astype(np.int32)
    position = (np.arange(2000) % 120).astype(np.int32)  # the first windows begin before their series
    return Night(store, clean, candidate, table, panel, series, position)


def test_shares_of_two_processes_give_the_numbers_of_one(night: Night, caplog: pytest.LogCaptureFixture) -> None:
    submitted = list[dict[str, Any]]()

    def submit(module: str, name: str, inputs: dict[str, Any]) -> SubmittedCall:
        submitted.append(inputs)
        return LOCAL.submit(module, name, inputs)

    whole = night.whole()
    assert np.array_equal(night.sharded(Executor(submit, workers=2)), whole)
    assert len(submitted) == 2
    assert not caplog.records  # no share was forecast here


class LostCall:
    """A call that no worker ends."""

    is_running = False

    def __init__(self, error: Exception) -> None:
        self.error = error

    def wait(self) -> Any:
        raise self.error

    def stop(self) -> None:
        """Nothing runs."""


@pytest.mark.parametrize(
    "error", [ProcessEnded("worker 1 was lost"), NightcastError("another forecast"), ConnectionError("no store")]
)
def test_share_of_a_lost_worker_is_forecast_here(
    night: Night, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    whole = night.whole()
    with caplog.at_level(logging.WARNING, "nightcast"):
        assert np.array_equal(night.sharded(Executor(lambda *_: LostCall(error), workers=2)), whole)
    assert f"! {error}; this process forecasts 512 windows itself" in caplog.messages
    assert f"! {error}; this process forecasts 464 windows itself" in caplog.messages


@pytest.mark.slow
def test_share_of_a_killed_worker_is_forecast_by_another(night: Night) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    killed, whole = list[int](), night.whole()
    with dask_cluster() as (address, workers), open_executor(ExecutionSpec(engine="dask", address=address)) as executor:
        assert executor is not None
        killer = threading.Thread(target=kill_worker, args=([worker.pid for worker in workers], killed))
        killer.start()
        assert np.array_equal(night.sharded(executor), whole)
        killer.join()
    assert len(killed) == 1


def test_shares_that_a_cluster_does_not_take_are_forecast_here(night: Night, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(*_: Any) -> SubmittedCall:
        raise RuntimeError("the client is closed")

    whole = night.whole()
    with caplog.at_level(logging.WARNING, "nightcast"):
        assert np.array_equal(night.sharded(Executor(refuse, workers=2)), whole)
    assert "the cluster takes no call (the client is closed)" in caplog.text


def test_little_work_and_a_run_without_a_cluster_submit_nothing(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Executor(lambda *_: pytest.fail("a call was submitted"), workers=2)
    few = night._replace(series=night.series[:1500], position=night.position[:1500])
    one = night._replace(series=night.series[:1], position=night.position[:1])
    assert [part.sharded(busy).shape[0] for part in (few, one)] == [1500, 1]
    monkeypatch.setattr(sharded_prediction, "MIN_SHARE_S", 3600.0)
    assert night.sharded(busy).shape[0] == 2000
    restore = make_restorer(night.clean, night.table.times, night.store)
    assert type(restore(night.candidate, NETWORK)) is Predictor
