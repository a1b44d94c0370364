"""Doors: nothing of a run is persisted by pickle, and a pickle that someone plants is not opened."""

import base64
import json
import pickle
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

from data_contracts.errors import NightcastError
from flows.backfill import backfill
from flows.backtest import backtest
from flows.forecast import forecast
from flows.monitor import monitor
from flows.nightly import nightly
from flows.promote import promote
from flows.retrain import retrain
from flows.tune import tune

FLOWS = (nightly, retrain, forecast, monitor, tune, backfill, promote, backtest)


class Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def plant(folder: Path, trap: bytes) -> int:
    """Replace the content of each file below `folder`; return how many there are."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".db"]
    for path in files:
        path.write_bytes(trap)
    return len(files)


def test_failed_run_persists_its_error_as_json(world, prefect_server, tmp_path):
    (world / "ports.parquet").write_bytes(b"not a table")
    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: tmp_path / "results"}):
        for flow in (nightly, backfill):
            arguments = ("2024-02-08", "2024-02-08") if flow is backfill else ("2024-02-08",)
            with pytest.raises(NightcastError):
                flow(str(world / "ports.yaml"), *arguments)
    records = [path for path in (tmp_path / "results").rglob("*") if path.is_file()]
    assert len(records) >= 2  # Prefect writes one per failed flow, whatever persist_result is
    for path in records:
        record = json.loads(path.read_bytes())
        assert record["__exc_type__"].startswith("data_contracts.errors.")
        assert "ports.parquet broke its contract" in record["message"]


def test_planted_result_of_a_failed_run_is_not_unpickled(world, prefect_server, tmp_path):
    (world / "ports.parquet").write_bytes(b"not a table")
    mark = tmp_path / "mark"
    trap = base64.encodebytes(pickle.dumps(Trap(mark)))  # as the serializer of Prefect reads it
    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: tmp_path / "results"}):
        state = nightly(str(world / "ports.yaml"), "2024-02-08", return_state=True)
        assert state.is_failed()
        assert plant(tmp_path / "results", trap) == 1
        with get_client(sync_client=True) as client:
            run = client.read_flow_run(state.state_details.flow_run_id)
        with pytest.raises(json.JSONDecodeError):
            run.state.result(raise_on_failure=False)
    assert not mark.exists()


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_no_flow_uses_the_default_serializer(flow):
    assert (flow.persist_result, flow.result_serializer) == (False, "json")


@pytest.mark.slow
def test_night_opens_no_pickle_planted_in_the_store_or_in_prefects_home(world, prefect_server, tmp_path):
    mark, results = tmp_path / "mark", tmp_path / "results"
    trap = pickle.dumps(Trap(mark))
    pickle.loads(trap)  # noqa: S301 - the trap works
    assert mark.exists()
    mark.unlink()
    results.mkdir()
    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: results}):
        assert nightly(str(world / "ports.yaml"), "2024-02-08").published
        for folder in ("artifacts", "cache", "decisions", "mlflow"):
            assert plant(world / "store" / folder, trap), folder
            for night in ("2024-02-08", "2024-02-09"):
                try:
                    nightly(str(world / "ports.yaml"), night)
                except NightcastError:
                    plant(results, trap)
            assert not mark.exists(), folder
