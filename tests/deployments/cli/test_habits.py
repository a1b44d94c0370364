"""What a user expects of any command: --version, -h, completion, and an answer without loading torch."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deployments.cli.habits import complete_pipelines
from deployments.cli.main import app

NIGHTCAST = Path(sys.executable).parent / "nightcast"
HEAVY = ("torch", "scipy", "prefect", "great_expectations", "mlflow", "evidently", "sklearn", "matplotlib")
LIGHT_COMMANDS = """
import sys
from deployments.cli.main import app
for words in (["--version"], ["--help"], ["nightly", "-h"], ["list", "--json"], ["show", "small", "--json"]):
    try:
        app(words, prog_name="nightcast")
    except SystemExit as ended:
        print(words[0], ended.code, file=sys.stderr)
print(sorted(set(sys.argv[1:]) & set(sys.modules)))
"""


def test_version_is_that_of_the_distribution() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"nightcast {version('nightcast')}\n")


@pytest.mark.parametrize("words", [[], ["nightly"], ["contract", "diff"], ["champion", "show"], ["list"], ["up"]])
def test_short_help_is_that_of_every_command(words: list[str]) -> None:
    short, long = (CliRunner().invoke(app, [*words, option]) for option in ("-h", "--help"))
    assert (short.exit_code, short.stdout) == (0, long.stdout)
    assert "Usage:" in short.stdout


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("", ["mine", "nyc-delays", "shops.yaml"]),
        ("n", ["nyc-delays"]),
        ("folder/", ["folder/mine.yml"]),
        ("gone/x", []),
    ],
)
def test_names_and_files_of_pipelines_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, names: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIGHTCAST_PIPELINES", "folder")
    (tmp_path / "folder").mkdir()
    for name in ("shops.yaml", "shops.odcs.yaml", "notes.txt", "folder/mine.yml"):
        (tmp_path / name).touch()
    assert complete_pipelines(typed) == names


def test_shell_completes_commands_and_pipelines() -> None:
    environment = {**os.environ, "_NIGHTCAST_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
    environment["COMP_WORDS"] = "nightcast show ny"
    completed = subprocess.run([NIGHTCAST], env=environment, capture_output=True, text=True, check=False)
    assert completed.stdout.split() == ["nyc-delays"]


def test_commands_that_only_look_do_not_load_heavy_libraries(tmp_path: Path) -> None:
    environment = {**os.environ, "NIGHTCAST_STORE": str(tmp_path / "store")}
    words = [sys.executable, "-c", LIGHT_COMMANDS, *HEAVY]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    ended = [line for line in done.stderr.splitlines() if line.split()[0] in ("--version", "--help", "nightly", "list")]
    assert ended == ["--version 0", "--help 0", "nightly 0", "list 0"]
