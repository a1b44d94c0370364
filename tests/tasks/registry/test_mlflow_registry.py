"""MLflow: one version per set of weights, aliases that move, and no file that could run code."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.registry.mlflow_registry import LoggedModel, ModelRegistry, TrackingSettings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="module")
def registry(folder: Path) -> ModelRegistry:
    tracking = TrackingSettings(uri=f"sqlite:///{folder}/mlflow.db", artifacts=(folder / "artifacts").as_uri())
    return ModelRegistry(tracking, "shop")


def logged(digest: str = "d1") -> LoggedModel:
    return LoggedModel(
        name="gru-64",
        digest=digest,
        settings={"model": "{'cell': 'gru'}", "quantiles": "[0.5]"},
        metrics={"mase": 0.8, "wql": 0.1},
        curve=(3.0, 2.0, 2.5),
        weights=b"weights of " + digest.encode(),
        settings_json='{"horizon": 3}',
    )


def test_same_weights_of_same_night_are_one_run(registry: ModelRegistry) -> None:
    first = registry.log_model(logged(), "night-1")
    assert registry.log_model(logged(), "night-1") == first
    assert registry.log_model(logged(), "night-2") != first
    assert registry.log_model(logged("d2"), "night-1") != first


def test_run_has_metrics_curve_and_settings(registry: ModelRegistry) -> None:
    run = registry.client.get_run(registry.log_model(logged(), "night-1"))
    assert run.info.status == "FINISHED"
    assert run.data.metrics["mase"] == 0.8
    assert run.data.params["quantiles"] == "[0.5]"
    curve = registry.client.get_metric_history(run.info.run_id, "validation_loss")
    assert [(point.step, point.value) for point in curve] == [(1, 3.0), (2, 2.0), (3, 2.5)]


def test_artifacts_are_weights_and_settings_without_pickles(registry: ModelRegistry, folder: Path) -> None:
    registry.log_model(logged(), "night-1")
    names = {path.name for path in (folder / "artifacts").rglob("model/*") if path.is_file()}
    assert names == {"weights.safetensors", "settings.json"}
    assert not [path for path in folder.rglob("*") if path.suffix in {".pkl", ".pickle", ".pt", ".pth", ".joblib"}]
    weights = next(path for path in folder.rglob("weights.safetensors") if path.read_bytes() == b"weights of d1")
    assert (weights.parent / "settings.json").read_text() == '{"horizon": 3}'


def test_drawings_and_curves_are_logged_with_the_model(registry: ModelRegistry, folder: Path) -> None:
    long = tuple(float(epoch) for epoch in range(1, 1202))  # more than MLflow takes at once
    model = logged("d9").model_copy(update={"drawings": {"cell": b"<svg/>"}, "curves": {"gradient_norm.skip": long}})
    run = registry.log_model(model, "night-1")
    assert (folder / "artifacts" / run / "artifacts" / "memory" / "cell.svg").read_bytes() == b"<svg/>"
    curve = registry.client.get_metric_history(run, "gradient_norm.skip")
    assert sorted((point.step, point.value) for point in curve) == list(enumerate(long, 1))


def test_same_weights_are_registered_once(registry: ModelRegistry) -> None:
    run = registry.log_model(logged("v1"), "night-1")
    first = registry.register_version("v1", run, "night-1")
    assert registry.register_version("v1", run, "night-2") == first
    other = registry.register_version("v2", registry.log_model(logged("v2"), "night-2"), "night-2")
    assert int(other) == int(first) + 1
    assert len(registry.client.search_model_versions("name = 'shop'")) == 2


def test_version_points_to_its_weights(registry: ModelRegistry) -> None:
    run = registry.log_model(logged("v1"), "night-1")
    version = registry.client.get_model_version("shop", registry.register_version("v1", run, "night-1"))
    assert version.tags["nightcast.digest"] == "v1"
    assert (Path(version.source.removeprefix("file://")) / "weights.safetensors").read_bytes() == b"weights of v1"


def test_alias_moves_forward_and_back(registry: ModelRegistry) -> None:
    versions = [registry.register_version(d, registry.log_model(logged(d), "night-1"), "night-1") for d in ("v1", "v2")]
    for version in (*versions, versions[0]):
        registry.set_alias("champion", version)
        assert str(registry.client.get_model_version_by_alias("shop", "champion").version) == version


def test_alias_to_an_unknown_version_returns_false(registry: ModelRegistry) -> None:
    registry.register_version("v1", registry.log_model(logged("v1"), "night-1"), "night-1")
    assert not registry.set_alias("champion", "77")
    assert registry.set_alias("champion", "1")


def test_pipelines_share_a_registry_but_no_versions(registry: ModelRegistry) -> None:
    other = ModelRegistry(registry.tracking, "shop-two")
    run = other.log_model(logged("v1"), "night-1")
    assert other.register_version("v1", run, "night-1") == "1"
    assert other.client.get_run(run).info.experiment_id != registry.client.get_experiment_by_name("shop").experiment_id


def test_registry_opens_a_copied_database(tmp_path: Path, folder: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    ModelRegistry(TrackingSettings(uri=f"sqlite:///{tmp_path}/copy/mlflow.db"), "shop")
    assert not list((tmp_path / "copy").glob(".*.part"))


def test_registry_killed_during_creation_is_created_again(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from tasks.registry import mlflow_registry\n"
        "os.link = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # the database is made, and not yet in place\n"
        "mlflow_registry.ModelRegistry(mlflow_registry.TrackingSettings(uri=sys.argv[1]), 'ports')\n"
    )
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    killed = subprocess.run([sys.executable, "-c", code, uri], check=False, capture_output=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "mlflow.db").exists()
    registry = ModelRegistry(TrackingSettings(uri=uri, artifacts=(tmp_path / "files").as_uri()), "ports")
    assert registry.client.search_registered_models() == []


@pytest.mark.parametrize(
    ("uri", "refused"),
    [
        ("mlruns", True),
        ("/data/mlruns", True),
        ("file:///data/mlruns", True),
        ("sqlite:////data/mlflow.db", False),
        ("postgresql+psycopg://me@host/mlflow", False),
        ("https://mlflow.example.com", False),
        ("databricks", False),
    ],
)
def test_folder_is_named_as_a_registry_that_mlflow_refuses(uri, refused):
    problem = TrackingSettings(uri=uri).problem
    assert bool(problem) is refused
    if problem:
        assert f"NIGHTCAST_MLFLOW_URI is the folder {uri!r}" in problem
        assert "sqlite:///mlflow.db" in problem


def test_run_and_model_say_what_they_are(registry: ModelRegistry) -> None:
    tags = {"nightcast.as_of": "2024-02-08T01:00:00+02:00"}
    night = logged("n1").model_copy(update={"tags": tags, "description": "gru of pipeline ports."})
    key = registry.log_model(night, "night-1")
    run = registry.client.get_run(key)
    assert run.info.run_name == f"{night.name} 2024-02-07 23:00"
    assert run.data.tags["mlflow.note.content"] == "gru of pipeline ports."
    registry.register_version("n1", key, "night-1")
    assert (
        f"nightcast promote {registry.pipeline} VERSION"
        in registry.client.get_registered_model(registry.pipeline).description
    )
    assert registry.client.get_run(registry.log_model(logged("n2"), "night-1")).info.run_name == night.name
