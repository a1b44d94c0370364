"""A night whose Prefect server or MLflow does not answer publishes all the same, and says what is missing."""

import subprocess

import pytest

from tests.deployments.conftest import NIGHTCAST, free_port, small_world, surroundings

pytestmark = pytest.mark.slow


def nightly(folder, **environment):
    words = [NIGHTCAST, "nightly", "small", "--as-of", "2024-01-30T03:00Z"]
    env = surroundings(folder, **environment)
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert (folder / "store/latest/pipeline=small/forecasts.parquet").exists(), done.stderr
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("done · nightly · small · ")
    return done


def test_without_its_prefect_server_a_night_starts_one_of_its_own(tmp_path):
    folder = small_world(tmp_path / "world", "small", end="2024-01-31")
    told = nightly(folder, PREFECT_API_URL=f"http://127.0.0.1:{free_port()}/api")
    assert "does not answer (ConnectError): this run continues without it" in told.stderr


def test_without_mlflow_a_night_forecasts_and_says_that_nothing_was_registered(tmp_path):
    folder = small_world(tmp_path / "world", "small", end="2024-01-31")
    told = nightly(folder, NIGHTCAST_MLFLOW_URI=f"http://127.0.0.1:{free_port()}")
    assert "register failed" in told.stdout
