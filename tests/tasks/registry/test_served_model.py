"""Every registered version loads with mlflow.pyfunc and serves, without a pickle, also in a copied store."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import yaml

from data_contracts.artifact import Artifact
from models.bundle import Bundle
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import OutputSpec
from tasks.modeling.serving import forecast_history
from tasks.registry.aliases import point_alias
from tasks.registry.completion import complete_version
from tasks.registry.logged_model import LoggedModel
from tasks.registry.mlflow_registry import ModelRegistry, TrackingSettings
from tasks.registry.model_files import ServingSettings, build_example, build_model_files
from tasks.registry.served_model import ServedModel
from tasks.registry.version_contents import VersionOrigin, build_logged_model
from tasks.storage.store import Store
from tests.tasks.modeling.test_serving import NETWORK, history

DATA = NETWORK.to_bytes()
AS_OF = datetime(2024, 3, 2, 6, tzinfo=UTC)
SERVING = ServingSettings(minimum=0.0)
BOUNDS = OutputSpec(quantiles=NETWORK.levels, minimum=0.0)
MAX_START_S = 180.0


def tracking_of(root: Path) -> TrackingSettings:
    home = root / "mlflow"
    return TrackingSettings(uri=f"sqlite:///{home}/mlflow.db", artifacts=(home / "artifacts").as_uri(), in_store=True)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which version 1 of `ports` is champion."""
    root = tmp_path_factory.mktemp("served") / "store"
    weights = Store(root=str(root)).put_bytes(DATA, "bundle", "safetensors")
    clean = Artifact(contract="clean@1.0.0", uri="artifacts/clean/c.parquet", digest="c" * 64, rows=72)
    origin = VersionOrigin(
        pipeline="ports", run_id="night", as_of=AS_OF, revision="abc123", dataset=clean, root=str(root)
    )
    registry = ModelRegistry(tracking_of(root), "ports")
    model = build_logged_model("gru-8", weights, DATA, origin, SERVING)
    run = registry.log_model(model, "night")
    version = registry.register_version(weights.digest, run, "night", model.description, model.tags)
    point_alias(registry, version)
    return root


def load(root: Path, monkeypatch: pytest.MonkeyPatch, model: str = "models:/ports@champion") -> Any:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.setattr(mlflow, "_registry_uri", None, raising=False)
    mlflow.set_tracking_uri(tracking_of(root).uri)
    return mlflow.pyfunc.load_model(model)


def test_champion_loads_and_forecasts_as_the_night(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(root, monkeypatch)
    expected = forecast_history(NETWORK, history(), BOUNDS)
    pd.testing.assert_frame_equal(loaded.predict(history()), expected, check_exact=True)
    assert loaded.metadata.signature.inputs.input_names() == ["unique_id", "ds", "y", "plan", "wind", "port"]
    assert loaded.metadata.signature.outputs.input_names() == list(expected.columns)
    assert len(loaded.predict(loaded.input_example)) == NETWORK.horizon


def test_missing_column_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Exception, match=r"missing inputs \['plan'\]"):
        load(root, monkeypatch).predict(history().drop(columns="plan"))


def test_copied_store_loads_its_own_files(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    ModelRegistry(tracking_of(copy), "ports").locate_artifacts()
    hidden = root.with_name("hidden")
    root.rename(hidden)
    try:
        assert len(load(copy, monkeypatch).predict(history())) == 12
    finally:
        hidden.rename(root)


def test_run_and_version_say_where_the_model_comes_from(root: Path) -> None:
    client = ModelRegistry(tracking_of(root), "ports").client
    version = client.get_model_version("ports", "1")
    run = client.get_run(version.run_id)
    expected = {"pipeline": "ports", "run_id": "night", "as_of": "2024-03-02T06:00:00+00:00", "git_revision": "abc123"}
    for tags in (version.tags, run.data.tags):
        assert {f"nightcast.{name}": value for name, value in expected.items()}.items() <= tags.items()
        assert tags["nightcast.release"]
    assert version.description.startswith("gru-8 of pipeline ports, as of 2024-03-02 06:00 UTC.")
    assert run.data.params["model.cell"] == NETWORK.recurrent.model["cell"]
    assert run.data.params["training.threads"] == str(NETWORK.recurrent.training.threads)
    (logged,) = run.inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest) == ("clean", "c" * 16)
    assert json.loads(logged.dataset.source) == {"uri": f"{root}/artifacts/clean/c.parquet"}
    assert json.loads(logged.dataset.profile) == {"rows": 72}


