"""A night publishes without its Prefect server or MLflow, and reports which one is missing."""

import subprocess

import pytest

from tests.deployments.conftest import NIGHTCAST, free_port, small_world, user_environment

pytestmark = pytest.mark.slow


def nightly(folder, **environment):
    words = [NIGHTCAST, "nightly", "small", "--as-of", "2024-01-30T03:00Z"]
    env = user_environment(folder, **environment)
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert (folder / "store/latest/pipeline=small/forecasts.parquet").exists(), done.stderr
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("done · nightly · small · ")
    return done


def test_night_runs_without_its_prefect_server(tmp_path):
    folder = small_world(tmp_path / "world", "small", end="2024-01-31")
    result = nightly(folder, PREFECT_API_URL=f"http://127.0.0.1:{free_port()}/api")
    assert "does not answer (ConnectError): this run continues without it" in result.stderr


def test_night_without_mlflow_publishes_and_reports_failed_registration(tmp_path):
    folder = small_world(tmp_path / "world", "small", end="2024-01-31")
    result = nightly(folder, NIGHTCAST_MLFLOW_URI=f"http://127.0.0.1:{free_port()}")
    assert "register failed" in result.stdout
