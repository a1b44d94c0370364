"""The same night on this machine, on Dask and on Ray, also when a worker is lost or the store is a bucket."""

import io
import threading
from pathlib import Path

import fsspec
import pandas as pd
import pytest
import yaml

from data_contracts.errors import SpecError
from flows.nightly import nightly
from tasks.storage.store import Store
from tests.tasks.engine.clusters import dask_cluster, kill_worker, ray_cluster

NIGHT = "2024-02-08"
MODELS = [{"cell": cell, "hidden": 16, "segment": 12} for cell in ("gru", "lstm")]

pytestmark = pytest.mark.usefixtures("prefect_server")


def forecast_night(world: Path, root: str, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Run the night in a store of its own, check that both networks were trained, and return the forecasts."""
    monkeypatch.setenv("NIGHTCAST_STORE", root)
    spec = yaml.safe_load((world / "ports.yaml").read_text(encoding="utf-8")) | {"models": MODELS}
    (world / "ports.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    outcome, store = nightly(str(world / "ports.yaml"), NIGHT), Store(root=root)
    manifest = store.read_json(str(outcome.manifest))
    assert manifest is not None
    trained = [model["candidate"]["name"] for model in manifest["story"]["trained"]]
    assert trained == ["gru-16-s12", "lstm-16-s12"]
    return pd.read_parquet(io.BytesIO(store.bytes_at("latest/pipeline=ports/forecasts.parquet")))


@pytest.mark.slow
def test_forecasts_do_not_depend_on_the_engine(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = forecast_night(world, str(world / "local"), monkeypatch)
    with dask_cluster() as (address, _):
        monkeypatch.setenv("NIGHTCAST_ENGINE", "dask")
        monkeypatch.setenv("NIGHTCAST_ENGINE_ADDRESS", address)
        pd.testing.assert_frame_equal(forecast_night(world, str(world / "dask"), monkeypatch), here)
    with ray_cluster() as address:
        monkeypatch.setenv("NIGHTCAST_ENGINE", "ray")
        monkeypatch.setenv("NIGHTCAST_ENGINE_ADDRESS", address)
        pd.testing.assert_frame_equal(forecast_night(world, str(world / "ray"), monkeypatch), here)


@pytest.mark.slow
def test_night_ends_right_when_a_worker_is_killed(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, killed = forecast_night(world, str(world / "local"), monkeypatch), list[int]()
    with dask_cluster() as (address, workers):
        monkeypatch.setenv("NIGHTCAST_ENGINE", "dask")
        monkeypatch.setenv("NIGHTCAST_ENGINE_ADDRESS", address)
        killer = threading.Thread(target=kill_worker, args=([worker.pid for worker in workers], killed))
        killer.start()
        there = forecast_night(world, str(world / "dask"), monkeypatch)
        killer.join()
        assert len(killed) == 1
    pd.testing.assert_frame_equal(there, here)


@pytest.mark.slow
def test_workers_share_a_bucket(world: Path, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = forecast_night(world, str(world / "local"), monkeypatch)
    access = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in (access | {"AWS_ENDPOINT_URL": s3}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NIGHTCAST_MLFLOW_URI", f"sqlite:///{world}/mlflow.db")
    fsspec.filesystem("s3").clear_instance_cache()
    fsspec.filesystem("s3").mkdir("engines")
    with dask_cluster() as (address, _):
        monkeypatch.setenv("NIGHTCAST_ENGINE", "dask")
        monkeypatch.setenv("NIGHTCAST_ENGINE_ADDRESS", address)
        there = forecast_night(world, "s3://engines/store", monkeypatch)
    pd.testing.assert_frame_equal(there, here)


def test_night_with_an_engine_without_address_is_refused_at_once(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTCAST_ENGINE", "dask")
    with pytest.raises(SpecError, match="NIGHTCAST_ENGINE_ADDRESS is not set"):
        nightly(str(world / "ports.yaml"), NIGHT)
    assert not (world / "store" / "artifacts" / "raw").exists()
