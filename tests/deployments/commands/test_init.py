"""From a table to a pipeline that runs: `nightcast init`, `check` and a night, with no file edited in between."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from deployments.cli.main import app
from deployments.commands.init_request import pipeline_name_from

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data"


@pytest.fixture
def run(tmp_path, monkeypatch, restored_log):
    """run("init", "t.csv"): run the command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_HOME", os.environ.get("PREFECT_HOME", str(tmp_path.parent / "prefect")))
    return lambda *words: CliRunner().invoke(app, list(words))


@pytest.fixture
def sales(tmp_path):
    """Two shops, 120 days, one repeated row, and a price that is not known ahead."""
    draw, days = np.random.default_rng(4), pd.date_range("2024-01-01", periods=120)
    parts = []
    for shop in ("Rom", "Ulm"):
        sold = 20 + 9 * np.sin(2 * np.pi * np.arange(120) / 7) + draw.normal(0, 1, 120)
        parts.append(pd.DataFrame({"day": days, "shop": shop, "price": draw.normal(3, 0.1, 120), "sold": sold.round()}))
    table = pd.concat(parts)
    pd.concat([table, table.iloc[[5]]]).to_csv(tmp_path / "Shop Sales.csv", index=False)
    return tmp_path


def test_init_writes_a_pipeline_that_check_accepts(run, sales):
    result = run("init", "Shop Sales.csv", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["files"] == ["shop-sales.yaml", "shop-sales.odcs.yaml"]
    assert facts["next"] == "nightcast nightly shop-sales.yaml"
    assert {what: facts["guesses"][what]["value"] for what in ("time", "id", "y", "freq", "season", "repeated")} == {
        "time": "day", "id": "shop", "y": "sold", "freq": "D", "season": "7", "repeated": "first",
    }  # fmt: skip
    spec = yaml.safe_load((sales / "shop-sales.yaml").read_text())
    assert spec["columns"] == {"unique_id": "shop", "ds": "day", "y": "sold"}
    assert spec["features"] == {"known": ["dayofweek", "month"], "observed": ["price"]}
    assert spec["source"] == {"kind": "csv", "path": "Shop Sales.csv"}

    checked = run("check", "shop-sales.yaml", "--json")
    assert checked.exit_code == 0, checked.output
    facts = json.loads(checked.stdout)
    assert (facts["series"], facts["quarantined"], facts["ignored"]) == (2, 1, [])
    least, most = facts["cost"]["training_seconds"]
    assert 0 < least <= most
    assert [model["model"] for model in facts["cost"]["models"]] == facts["models"] == ["lstm-64", "gru-64"]


def test_init_prints_confidence_and_overwrites_only_with_force(run, sales):
    result = run("init", "Shop Sales.csv", "--name", "shops", "--out", "made/here")
    assert result.exit_code == 0, result.output
    assert "time:       day (sure: parses in 100 % of rows)" in result.stdout
    assert result.stdout.splitlines()[-1] == "Next: nightcast nightly made/here/shops.yaml"
    written = sales / "made" / "here" / "shops.yaml"
    assert yaml.safe_load(written.read_text())["source"]["path"] == "../../Shop Sales.csv"
    written.write_text("mine")
    again = run("init", "Shop Sales.csv", "--name", "shops", "--out", "made/here")
    assert again.exit_code == 2
    assert "made/here/shops.yaml already exists" in again.stderr
    assert written.read_text() == "mine"
    assert run("init", "Shop Sales.csv", "--name", "shops", "--out", "made/here", "--force").exit_code == 0
    assert yaml.safe_load(written.read_text())["name"] == "shops"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("gone.csv",), 2, "gone.csv: no such file"),
        (("sqlite:///gone.db", "--table", "sold"), 2, "gone.db"),
        (("postgresql://me@127.0.0.1:9/shop", "--table", "sold"), 1, "cannot be reached"),
        (("Shop Sales.csv", "--target", "solt"), 2, "did you mean 'sold'"),
        (("Shop Sales.csv", "--freq", "daily"), 2, "not a pandas frequency"),
        (("Shop Sales.csv", "--timezone", "Rom"), 2, "not a time zone"),
        (("Shop Sales.csv", "--repeated", "both"), 2, "repeated"),
        (("Shop Sales.csv", "--horizon", "100"), 3, "too short"),
        (("tiny.csv",), 3, "too short"),
        (("evil.yaml",), 2, ".parquet"),
        (("Shop Sales.csv", "--name", "Ümläut"), 2, "name"),
    ],
)
def test_failed_init_has_exit_code_and_message_and_writes_no_file(run, sales, words, code, message):
    (sales / "tiny.csv").write_text("ds,y\n2024-01-01,1\n2024-01-02,3\n")
    (sales / "evil.yaml").write_text("a: b")
    result = run("init", *words, "--json")
    assert result.exit_code == code, result.output
    assert message in json.loads(result.stdout)["message"]
    assert "Traceback" not in result.output
    assert sorted(path.name for path in sales.iterdir()) == ["Shop Sales.csv", "evil.yaml", "tiny.csv"]


