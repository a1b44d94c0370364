"""After downtime, late runs keep their scheduled night and run oldest first."""

import pytest

from tests.deployments.conftest import Up, small_world, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NIGHTS = ("2024-01-28T03:00:00Z", "2024-01-29T03:00:00Z", "2024-01-30T03:00:00Z")


def published(folder):
    state_of_run = sorted((folder / "store/forecasts/pipeline=small").glob("vintage=*/forecasts.parquet"))
    return {path.parent.name: path.read_bytes() for path in state_of_run}


def decisions(folder):
    return {path.name: path.read_bytes() for path in (folder / "store/decisions/pipeline=small").glob("*.json")}


def test_late_nights_give_the_same_results_as_punctual_ones(tmp_path):
    on_time = Up(small_world(tmp_path / "on-time", "small", epochs=150, end="2024-01-31"))
    for night in NIGHTS:
        assert on_time.nightcast("nightly", "small", "--as-of", night).returncode == 0
    stack = Up(small_world(tmp_path / "late", "small", epochs=150, end="2024-01-31")).start()
    try:
        with stack.client() as client:
            deployment = client.get("/deployments/name/nightly/small").json()["id"]
            runs = []
            for night in reversed(NIGHTS):  # newest first: running in this order would give other champions
                state = {"type": "SCHEDULED", "name": "Late", "state_details": {"scheduled_time": night}}
                made = client.post(f"/deployments/{deployment}/create_flow_run", json={"state": state})
                runs.append(made.json()["id"])
        for run in runs:
            state_of_run = stack.wait_for(run, "COMPLETED", "FAILED", "CRASHED", seconds=300)
            assert state_of_run["state"]["type"] == "COMPLETED", state_of_run["state"]["message"]
    finally:
        stack.stop()
    until(lambda: len(published(tmp_path / "late")) == 3, 10)
    assert decisions(tmp_path / "late") == decisions(tmp_path / "on-time")
    assert published(tmp_path / "late") == published(tmp_path / "on-time")
