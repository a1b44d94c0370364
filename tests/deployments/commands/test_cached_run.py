"""A night is run without Prefect only if it ended before, in this store, and no server is set that records it."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from deployments.commands.cached_run import run_if_cached
from tasks.engine.cached_only import require_cached
from tests.deployments.conftest import small_world

AS_OF = "2024-01-30"


@pytest.fixture
def request_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The parameters of a night whose store has a manifest that says it is done."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    folder = small_world(tmp_path / "world", "small", end="2024-01-31")
    manifest = {"pipeline": "small", "flow": "nightly", "as_of": f"{AS_OF}T00:00:00+00:00", "outcome": "done"}
    path = tmp_path / "store/runs/pipeline=small/0123456789abcdef.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return {"pipeline": str(folder / "pipelines/small.yaml"), "as_of": AS_OF, "dry_run": False, "force": False}


def flow_that(step: str) -> SimpleNamespace:
    """Return a flow whose only step is cached, if `step` is empty, or is not."""

    def run(**_parameters: object) -> str:
        if step:
            require_cached(step)
        return "outcome"

    return SimpleNamespace(name="nightly", fn=run, validate_parameters=lambda parameters: parameters)


def test_cached_night_is_run(request_of: dict[str, object]) -> None:
    assert run_if_cached(flow_that(""), request_of) == "outcome"


def test_night_that_has_to_compute_is_left_to_prefect(request_of: dict[str, object]) -> None:
    assert run_if_cached(flow_that("train"), request_of) is None


@pytest.mark.parametrize("changes", [{"as_of": "2024-01-29"}, {"as_of": None}, {"pipeline": "nowhere.yaml"}])
def test_night_that_never_ended_is_left_to_prefect(request_of: dict[str, object], changes: dict[str, object]) -> None:
    assert run_if_cached(flow_that(""), request_of | changes) is None


def test_night_with_a_server_is_left_to_prefect(request_of: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert run_if_cached(flow_that(""), request_of) is None