def test_column_names_that_yaml_would_misread_are_quoted(run, tmp_path):
    days = pd.date_range("2024-01-01", periods=120).strftime("%Y-%m-%d")
    odd = pd.DataFrame(
        {"no": days, "yes: #1": np.arange(120) % 7 + np.arange(120) % 3, "it's {x}": np.arange(120) % 11}
    )
    odd.to_csv(tmp_path / "odd.csv", index=False)
    result = run("init", "odd.csv", "--target", "yes: #1")
    assert result.exit_code == 0, result.output
    spec = yaml.safe_load((tmp_path / "odd.yaml").read_text())
    assert spec["columns"] == {"ds": "no", "y": "yes: #1"}
    assert spec["features"]["observed"] == ["it's {x}"]


def test_day_first_dates_are_read_the_same_way_by_check(run, tmp_path):
    months = pd.date_range("2016-01-01", periods=96, freq="MS").strftime("%d/%m/%Y")
    pd.DataFrame({"month": months, "sold": np.arange(96) % 12}).to_csv(tmp_path / "m.csv", index=False)
    result = run("init", "m.csv", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(run("check", "m.yaml", "--json").stdout)
    assert (facts["rows"], facts["quarantined"], facts["cutoff"][:10]) == (96, 0, "2023-12-01")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/Sales 2024.csv.gz", "sales-2024"),
        ("s3://bucket/panel/", "panel"),
        ("parts/*.parquet", "parts"),
        ("__x__.parquet", "x"),
    ],
)
def test_pipeline_is_named_after_its_table(path, name):
    assert pipeline_name_from(path) == name


@pytest.mark.slow
@pytest.mark.parametrize("table", ["metro_traffic", "demo"])
def test_init_and_nightly_publish_forecasts_of_a_real_table(table, tmp_path):
    path = ROOT / "deployments" / "demo" / "nyc-delays.parquet" if table == "demo" else DATA / "metro_traffic"
    if not path.exists():
        pytest.skip("needs ../shared/data: the traffic of Interstate 94")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "NIGHTCAST_"))}

    def nightcast(*words):
        command = [Path(sys.executable).parent / "nightcast", *words]
        return subprocess.run(
            command, cwd=tmp_path, env=kept, capture_output=True, text=True, check=False, timeout=280
        )  # fmt: skip

    started = nightcast("init", str(path), "--name", "first")
    assert started.returncode == 0, started.stderr
    night = nightcast(*started.stdout.splitlines()[-1].removeprefix("Next: nightcast ").split(), "--json")
    assert night.returncode == 0, night.stderr
    published = pd.read_parquet(tmp_path / "store" / "latest" / "pipeline=first" / "forecasts.parquet")
    series = 1 if table == "metro_traffic" else 27
    assert len(published) == 24 * series
    assert (published["y_hat"] >= 0).all()
    assert (published["q05"] <= published["q95"]).all()
