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
from tests.warm_commands import run_nightcast

NIGHTCAST = Path(sys.executable).parent / "nightcast"
VERBS = (
    "nightly",
    "retrain",
    "forecast",
    "monitor",
    "tune",
    "backfill",
    "backtest",
    "check",
    "show",
    "init",
    "schema",
    "quarantine",
    "read",
)


@pytest.fixture
def home(tmp_path):
    """A folder with 30 days of two hourly series and a minimal pipeline."""
    hours = pd.date_range("2024-01-01", periods=24 * 30, freq="h", tz="UTC")
    shape = 10 + 8 * np.sin(2 * np.pi * hours.hour / 24)
    noise = np.random.default_rng(3).normal(size=(2, len(hours)))
    parts = [pd.DataFrame({"id": name, "t": hours, "v": shape + noise[n]}) for n, name in enumerate("ab")]
    pd.concat(parts).to_parquet(tmp_path / "panel.parquet", index=False)
    spec = {
        "name": "small",
        "source": {"kind": "parquet", "path": "panel.parquet"},
        "columns": {"unique_id": "id", "ds": "t", "y": "v"},
        "freq": "h",
        "windowing": {"lookback": 48, "horizon": 12, "validation": "4d", "test": "4d"},
        "models": [{"cell": "gru", "hidden": 8, "segment": 12}],
        "training": {"max_epochs": 1, "windows_per_epoch": 256},
    }
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    return tmp_path


@pytest.fixture
def run_in_process(home, monkeypatch, restored_log):
    """Run a read-only command in this process, so that libraries are imported once."""
    monkeypatch.chdir(home)
    for name in [name for name in os.environ if name.startswith("NIGHTCAST_")]:  # set by a session fixture
        monkeypatch.delenv(name)
    for name in ("PREFECT_HOME", "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"):
        monkeypatch.setenv(name, os.environ.get(name, str(home.parent / "prefect")))
    return lambda *words: CliRunner().invoke(app, list(words))


def environment():
    return {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "NIGHTCAST_"))}


def installed(home, *words):
    """Run the installed command in a folder that is not the repository, as a user would."""
    return subprocess.run(
        [NIGHTCAST, *words], cwd=home, env=environment(), capture_output=True, text=True, check=False, timeout=240
    )


def nightcast(home, *words):
    """Run the command in a folder that is not the repository, in a process that starts at once."""
    return run_nightcast(words, home, environment())


def edit_pipeline(home, **changes):
    path = home / "small.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes), encoding="utf-8")


@pytest.mark.parametrize("verb", VERBS)
def test_every_help_text_has_an_example(run_in_process, verb):
    result = run_in_process(verb, "--help")
    assert result.exit_code == 0
    assert f"Example: nightcast {verb}" in " ".join(result.stdout.split())


def test_help_lists_every_command(home):
    result = installed(home, "--help")
    assert result.returncode == 0
    assert all(verb in result.stdout for verb in VERBS)


def test_check_prints_facts_and_writes_nothing(home):
    result = nightcast(home, "check", "small.yaml", "--as-of", "2024-01-29", "--json")
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert facts["series"] == 2
    assert facts["cutoff"] == "2024-01-28T23:00:00+00:00"
    assert facts["windows"]["forecast"] == 2
    assert sorted(path.name for path in home.iterdir()) == ["panel.parquet", "small.yaml"]


@pytest.mark.parametrize(
    ("changes", "words", "code", "message"),
    [
        ({"freqq": "h"}, (), 2, "freqq"),
        ({"freq": "hourly"}, (), 2, "not a pandas frequency"),
        ({}, ("--as-of", "soon"), 2, "--as-of 'soon'"),
        ({"contract": "nowhere.yaml"}, (), 2, "nowhere.yaml"),
        ({"columns": {"unique_id": "id", "ds": "t", "y": "vv"}}, (), 3, "did you mean 'v'?"),
        ({"source": {"kind": "parquet", "path": "gone.parquet"}}, (), 2, "gone.parquet does not exist"),
        ({}, ("--as-of", "2023-12-31"), 3, "2023-12-31"),
    ],
)
def test_errors_have_an_exit_code_and_one_message(home, run_in_process, changes, words, code, message):
    edit_pipeline(home, **changes)
    result = run_in_process("check", "small.yaml", "--json", *words)
    assert result.exit_code == code, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert json.loads(result.stdout)["exit_code"] == code


def test_unknown_option_exits_with_2(run_in_process):
    assert run_in_process("nightly", "small.yaml", "--asof", "2024-01-29").exit_code == 2


def test_show_names_the_command_to_run_first(run_in_process):
    result = run_in_process("show", "small.yaml")
    assert result.exit_code == 1
    assert "nightcast nightly small.yaml" in result.stderr


def test_forecast_without_champion_exits_with_4(home):
    result = nightcast(home, "forecast", "small.yaml", "--as-of", "2024-01-29", "--no-server")
    assert result.returncode == 4
    assert "no champion" in result.stderr
    assert "Traceback" not in result.stderr


def test_night_prints_one_json_object_and_show_reads_its_results(home, run_in_process):
    result = installed(home, "nightly", "small.yaml", "--as-of", "2024-01-29", "--json")
    assert result.returncode == 0, result.stderr
    outcome = json.loads(result.stdout)
    assert len(pd.read_parquet(home / "store" / outcome["published"])) == 24
    facts = json.loads(run_in_process("show", "small.yaml", "--json").stdout)
    assert {row["model_name"] for row in facts["leaderboard"]} >= {"naive", "linear", "seasonal_naive_24"}
    text = run_in_process("show", "small.yaml", "--series", "a").stdout
    assert "Series a" in text
    assert "Morning page" in text


def test_night_on_broken_data_exits_with_3_and_publishes_nothing(home):
    panel = pd.read_parquet(home / "panel.parquet")
    pd.concat([panel, panel.iloc[[3]]]).to_parquet(home / "panel.parquet", index=False)
    result = nightcast(home, "nightly", "small.yaml", "--as-of", "2024-01-29", "--no-server")
    assert result.returncode == 3
    assert "quarantine/pipeline=small/" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (home / "store" / "forecasts").exists()
