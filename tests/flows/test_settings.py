"""Defaults of the environment, and what it overrides."""

import pytest

from data_contracts.errors import SpecError
from flows.settings import Settings


def test_every_setting_has_a_working_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("STORE", "MLFLOW_URI", "PIPELINES"):
        monkeypatch.delenv(f"NIGHTCAST_{name}", raising=False)
    settings = Settings()
    assert settings.opened_store.root == "store"
    assert settings.tracking.uri == f"sqlite:///{tmp_path}/store/mlflow/mlflow.db"
    assert settings.tracking.artifacts == (tmp_path / "store" / "mlflow" / "artifacts").as_uri()


def test_settings_are_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("NIGHTCAST_STORE", "/data/nights")
    monkeypatch.setenv("NIGHTCAST_MLFLOW_URI", "http://127.0.0.1:5000")
    settings = Settings()
    assert settings.opened_store.root == "/data/nights"
    assert settings.tracking.uri == "http://127.0.0.1:5000"
    assert settings.tracking.artifacts is None


def test_store_in_a_bucket_needs_an_mlflow_address(monkeypatch):
    monkeypatch.setenv("NIGHTCAST_STORE", "s3://bucket/nights")
    monkeypatch.delenv("NIGHTCAST_MLFLOW_URI", raising=False)
    with pytest.raises(SpecError, match="NIGHTCAST_MLFLOW_URI"):
        _ = Settings().tracking


def test_file_store_that_mlflow_may_use_is_not_a_problem(monkeypatch):
    monkeypatch.setenv("NIGHTCAST_MLFLOW_URI", "mlruns")
    assert "is the folder 'mlruns'" in (Settings().registry_problem or "")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    assert Settings().registry_problem is None


def test_wrong_variable_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTCAST_ENGINE", "spark")
    with pytest.raises(SpecError, match="NIGHTCAST_ENGINE is 'spark': Input should be 'local', 'dask' or 'ray'"):
        Settings()


def test_rows_of_a_part_are_those_of_the_environment(monkeypatch):
    monkeypatch.setenv("NIGHTCAST_PARTITION_ROWS", "50000")
    assert Settings().partition_rows == 50_000
    monkeypatch.setenv("NIGHTCAST_PARTITION_ROWS", "0")
    with pytest.raises(SpecError, match=r"NIGHTCAST_PARTITION_ROWS is '0': Input should be greater than or equal to 1"):
        Settings()
