import json
import logging
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

NIGHTCAST = Path(sys.executable).parent / "nightcast"
VERBS = (
    "nightly",
    "retrain",
    "forecast",
    "monitor",
    "tune",
    "backfill",
    "check",
    "show",
    "init",
    "schema",
    "quarantine",
)


@pytest.fixture
def home(tmp_path):
    """A folder with 30 days of two hourly series and the smallest pipeline over them."""
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
def looking(home, monkeypatch):
    """Run a verb that only looks, in this process: importing the libraries once is enough."""
    monkeypatch.chdir(home)
    for name in [name for name in os.environ if name.startswith("NIGHTCAST_")]:  # of a fixture that lives long
        monkeypatch.delenv(name)
    for name in ("PREFECT_HOME", "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"):
        monkeypatch.setenv(name, os.environ.get(name, str(home.parent / "prefect")))
    log = logging.getLogger("nightcast")  # the command gives it a handler on a stream that ends with the test
    for state in ("handlers", "level", "propagate"):
        monkeypatch.setattr(log, state, getattr(log, state) if state != "handlers" else list(log.handlers))
    return lambda *words: CliRunner().invoke(app, list(words))


def nightcast(home, *words):
    """Run the installed command in a folder that is not the repository, as a user would."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "NIGHTCAST_"))}
    return subprocess.run(
        [NIGHTCAST, *words], cwd=home, env=environment, capture_output=True, text=True, check=False, timeout=240
    )


def edited(home, **changes):
    path = home / "small.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes), encoding="utf-8")


@pytest.mark.parametrize("verb", VERBS)
def test_every_help_text_ends_with_an_example(looking, verb):
    told = looking(verb, "--help")
    assert told.exit_code == 0
    assert f"Example: nightcast {verb}" in " ".join(told.stdout.split())


def test_help_of_the_command_needs_no_torch_and_lists_every_verb(home):
    told = nightcast(home, "--help")
    assert told.returncode == 0
    assert all(verb in told.stdout for verb in VERBS)


def test_check_says_what_it_found_and_writes_nothing(home):
    told = nightcast(home, "check", "small.yaml", "--as-of", "2024-01-29", "--json")
    assert told.returncode == 0, told.stderr
    facts = json.loads(told.stdout)
    assert facts["series"] == 2
    assert facts["cutoff"] == "2024-01-28T23:00:00+00:00"
    assert facts["windows"]["forecast"] == 2
    assert sorted(path.name for path in home.iterdir()) == ["panel.parquet", "small.yaml"]


@pytest.mark.parametrize(
    ("changes", "words", "code", "said"),
    [
        ({"freqq": "h"}, (), 2, "freqq"),
        ({"freq": "hourly"}, (), 2, "not a pandas frequency"),
        ({}, ("--as-of", "soon"), 2, "--as-of 'soon'"),
        ({"contract": "nowhere.yaml"}, (), 2, "nowhere.yaml"),
        ({"columns": {"unique_id": "id", "ds": "t", "y": "vv"}}, (), 3, "did you mean 'v'?"),
        ({"source": {"kind": "parquet", "path": "gone.parquet"}}, (), 3, "no such file"),
        ({}, ("--as-of", "2023-12-31"), 3, "2023-12-31"),
    ],
)
def test_what_is_wrong_ends_with_its_code_and_one_sentence(home, looking, changes, words, code, said):
    edited(home, **changes)
    told = looking("check", "small.yaml", "--json", *words)
    assert told.exit_code == code, told.stderr
    assert said in told.stderr
    assert "Traceback" not in told.stderr
    assert json.loads(told.stdout)["exit_code"] == code


def test_an_unknown_option_is_a_wrong_argument(looking):
    assert looking("nightly", "small.yaml", "--asof", "2024-01-29").exit_code == 2


def test_showing_a_pipeline_that_never_ran_says_how_to_run_it(looking):
    told = looking("show", "small.yaml")
    assert told.exit_code == 1
    assert "nightcast nightly small.yaml" in told.stderr


def test_forecasting_before_any_night_ends_with_4(home):
    told = nightcast(home, "forecast", "small.yaml", "--as-of", "2024-01-29")
    assert told.returncode == 4
    assert "no champion" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_night_prints_one_json_object_and_show_reads_what_it_left(home, looking):
    told = nightcast(home, "nightly", "small.yaml", "--as-of", "2024-01-29", "--json")
    assert told.returncode == 0, told.stderr
    outcome = json.loads(told.stdout)
    assert len(pd.read_parquet(home / "store" / outcome["published"])) == 24
    facts = json.loads(looking("show", "small.yaml", "--json").stdout)
    assert {row["model_name"] for row in facts["leaderboard"]} >= {"naive", "linear", "seasonal_naive_24"}
    text = looking("show", "small.yaml", "--series", "a").stdout
    assert "Series a" in text
    assert "Morning page" in text


def test_a_night_on_broken_data_ends_with_3_and_publishes_nothing(home):
    panel = pd.read_parquet(home / "panel.parquet")
    pd.concat([panel, panel.iloc[[3]]]).to_parquet(home / "panel.parquet", index=False)
    told = nightcast(home, "nightly", "small.yaml", "--as-of", "2024-01-29")
    assert told.returncode == 3
    assert "quarantine/pipeline=small/" in told.stderr
    assert "Traceback" not in told.stderr
    assert not (home / "store" / "forecasts").exists()
