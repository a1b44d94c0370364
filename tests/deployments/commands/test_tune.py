"""`nightcast tune` writes the user's YAML with the new models and training, or nothing, and exits as documented."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from deployments.cli.main import app
from deployments.commands.tune import tuned_document
from flows.pipeline.spec import PipelineSpec
from models.data.panel import InputSpec
from tasks.search.conclusion import TuningOutcome
from tests.warm_commands import run_nightcast

COMMAND = (sys.executable, "-c", "from deployments.cli.main import main; main()", "tune", "small.yaml", "--no-server")
PIPELINE_TEXT = """\
# Two waves.
name: small # as ever
source: {kind: parquet, path: panel.parquet}
columns: {unique_id: id, ds: t, y: v}
freq: h
windowing: {lookback: 48, horizon: 12, validation: 4d, test: 4d}
features: {known: [planned]}
models:
  - {cell: gru, hidden: 8, segment: 12} # small
# Three epochs are not many.
training: {max_epochs: 3, windows_per_epoch: 1024, learning_rate: 0.0003}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with 30 days of two hourly series that follow a plan, and a pipeline that trains too slowly."""
    folder = tmp_path_factory.mktemp("home")
    hours = pd.date_range("2024-01-01", periods=24 * 30, freq="h", tz="UTC")
    draw = np.random.default_rng(3)
    parts = []
    for name in "ab":
        plan = 10 + 8 * np.sin(2 * np.pi * hours.hour / 24) + draw.integers(0, 12, len(hours))
        parts.append(
            pd.DataFrame({"id": name, "t": hours, "v": plan / 2 + draw.normal(0, 0.5, len(hours)), "planned": plan})
        )
    pd.concat(parts).to_parquet(folder / "panel.parquet", index=False)
    (folder / "small.yaml").write_text(PIPELINE_TEXT, encoding="utf-8")
    return folder


def environment():
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "NIGHTCAST_"))}
    return kept | {"PYTHONPATH": str(Path(__file__).parents[3])}


def tune(home, *words):
    command = ("tune", "small.yaml", "--no-server", "--as-of", "2024-01-29", *words)
    return run_nightcast(command, home, environment())


@pytest.fixture(scope="module")
def tuned(home):
    """Facts and stderr of a search of six trials."""
    result = tune(home, "--trials", "6", "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout), result.stderr


@pytest.fixture
def run_in_process(home, monkeypatch, tmp_path):
    """Run a command that stops before it needs Prefect in this process."""
    monkeypatch.chdir(home)
    for name in ("PREFECT_HOME", "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"):
        monkeypatch.setenv(name, os.environ.get(name, str(tmp_path / "prefect")))
    return lambda *words: CliRunner().invoke(app, list(words))


def test_better_configuration_is_written_next_to_the_pipeline(home, tuned):
    record, stderr = tuned
    assert record["better"], record["sentence"]
    assert record["written"] == "small-tuned.yaml"
    assert stderr.count("try_out") == 6
    tuned_spec = PipelineSpec.read(str(home / "small-tuned.yaml"))
    original_spec = PipelineSpec.read(str(home / "small.yaml"))
    assert tuned_spec.models[0].model_dump(mode="json") == record["recipe"]["model"]
    assert tuned_spec.training.model_dump(mode="json") == record["recipe"]["training"]
    same = {"models": True, "training": True, "windowing": {"lookback"}}
    assert tuned_spec.input_spec == InputSpec.model_validate(record["recipe"]["view"])
    assert tuned_spec.model_dump(exclude=same) == original_spec.model_dump(exclude=same)
    text = (home / "small-tuned.yaml").read_text(encoding="utf-8")
    assert text.startswith(
        "# Found by `nightcast tune` in small.yaml with --as-of 2024-01-29T00:00:00+00:00 --trials 6"
    )
    assert "name: small # as ever\n" in text
    assert "# Three epochs are not many.\ntraining: {max_epochs: 3, windows_per_epoch: 1024, learning_rate: 0." in text


def test_check_accepts_the_tuned_pipeline(run_in_process, tuned):
    result = run_in_process("check", "small-tuned.yaml", "--as-of", "2024-01-29", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["models"] == [tuned[0]["name"]]


def test_same_search_with_another_store_writes_the_same_file(home, tuned, tmp_path):
    (tmp_path / "found").mkdir()
    out = tmp_path / "found" / "best.yaml"
    first = (home / "small-tuned.yaml").read_text(encoding="utf-8")
    words = ("tune", "small.yaml", "--no-server", "--as-of", "2024-01-29", "--trials", "6", "--out", str(out))
    result = run_nightcast(words, home, environment() | {"NIGHTCAST_STORE": str(tmp_path / "store")})
    assert result.returncode == 0, result.stderr
    last = result.stdout.splitlines()[-1]
    assert "is better on the test windows by" in last
    assert last.endswith(f"written {out}")
    assert "gru-8-s12" in result.stdout
    assert "lookback" in result.stdout
    assert "…" not in result.stdout  # no setting is cut off
    second = out.read_text(encoding="utf-8")
    relative_path = os.path.relpath((home / "panel.parquet").resolve(), out.parent.resolve())
    assert second == first.replace("source: {kind: parquet, path: panel.parquet}", yaml_source(relative_path))
    assert (out.parent / relative_path).is_file()


def yaml_source(relative_path):
    return yaml.safe_dump({"source": {"kind": "parquet", "path": relative_path}}, default_flow_style=None).strip()


def test_tuning_a_tuned_pipeline_keeps_one_header(home, tuned):
    record = {name: value for name, value in tuned[0].items() if name != "written"}
    path = home / "small-tuned.yaml"
    spec, first = PipelineSpec.read(str(path)), path.read_text(encoding="utf-8")
    text = tuned_document(path, path, spec, TuningOutcome.model_validate(record))
    expected = first.replace("`nightcast tune` in small.yaml", "`nightcast tune` in small-tuned.yaml")
    assert text == expected.replace("models, training and windowing.lookback", "models and training")


def test_longer_lookback_is_written_beside_the_other_settings_of_windows(home, tuned):
    record = json.loads(json.dumps({name: value for name, value in tuned[0].items() if name != "written"}))
    record["recipe"]["view"]["lookback"] = 96
    path = home / "small.yaml"
    text = tuned_document(path, path, PipelineSpec.read(str(path)), TuningOutcome.model_validate(record))
    assert "# It replaced models, training and windowing.lookback; everything else" in text
    assert yaml.safe_load(text)["windowing"] == {"lookback": 96, "horizon": 12, "validation": "4d", "test": "4d"}


def test_search_without_result_writes_nothing_even_with_out(home):
    result = tune(home, "--trials", "1", "--json", "--minutes", "5", "--out", "next.yaml")
    assert result.returncode == 0, result.stderr
    record = json.loads(result.stdout)
    assert (record["better"], record["found"], record["written"]) == (False, False, None)
    assert record["sentence"].startswith("1 trial found nothing better than ")
    assert not (home / "next.yaml").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--trials", "0"), "--trials"),
        (("--minutes", "-1"), "--minutes"),
        (("--seed", "-1"), "--seed"),
        (("--as-of", "soon"), "--as-of 'soon'"),
        (("--out", "nowhere/best.yaml"), "nowhere is not a writable folder"),
        (("--out", "best.txt"), "best.txt is not the name of a YAML"),
    ],
)
def test_wrong_option_exits_with_2_and_is_named(run_in_process, words, message):
    result = run_in_process("tune", "small.yaml", "--no-server", *words)
    assert result.exit_code == 2, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_file_of_the_user_is_not_overwritten(home, run_in_process):
    (home / "mine.yaml").write_text(PIPELINE_TEXT, encoding="utf-8")
    (home / "mine-tuned.yaml").write_text(PIPELINE_TEXT, encoding="utf-8")
    result = run_in_process("tune", "mine.yaml")
    assert result.exit_code == 2
    assert "mine-tuned.yaml exists and was not written by `nightcast tune`" in result.stderr
    assert (home / "mine-tuned.yaml").read_text(encoding="utf-8") == PIPELINE_TEXT


def test_ctrl_c_ends_the_search_and_compares_the_best_so_far(home, tmp_path):
    command = [*COMMAND, "--as-of", "2024-01-29", "--trials", "500", "--seed", "3", "--json"]
    command += ["--out", str(tmp_path / "best.yaml")]
    with subprocess.Popen(
        command, cwd=home, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as search:
        trial_lines = (line for line in search.stderr if "try_out" in line)
        _ = next(trial_lines), next(trial_lines)
        search.send_signal(signal.SIGINT)
        rest, stdout = search.stderr.read(), search.stdout.read()
    assert search.returncode == 0, rest
    record = json.loads(stdout)
    assert 1 <= record["asked"] < 500
    assert record["ended"].endswith("until it was interrupted")
    assert "Interrupted" in rest
