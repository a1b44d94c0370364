"""`nightcast check` announces what a change means for readers of published forecasts, and tries the engine."""

import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from data_contracts.errors import SpecError
from deployments.commands.check import _level_change, describe_check
from flows.pipeline.spec import PipelineSpec
from tasks.storage.store import Store
from tests.tasks.history.conftest import publish_forecasts


@pytest.mark.parametrize(
    ("quantiles", "published", "note"),
    [
        ([0.1, 0.9], True, []),
        (
            [0.05, 0.9],
            True,
            [
                "the quantile levels differ from the newest published vintage: q05 added; q10 dropped. Readers of all "
                "vintages need the lines of tasks/history/README.md"
            ],
        ),
        ([0.05, 0.9], False, []),  # the first night
    ],
)
def test_other_quantile_levels_than_published_are_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quantiles: list[float], published: bool, note: list[str]
) -> None:
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    if published:
        publish_forecasts(8, Store(root=str(tmp_path / "store")))
    spec = PipelineSpec.model_validate(
        {
            "name": "shop",
            "source": {"kind": "csv", "path": "sales.csv"},
            "columns": {"unique_id": "id", "ds": "ds", "y": "y"},
            "freq": "D",
            "windowing": {"horizon": 3},
            "forecast": {"quantiles": quantiles},
        }
    )
    assert _level_change(spec) == note


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PipelineSpec:
    """A pipeline of a hundred days of one shop."""
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    days = pd.date_range("2024-01-01", periods=100, freq="D").strftime("%Y-%m-%d")
    pd.DataFrame({"id": "a", "ds": days, "y": range(100)}).to_csv(tmp_path / "sales.csv", index=False)
    return PipelineSpec.model_validate(
        {
            "name": "shop",
            "source": {"kind": "csv", "path": str(tmp_path / "sales.csv")},
            "columns": {"unique_id": "id", "ds": "ds", "y": "y"},
            "freq": "D",
            "windowing": {"horizon": 3},
        }
    )


def test_engine_that_the_night_would_refuse_is_refused(shop: PipelineSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTCAST_ENGINE", "dask")
    with pytest.raises(SpecError, match="NIGHTCAST_ENGINE_ADDRESS is not set"):
        describe_check(shop, "2024-04-10")
    monkeypatch.setenv("NIGHTCAST_ENGINE_ADDRESS", "tcp://127.0.0.1:9")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SpecError, match=r"the package distributed is not installed.*pip install 'nightcast\[dask\]'"):
        describe_check(shop, "2024-04-10")


def test_engine_that_does_not_answer_is_a_warning(shop: PipelineSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.engine.execution.PACKAGES", {"ray": "pandas"})  # installed
    monkeypatch.setenv("NIGHTCAST_ENGINE", "ray")
    monkeypatch.setenv("NIGHTCAST_ENGINE_ADDRESS", "ray://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    assert describe_check(shop, "2024-04-10")["warnings"] == [
        "the ray cluster at ray://127.0.0.1:9 does not answer ([Errno 111] Connection refused): this machine does "
        "its work. Start its scheduler and workers, correct NIGHTCAST_ENGINE_ADDRESS, or set NIGHTCAST_ENGINE=local."
    ]
    monkeypatch.setenv("NIGHTCAST_ENGINE", "local")
    assert describe_check(shop, "2024-04-10")["warnings"] == []
