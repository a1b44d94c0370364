import json
import os

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from deployments.cli.main import app
from tasks.storage.store import Store


@pytest.fixture
def run(tmp_path, monkeypatch):
    """run(…): run `nightcast quarantine shop.yaml …` with a store of three nights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("PREFECT_HOME", os.environ.get("PREFECT_HOME", str(tmp_path.parent / "prefect")))
    (tmp_path / "sales.csv").write_text("day,shop,colour,sold\n2024-01-01,a,red,1\n2024-01-02,a,red,many\n")
    spec = {
        "name": "shop",
        "source": {"kind": "csv", "path": "sales.csv"},
        "columns": {"unique_id": "shop", "ds": "day", "y": "sold"},
        "freq": "D",
        "windowing": {"horizon": 7},
    }
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(spec))
    return lambda *words: CliRunner().invoke(app, ["quarantine", "shop.yaml", *words])


@pytest.fixture
def nights(tmp_path):
    """1 January has no rejected row, 2 January was refused for one row, 3 January has one row in quarantine."""
    store = Store(root=str(tmp_path / "store"))
    quarantined = []
    for series in ("a", "=HYPERLINK(1)"):
        rows = {"row": [1], "unique_id": [series], "ds": ["2024-01-02"], "y": ["many"], "rule": ["y is a number"]}
        rows |= {"reason": ["sold: must be a number or empty"]}
        quarantined.append(store.put(pd.DataFrame(rows), "quarantine", "quarantine/pipeline=shop"))
    good = {"as_of": "2024-01-01T00:00:00+00:00", "finished": "1", "outcome": "done"}
    store.write_json("runs/pipeline=shop/1.json", good | {"story": {"validated": {"quarantine": None}}})
    refused = {"as_of": "2024-01-02T00:00:00+00:00", "started": "2", "outcome": "refused"}
    store.write_json("runs/pipeline=shop/refused.json", refused | {"quarantine": quarantined[0].uri})
    last = {"as_of": "2024-01-03T00:00:00+00:00", "finished": "3", "outcome": "done"}
    story = {"validated": {"quarantine": quarantined[1].model_dump(mode="json")}}
    store.write_json("runs/pipeline=shop/3.json", last | {"story": story})


def test_newest_night_is_listed_by_default_and_others_by_as_of(run, nights):
    facts = json.loads(run("--json").stdout)
    assert (facts["as_of"][:10], facts["rows"], facts["rules"][0]["series"]) == ("2024-01-03", 1, {"=HYPERLINK(1)": 1})
    refused = run("--as-of", "2024-01-02")
    assert refused.exit_code == 0
    assert "(refused): 1 row in quarantine" in refused.stdout
    assert "fix       correct the value at the source, or leave it empty" in refused.stdout
    assert "no rows are in quarantine" in run("--as-of", "2024-01-01").stdout


def test_export_has_source_columns_warns_of_formulas_and_is_not_overwritten(run, nights, tmp_path):
    result = run("--export", "rows.csv", "--json")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "rows.csv").read_text() == "day,shop,sold\n2024-01-02,=HYPERLINK(1),many\n"
    lost, formulas = json.loads(result.stdout)["warnings"]
    assert "missing in the export" in lost
    assert "colour" in lost
    assert "begin with =, +, - or @ and are not numbers: 1." in formulas
    again = run("--export", "rows.csv")
    assert again.exit_code == 2
    assert "rows.csv already exists" in again.stderr
    assert run("--export", "rows.csv", "--force").exit_code == 0


def test_unknown_night_and_unused_pipeline_are_reported(run, nights, tmp_path):
    result = run("--as-of", "2023-12-24")
    assert result.exit_code == 2
    assert "2024-01-02T00:00, 2024-01-03T00:00" in result.stderr
    (tmp_path / "store" / "runs").rename(tmp_path / "elsewhere")
    result = run()
    assert result.exit_code == 1
    assert "nightcast nightly shop.yaml" in result.stderr