def test_files_have_no_pickle_no_absolute_path_and_the_same_bytes(root: Path) -> None:
    files = build_model_files(NETWORK, "d", SERVING)
    assert files == build_model_files(NETWORK, "d", SERVING)
    text = b"".join(files.values()).decode()
    assert str(root) not in text
    assert "/work" not in text
    assert "pickle" not in files["MLmodel"].decode()
    names = {path.name for path in root.rglob("model/*")}
    assert names - {"registered_model_meta"} == {*files, "weights.safetensors", "settings.json"}  # MLflow adds it


def test_version_of_an_earlier_release_becomes_loadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(root=str(tmp_path / "store"))
    weights = store.put_bytes(DATA, "bundle", "safetensors")
    registry = ModelRegistry(tracking_of(tmp_path / "store"), "ports")
    old = LoggedModel(
        name="gru-8", digest=weights.digest, settings={}, metrics={}, curve=(), weights=DATA, settings_json="{}"
    )
    version = registry.register_version(weights.digest, registry.log_model(old, "night"), "night")
    champion = Candidate(name="gru-8", role="champion", bundle=weights, version=version)
    assert complete_version(registry, champion, SERVING, store)
    assert not complete_version(registry, champion, SERVING, store)
    assert len(load(tmp_path / "store", monkeypatch, "models:/ports/1").predict(history())) == 12


def test_forecast_of_a_series_that_several_columns_name_has_these_columns() -> None:
    settings = ServingSettings(id_columns=("store", "item"))
    described = yaml.safe_load(build_model_files(NETWORK, "d", settings)["MLmodel"])
    served = ServedModel()
    served.bundle, served.bounds = NETWORK, BOUNDS
    served.id_columns = tuple(described["flavors"]["python_function"]["config"]["id_columns"])
    named = history().assign(unique_id=lambda table: "north/" + table["unique_id"])
    table = served.predict(None, named)
    assert set(table["store"]) == {"north"}
    assert ("north/" + table["item"]).equals(table["unique_id"])
    outputs = json.loads(described["signature"]["outputs"])
    assert [column["name"] for column in outputs] == table.columns.tolist()
    assert [column["name"] for column in outputs if not column["required"]] == ["store", "item"]


@pytest.mark.parametrize("kind", ["network", "baseline"])
def test_example_is_accepted_and_holds_no_value_of_the_source(
    kind: str, model: Callable[..., Candidate], store: Store
) -> None:
    bundle = NETWORK if kind == "network" else Bundle.from_bytes(store.get_bytes(model("gru", 0.5).bundle))
    example = build_example(bundle)
    assert len(forecast_history(bundle, example, OutputSpec(quantiles=bundle.levels))) == bundle.horizon
    assert set(example["unique_id"]) == {"example"}


@contextlib.contextmanager
def served(root: Path) -> Any:
    """`mlflow models serve` on a free port of 127.0.0.1; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ("models", "serve", "-m", "models:/ports@champion", "--env-manager", "local", "-h", "127.0.0.1")
    environment = {
        "MLFLOW_TRACKING_URI": tracking_of(root).uri, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true", "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    }  # fmt: skip
    command = [sys.executable, "-m", "mlflow", *words, "-p", str(port), "-w", "1"]
    log = (root.parent / "serve.log").open("w+")
    server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        ends = time.monotonic() + MAX_START_S
        while time.monotonic() < ends and server.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"http://127.0.0.1:{port}/ping", timeout=5).raise_for_status()
                break
            time.sleep(0.5)
        else:
            log.seek(0)
            raise AssertionError(log.read())
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
        log.close()


def post(address: str, body: dict[str, Any]) -> tuple[int, str]:
    answer = httpx.post(address, json=body, timeout=60)
    return answer.status_code, answer.text


@pytest.mark.slow
def test_mlflow_models_serve_answers_records_and_split(root: Path) -> None:
    table = history()
    table["ds"] = table["ds"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    table = table.astype(object).where(table.notna(), None)
    expected = forecast_history(NETWORK, history(), BOUNDS)
    with served(root) as address:
        split = {"columns": list(table.columns), "data": table.to_numpy().tolist()}
        for body in ({"dataframe_records": table.to_dict("records")}, {"dataframe_split": split}):
            status, text = post(address, body)
            assert status == 200, text
            answer = pd.DataFrame(json.loads(text)["predictions"])
            assert answer["y_hat"].tolist() == expected["y_hat"].tolist()
            assert pd.to_datetime(answer["ds"], utc=True).tolist() == expected["ds"].tolist()
        records = table.to_dict("records")
        records[3]["y"] = "many"
        status, text = post(address, {"dataframe_records": records})
        assert status == 400
        assert "column 'y' of row 3 (series 'a'" in text
