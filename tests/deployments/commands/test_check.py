"""`nightcast check` announces what a change of the spec means for readers of published forecasts."""

from pathlib import Path

import pytest

from deployments.commands.check import _level_change
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
