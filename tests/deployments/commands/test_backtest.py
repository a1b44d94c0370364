"""`nightcast backtest` prints scores, writes tables, and answers wrong requests with exit codes 2 and 4."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.warm_commands import run_nightcast

SPEC = {
    "name": "small",
    "source": {"kind": "parquet", "path": "panel.parquet"},
    "columns": {"unique_id": "id", "ds": "t", "y": "v"},
    "freq": "h",
    "features": {"static": ["town"]},
    "windowing": {"lookback": 48, "horizon": 12, "validation": "4d", "test": "4d"},
    "models": [{"cell": "gru", "hidden": 8, "segment": 12}],
    "training": {"max_epochs": 1, "windows_per_epoch": 256},
    "schedule": {"as_of": "2024-01-30"},
}
RANGE = ("--from", "2024-01-25", "--to", "2024-01-27")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with 30 days of two hourly series, a pipeline and one registered version."""
    folder = tmp_path_factory.mktemp("home")
    hours = pd.date_range("2024-01-01", periods=24 * 30, freq="h", tz="UTC")
    shape, draw = 10 + 8 * np.sin(2 * np.pi * hours.hour / 24), np.random.default_rng(3)
    parts = [
        pd.DataFrame({"id": name, "t": hours, "v": shape + draw.normal(size=len(hours)), "town": town})
        for name, town in (("a", "Bonn"), ("b", "Kiel"))
    ]
    pd.concat(parts).to_parquet(folder / "panel.parquet", index=False)
    (folder / "small.yaml").write_text(yaml.safe_dump(SPEC), encoding="utf-8")
    return folder


def backtest(home, *words, span=RANGE):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "NIGHTCAST_"))}
    environment = kept | {"PYTHONPATH": str(Path(__file__).parents[3])}
    return run_nightcast(("backtest", "small.yaml", "--no-server", *span, *words), home, environment)


def test_tables_are_printed_and_written(home):
    result = backtest(home, "--model", "baseline", "--output", "out", "--json")
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert (facts["origins"], facts["series"], facts["known"]) == (3, 2, {"current": 3})
    assert facts["leaderboard"][0]["rows"] == 3 * 2 * 12
    assert sorted(path.name for path in (home / "out").iterdir()) == [
        "forecasts.parquet", "scores-by-dayofweek.csv", "scores-by-hour.csv", "scores-by-month.csv",
        "scores-by-origin.csv", "scores-by-overall.csv", "scores-by-segment-town.csv", "scores-by-series.csv",
        "scores-by-step.csv", "scores.parquet",
    ]  # fmt: skip
    towns = pd.read_csv(home / "out" / "scores-by-segment-town.csv")
    assert set(towns["group"]) == {"Bonn", "Kiel"}
    hours = pd.read_csv(home / "out" / "scores-by-hour.csv")
    assert hours.groupby("model_name")["rows"].sum().unique() == [3 * 2 * 12]
    assert {"left_out", "left_out_mase"} <= set(hours.columns)
    forecasts = pd.read_parquet(home / "out" / "forecasts.parquet")
    errors = (forecasts["y"] - forecasts["y_hat"]).abs().groupby(forecasts["model_name"]).mean()
    printed = {row["model_name"]: row["mae"] for row in facts["leaderboard"]}
    assert printed == {name: pytest.approx(value) for name, value in errors.items()}
    text = backtest(home, "--model", "baseline").stdout
    assert "Backtest of small: 3 origins, 2 series, by mase" in text
    assert "3 of 3 origins used the values of now" in text
    assert text.splitlines()[-1].startswith("done · backtest · small · 3 origins, mase: ")


def test_refit_needs_no_champion(home):
    result = backtest(home, "--refit", "each", "--every", "2d", "--weights", "volume", "--json")
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert (facts["origins"], facts["refit"], facts["weights"]) == (2, "each", "volume")
    assert {row["model_name"] for row in facts["leaderboard"]} == {"gru-8-s12 (refit)", "seasonal_naive_24"}


@pytest.mark.parametrize(
    ("span", "words", "code", "error", "message"),
    [
        (RANGE, (), 4, "NoChampion", "Run `nightcast nightly small` or `nightcast retrain small` first"),
        (RANGE, ("--model", "3"), 2, "PromotionRefused", "has no version '3' that a night has registered"),
        (RANGE, ("--refit", "0"), 2, "SpecError", "--refit '0' is not a valid choice. Give never, each, or a number"),
        (RANGE, ("--output", "small.yaml"), 2, "SpecError", "--output small.yaml is a file. Give a folder"),
        (("--from", "2024-01-27", "--to", "2024-01-25"), (), 2, "SpecError", "Give an earlier --from or a later --to"),
        (
            ("--from", "2024-01-02", "--to", "2024-01-25"), ("--model", "baseline"), 2, "SpecError",
            "has 24 steps of history, and a model reads 48 (windowing.lookback). Give --from 2024-01-03T00:00 or later",
        ),
    ],
)  # fmt: skip
def test_wrong_request_has_its_exit_code_and_leaves_no_night(home, span, words, code, error, message):
    result = backtest(home, *words, "--json", span=span)
    facts = json.loads(result.stdout)
    assert (result.returncode, facts["exit_code"], facts["error"]) == (code, code, error)
    assert message in facts["message"]
    assert not (home / "store" / "runs").exists()
