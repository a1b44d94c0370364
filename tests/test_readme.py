"""Every block of Python in the READMEs runs as it stands, in a folder with a store in which the levels have changed.

The folder has `store` with the pipeline `shop` (series a and b, two nights with other quantile levels, actuals), and
`sales.csv` with the columns shop, day and sold. A block that cannot run here is marked `python not-run`.
"""

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows.notebook.forecaster import Forecaster
from tasks.storage.store import Store
from tests.faults.harness import World
from tests.flows.conftest import panel
from tests.tasks.history.conftest import publish_accuracy, publish_actuals, publish_forecasts

__all__ = ["panel"]  # a fixture

ROOT = Path(__file__).parent.parent
READMES = ("README.md", "tasks/history/README.md")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(block, id=f"{name}:{number}")
    for name in READMES
    for number, block in enumerate(BLOCK.findall((ROOT / name).read_text(encoding="utf-8")), 1)
]
LEVELS = {"q05": 6, "q10": 6, "q50": 12, "q90": 6, "q95": 6}  # values: 2 series × 3 steps for each vintage that has it
QUICK: dict[str, Any] = {
    "models": [{"cell": "gru", "hidden": 8}],
    "training": {"max_epochs": 1, "windows_per_epoch": 64, "validation_windows": 32},
    "evaluation": {"windows": 2},
}


@pytest.fixture(scope="module")
def reader_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reader")
    store = Store(root=str(folder / "store"))
    publish_forecasts(8, store)
    publish_forecasts(9, store)
    publish_actuals(9, [("a", 8, 1.0), ("b", 8, 2.0)], store)
    publish_accuracy(9, [(8, "a", 7.0), (8, "b", 6.0)], store)
    publish_actuals(10, [("a", 8, 1.5)], store)  # a correction
    draw, days = np.random.default_rng(1), pd.date_range("2023-01-01", periods=200, freq="D").strftime("%Y-%m-%d")
    parts = [
        pd.DataFrame({"shop": name, "day": days, "sold": draw.poisson(9, len(days))}) for name in ("north", "south")
    ]
    pd.concat(parts).to_csv(folder / "sales.csv", index=False)
    return folder


def run_block(block: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a block in the folder. A Forecaster trains a small network for one epoch."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("NIGHTCAST_STORE", raising=False)
    monkeypatch.delenv("NIGHTCAST_PIPELINES", raising=False)
    original = Forecaster.__init__

    @functools.wraps(original)
    def quick(self: Forecaster, **settings: Any) -> None:
        original(self, **(QUICK | settings))

    monkeypatch.setattr(Forecaster, "__init__", quick)
    namespace: dict[str, Any] = {"__name__": "readme"}
    exec(compile(block, "README", "exec"), namespace)  # noqa: S102 - the block is of this repository
    return namespace


def counts(table: Any) -> dict[str, int]:
    """Return the number of values of each quantile column of a pandas, Polars or Arrow table."""
    frame = table if isinstance(table, pd.DataFrame) else table.to_pandas()
    return {name: int(frame[name].notna().sum()) for name in sorted(frame.columns) if re.fullmatch(r"q\d+", name)}


@pytest.mark.parametrize("block", BLOCKS)
def test_block_runs_and_reads_every_level_of_every_vintage(
    block: str, reader_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("polars", "duckdb"):
        if f"import {library}" in block:
            pytest.importorskip(library, reason=f"{library} is not installed: pip install {library}")
    namespace = run_block(block, reader_folder, monkeypatch)
    if "all_vintages" in namespace:
        assert counts(namespace["all_vintages"]) == LEVELS
    if "actuals" in namespace:
        actuals = namespace["actuals"].set_index("unique_id")["y"].to_dict()
        assert actuals == {"a": 1.5, "b": 2.0}
    if "plot" in namespace:
        assert namespace["plot"][["y", "y_hat"]].notna().sum().tolist() == [8, 3]
    if "forecaster" in namespace:
        assert len(namespace["forecast"]) == 28


def test_readmes_have_the_lines_for_readers() -> None:
    ids = [str(block.id) for block in BLOCKS]
    assert sum(name.startswith("tasks/history") for name in ids) >= 8


def test_line_that_drops_levels_is_detected(reader_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of earlier releases takes the columns of the first file."""
    block = 'import pandas\nall_vintages = pandas.read_parquet("store/forecasts")'
    assert counts(run_block(block, reader_folder, monkeypatch)["all_vintages"]) != LEVELS


@pytest.mark.slow
def test_every_line_reads_every_level_after_two_real_nights(
    tmp_path: Path, panel: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path / "world", panel, forecast={"quantiles": [0.1, 0.5, 0.9], "minimum": 0})
    assert world.night("2024-02-08").code == 0
    world.write_spec(forecast={"quantiles": [0.05, 0.5, 0.95], "minimum": 0})
    checked = world.run("check", str(world.spec), "--as-of", "2024-02-09")
    assert "note: the quantile levels differ from the newest published vintage: q05, q95 added; q10, q90 dropped" in (
        checked.output
    )
    second = world.night("2024-02-09")
    assert "changed since the vintage before: quantile levels added: q05, q95" in second.output
    changes = (world.store / "changes/pipeline=ports.md").read_text()
    assert "- quantile levels dropped: q10, q90" in changes
    page = max(world.store.glob("reports/*/*/index.html"), key=lambda path: path.stat().st_mtime).read_text()
    assert "quantile levels added: q05, q95" in page
    rows = 2 * 24
    for block in BLOCK.findall((ROOT / "tasks/history/README.md").read_text(encoding="utf-8")):
        if "all_vintages" in block:
            namespace = run_block(block.replace("shop", "ports"), world.folder, monkeypatch)
            levels = {"q05": rows, "q10": rows, "q50": 2 * rows, "q90": rows, "q95": rows}
            assert counts(namespace["all_vintages"]) == levels, block
    listed = world.run("read", "ports", "--vintages", "all")
    assert listed.code == 0
    assert len(listed.output.splitlines()) == 1 + 2 * rows
    joined = world.run("read", "ports", "--table", "comparison", "--json")
    assert '"rows": 48,' in joined.output
