"""A password passes through every command, accepted and refused, and appears in no output and no file."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.warm_commands import run_nightcast

RIGHT, WRONG = "s3cret-Pass%2Fw%40rd", "wr0ng-Pass"  # quoted as in a URL; one that the server refuses
MARKS = ("s3cret-Pass", WRONG)
NIGHT = "2024-01-29"


@pytest.fixture
def home(tmp_path: Path, postgres: Any) -> Path:
    """A folder with a pipeline on a PostgreSQL table of two hourly series over thirty days."""
    postgres.execute(
        "DROP TABLE IF EXISTS secret_panel",
        "CREATE TABLE secret_panel AS SELECT s AS id, h AS t, 10 + 8 * sin(extract(hour FROM h) / 24 * 2 * pi()) + "
        "random() AS v FROM unnest(ARRAY['a', 'b']) AS s, generate_series("
        "'2024-01-01'::timestamptz, '2024-01-30'::timestamptz, '1 hour') AS h",
        "INSERT INTO secret_panel SELECT * FROM secret_panel LIMIT 1",
    )
    spec = {
        "name": "small",
        "source": {"kind": "sql", "url": f"postgresql://night:${{NIGHT_PW}}@127.0.0.1:{postgres.port}/postgres",
                   "table": "secret_panel"},
        "columns": {"unique_id": "id", "ds": "t", "y": "v"},
        "cleaning": {"repeated": "first"},
        "freq": "h",
        "windowing": {"lookback": 48, "horizon": 12, "validation": "4d", "test": "4d"},
        "models": [{"cell": "gru", "hidden": 4, "segment": 12}],
        "training": {"max_epochs": 1, "windows_per_epoch": 128},
    }  # fmt: skip
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(home: Path, postgres: Any) -> Callable[..., subprocess.CompletedProcess[str]]:
    """run("check", …, login=…): run the installed command in that folder, with its Prefect home there too."""

    def result(*words: str, login: str = RIGHT) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "NIGHTCAST_"))}
        environment |= {"NIGHT_PW": login, "PREFECT_HOME": str(home / ".prefect")}
        return run_nightcast(words, home, environment)

    return result


def files_with_secret(home: Path) -> list[str]:
    """Return the files under `home` that contain a part of a password."""
    marks = [mark.encode() for mark in MARKS]
    files = [path for path in home.rglob("*") if path.is_file()]
    return [str(path.relative_to(home)) for path in files if any(mark in path.read_bytes() for mark in marks)]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_command_leaves_a_secret_in_output_log_store_or_database(home: Path, run: Any, postgres: Any) -> None:
    url = f"postgresql://night:${{NIGHT_PW}}@127.0.0.1:{postgres.port}/postgres"
    sound: tuple[tuple[str, ...], ...] = (
        ("init", url, "--table", "secret_panel", "--name", "guessed"),
        ("check", "small.yaml"),
        ("check", "small.yaml", "--json"),
        ("nightly", "small.yaml", "--as-of", NIGHT, "--verbose"),
        ("nightly", "small.yaml", "--as-of", NIGHT, "--json"),
        ("forecast", "small.yaml", "--as-of", NIGHT),
        ("retrain", "small.yaml", "--as-of", NIGHT),
        ("monitor", "small.yaml", "--as-of", NIGHT),
        ("tune", "small.yaml", "--as-of", NIGHT, "--trials", "1", "--out", "tuned.yaml"),
        ("show", "small.yaml"),
        ("quarantine", "small.yaml", "--export", "rejected.csv"),
        ("contract", "page", "guessed.odcs.yaml"),
        ("contract", "diff", "guessed.odcs.yaml", "guessed.odcs.yaml"),
        ("schema",),
        ("nightly", "small.yaml", "--as-of", NIGHT, "--dry-run"),
        ("backfill", "small.yaml", "--from", "2024-01-28", "--to", NIGHT),
        ("doctor", "small.yaml"),
    )
    output = ""
    for words in sound:
        result = run(*words)
        expected = {"forecast": (0, 4), "doctor": (1,)}.get(words[0], (0,))  # maybe without champion; 2024 is too old
        assert result.returncode in expected, (words, result.stderr[-500:])
        output += result.stdout + result.stderr
    for words in (*sound[:9:3], sound[3], sound[8]):
        refused = run(*words, *(("--force",) if words[0] == "init" else ()), login=WRONG)
        assert refused.returncode == 1, (words, refused.stderr[-500:])
        assert "password authentication failed" in refused.stderr
        assert "Traceback" not in refused.stderr or "--verbose" in words
        output += refused.stdout + refused.stderr
    assert not any(mark in output for mark in MARKS)
    assert files_with_secret(home) == []
    databases = [path.name for path in home.rglob("*.db")]
    assert "prefect.db" in databases
    assert "mlflow.db" in databases or any("mlflow" in name for name in databases)
