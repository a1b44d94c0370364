"""The commands of README.md and OPERATIONS.md run as they stand, in order, for the table of a new user."""

import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.faults.harness import Ended, run_forked

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SERVERS = ("up",)  # tests/deployments/local_stack starts them
QUICK = {
    "models": [{"cell": "gru", "hidden": 8}, {"cell": "lstm", "hidden": 8}],
    "training": {"max_epochs": 2, "windows_per_epoch": 128, "validation_windows": 64},
    "evaluation": {"windows": 3},
    "memory": {"reference_steps": 0},
}


def commands_of(name: str) -> list[list[str]]:
    """Return the arguments of every line of a document that calls `nightcast`, without its comment."""
    blocks = BLOCK.findall((ROOT / name).read_text(encoding="utf-8"))
    lines = [line for language, block in blocks if not language for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("nightcast ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sales.csv: two shops, daily until yesterday."""
    folder = tmp_path_factory.mktemp("user")
    draw, today = np.random.default_rng(1), datetime.now(UTC).date()
    days = pd.date_range(today - timedelta(days=400), today - timedelta(days=1), freq="D")
    week = 1 + 0.5 * np.sin(2 * np.pi * np.arange(len(days)) / 7)
    parts = [
        pd.DataFrame({"shop": name, "day": days.strftime("%Y-%m-%d"), "sold": draw.poisson(20 * week)})
        for name in ("north", "south")
    ]
    pd.concat(parts).to_csv(folder / "sales.csv", index=False)
    return folder


def run(folder: Path, arguments: list[str]) -> Ended:
    """Run a command with `sales` found by name, as after `export NIGHTCAST_PIPELINES=$PWD`."""
    environment = {"NIGHTCAST_STORE": str(folder / "store"), "NIGHTCAST_PIPELINES": str(folder)}
    flows = ("nightly", "forecast")
    more = ["--no-server"] if arguments[0] in flows else []
    return run_forked((*arguments, *more), folder, None, environment)


def test_commands_of_the_documents_run_in_order(folder: Path) -> None:
    commands = [*commands_of("README.md"), *commands_of("deployments/OPERATIONS.md")]
    verbs = [arguments[0] for arguments in commands]
    assert verbs == [
        *("init", "nightly", "up"),
        *("check", "up", "promote", "promote", "champion", "rollback", "forecast", "retract"),
    ]
    for arguments in commands:
        if arguments[0] in SERVERS:
            continue
        if arguments[0] == "retract":
            vintages = sorted((folder / "store/forecasts/pipeline=sales").iterdir())
            arguments[2] = vintages[-1].name.removeprefix("vintage=")
        ended = run(folder, arguments)
        assert ended.code == 0, (arguments, ended.output)
        if arguments[0] == "init":
            spec = yaml.safe_load((folder / "sales.yaml").read_text(encoding="utf-8"))
            (folder / "sales.yaml").write_text(yaml.safe_dump(spec | QUICK), encoding="utf-8")
    (left,) = (folder / "store/forecasts/pipeline=sales").iterdir()
    latest = folder / "store/latest/pipeline=sales/forecasts.parquet"
    assert latest.read_bytes() == (left / "forecasts.parquet").read_bytes()
