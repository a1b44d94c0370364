"""`nightcast contract` as a user's CI calls it: one line per change, and an exit code for broken readers."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from data_contracts.odcs_compiler import ODCS
from deployments.cli.main import app

DEMO = ODCS / "nyc-delays.yaml"


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


def test_breaking_change_exits_with_3_and_compatible_change_with_0(runner: CliRunner, tmp_path: Path) -> None:
    wider, narrower = tmp_path / "wider.odcs.yaml", tmp_path / "narrower.odcs.yaml"
    text = DEMO.read_text(encoding="utf-8")
    wider.write_text(text.replace("min_value: -40", "min_value: -60"), encoding="utf-8")
    narrower.write_text(
        text.replace("min_value: -40", "min_value: -30").replace("version: 1.0.0", "version: 1.1.0"), encoding="utf-8"
    )
    broken = runner.invoke(app, ["contract", "diff", str(DEMO), str(wider)])
    assert broken.exit_code == 3
    assert "breaking    rule 'temp is possible': min_value -40 → -60\n" in broken.stdout
    assert broken.stdout.endswith(
        "nyc-delays@1.0.0 breaks readers of nyc-delays@1.0.0: 2 breaking, 0 unclear, 0 compatible.\n"
    )
    fine = runner.invoke(app, ["contract", "diff", str(DEMO), str(narrower), "--json"])
    assert fine.exit_code == 0
    facts = json.loads(fine.stdout)
    assert facts["breaks"] is False
    assert {"effect": "compatible", "where": "rule 'temp is possible'", "what": "min_value -40 → -30"} in facts[
        "changes"
    ]


def test_identical_contracts_are_equivalent(runner: CliRunner) -> None:
    same = runner.invoke(app, ["contract", "diff", str(DEMO), "nyc-delays"])
    assert (same.exit_code, same.stdout) == (0, "nyc-delays@1.0.0 and nyc-delays@1.0.0 are equivalent.\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: Recipe\nid: a\nversion: 1.0.0\napiVersion: v3.1.0\n", "is not a data contract"),
        ("a: [", "is not valid YAML"),
        ("", "not a mapping"),
        (None, "does not exist"),
    ],
)
def test_file_that_is_not_a_contract_exits_with_2(
    runner: CliRunner, tmp_path: Path, text: str | None, message: str
) -> None:
    path = tmp_path / "new.odcs.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    for words in (["diff", str(DEMO), str(path)], ["diff", str(path), str(DEMO)], ["page", str(path)]):
        refused = runner.invoke(app, ["contract", *words, "--json"])
        assert refused.exit_code == 2
        assert message in json.loads(refused.stdout)["message"]
        assert "new.odcs.yaml" in refused.stderr


def test_contract_page_is_printed(runner: CliRunner) -> None:
    page = runner.invoke(app, ["contract", "page", "forecasts"])
    assert page.exit_code == 0
    assert "| `y_hat` | float64 |" in page.stdout
    record = json.loads(runner.invoke(app, ["contract", "page", "forecasts", "--json"]).stdout)
    assert record["schema"]["cutoff"] == "timestamp[us, tz=UTC]"
    unknown = runner.invoke(app, ["contract", "page", "forecast"])
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "contract 'forecast' does not exist. Use one of accuracy, actuals" in unknown.stderr
