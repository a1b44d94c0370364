"""`nightcast read`: CSV, JSON and Parquet on stdout or in a file, without a model library in the process."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from deployments.cli.main import app
from tasks.storage.store import Store
from tests.tasks.history.conftest import publish_actuals, publish_forecasts

ROOT = Path(__file__).parents[3]
HEAVY = ("torch", "prefect", "mlflow", "great_expectations", "evidently", "scipy", "sqlalchemy", "flows.pipeline.spec")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("published") / "store"
    store = Store(root=str(root))
    publish_forecasts(8, store)
    publish_forecasts(9, store)
    publish_actuals(9, [("a", 8, 1.0), ("b", 8, 2.0)], store)
    return root


@pytest.fixture
def run(published: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("NIGHTCAST_STORE", str(published))
    monkeypatch.chdir(tmp_path)

    def nightcast(*arguments: str):
        return CliRunner().invoke(app, ["read", *arguments])

    return nightcast


def test_csv_on_stdout_has_iso_times(run) -> None:
    lines = run("shop", "--series", "a", "--ds", "2024-03-10", "--vintages", "all").stdout.splitlines()
    assert lines[0].replace('"', "") == (
        "unique_id,ds,as_of,cutoff,step,y_hat,q05,q10,q50,q90,q95,model_name,model_version,run_id,source,degraded_reason"
    )
    assert [line.replace('"', "").split(",")[:6] for line in lines[1:]] == [
        ["a", "2024-03-10T00:00:00Z", "2024-03-08T00:00:00Z", "2024-03-07T00:00:00Z", "3", "10"],
        ["a", "2024-03-10T00:00:00Z", "2024-03-09T00:00:00Z", "2024-03-08T00:00:00Z", "2", "10"],
    ]


def test_json_rows_have_null_for_levels_that_a_vintage_lacks(run) -> None:
    rows = json.loads(run("shop", "--vintages", "all", "--format", "json").stdout)
    assert [row["q05"] for row in rows] == [None] * 6 + [7.0 + day for day in (1, 2, 3, 1, 2, 3)]


def test_json_object_has_facts_and_records(run) -> None:
    facts = json.loads(run("shop", "--table", "comparison", "--json").stdout)
    assert (facts["rows"], facts["vintages"], facts["output"]) == (2, ["2024-03-08T00:00:00Z"], None)
    assert [record["y"] for record in facts["records"]] == [1.0, 2.0]


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_file_has_the_format_of_its_suffix_and_is_not_overwritten(run, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows.{suffix}"
    assert run("shop", "--output", str(path)).stdout == f"6 rows of forecasts in {path}\n"
    table = getattr(pd, f"read_{suffix}")(path)
    assert len(table) == 6
    refused = run("shop", "--output", str(path))
    assert refused.exit_code == 2
    assert "already exists" in refused.output
    assert run("shop", "--output", str(path), "--force", "--table", "history").exit_code == 0
    assert "price" in getattr(pd, f"read_{suffix}")(path)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["shp"], 1, "did you mean 'shop'"),
        (["shop", "--series", "z"], 1, "series 'z' has no row"),
        (
            ["shop", "--table", "scores"],
            2,
            "Tables: forecasts, actuals, accuracy, anomalies, comparison, lead_times, history, changes",
        ),
        (["shop", "--format", "cvs"], 2, "did you mean 'csv'"),
        (["nowhere/shop.yaml"], 2, "nowhere/shop.yaml"),
    ],
)
def test_what_cannot_be_read_is_named(run, arguments: list[str], code: int, message: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, message in result.output) == (code, True), result.output


def test_reading_imports_no_model_library(published: Path) -> None:
    code = (
        "import sys; sys.argv = ['nightcast', 'read', 'shop', '--output', '/dev/null', '--force']\n"
        "from deployments.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as ended: assert not ended.code, ended.code\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    environment = {"NIGHTCAST_STORE": str(published), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    code = code.replace("/dev/null", str(published.parent / "out.csv"))
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (result.returncode, result.stderr.strip()) == (0, "[]")
