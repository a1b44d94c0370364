"""Contracts in a whole night: an excluded series, an invalid rule, and their place on the page."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from data_contracts.errors import SourceUnreadable, SpecError
from flows.nightly import nightly

FIRST, SECOND = "2024-02-08", "2024-02-09"
BETWEEN = "type: expect_column_values_to_be_between\nkwargs: {column: %s, min_value: 0, max_value: 200}"


@pytest.fixture
def promising(world: Path) -> Any:
    """promising(column="late"): give the pipeline of `world` a contract with a rule of scope series on that column."""

    def written(column: str = "late") -> str:
        rule = {
            "name": "possible",
            "type": "custom",
            "engine": "greatExpectations",
            "implementation": BETWEEN % column,
            "customProperties": [{"property": "scope", "value": "series"}],
        }
        columns = [
            {"name": "port", "logicalType": "string", "required": True},
            {"name": "hour_utc", "logicalType": "timestamp", "physicalType": "timestamp[us, UTC]"},
            {"name": "late", "logicalType": "number", "quality": [rule]},
        ]
        table = {"name": "ports", "properties": columns}
        document = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "ports", "version": "1.0.0"}
        (world / "ports.odcs.yaml").write_text(
            yaml.safe_dump(document | {"status": "active", "schema": [table]}), encoding="utf-8"
        )
        spec = yaml.safe_load((world / "ports.yaml").read_text())
        (world / "ports.yaml").write_text(yaml.safe_dump(spec | {"contract": "ports.odcs.yaml"}), encoding="utf-8")
        return str(world / "ports.yaml")

    return written


@pytest.mark.slow
def test_series_with_an_error_is_excluded_and_the_others_are_forecast(
    world: Path, panel: pd.DataFrame, promising: Any
) -> None:
    pipeline = promising()
    good = nightly.fn(pipeline, FIRST)
    assert set(pd.read_parquet(world / "store" / good.published)["unique_id"]) == {"north", "south"}
    panel.assign(late=panel["late"].where(panel.index != 5, 999.0)).to_parquet(world / "ports.parquet", index=False)
    outcome = nightly.fn(pipeline, SECOND)
    assert set(pd.read_parquet(world / "store" / outcome.published)["unique_id"]) == {"south"}
    assert outcome.verdict == "watch"
    assert "1 series broke a rule and were excluded from the forecast: north" in outcome.lines[2]
    page = (world / "store" / outcome.page).read_text(encoding="utf-8")
    assert "series &#39;north&#39;, row 5; ds 2024-01-01 05:00:00+00:00, y 999.0; not forecast tonight" in page
    record = json.loads((world / "store" / outcome.manifest).read_text(encoding="utf-8"))
    health = record["story"]["validated"]["health"]
    assert health["set_aside"] == ["north"]
    assert health["used"] + health["quarantined"] == health["read"]
    assert record["failures"] == []
    contract = (world / "ports.odcs.yaml").read_text(encoding="utf-8")
    (world / "ports.odcs.yaml").write_text(contract.replace("max_value: 200", "max_value: 2000"), encoding="utf-8")
    changed = nightly.fn(pipeline, "2024-02-10")
    assert "the contract changed since the last night: 2 breaking changes" in changed.lines[2]
    page = (world / "store" / changed.page).read_text(encoding="utf-8")
    assert "rule &#39;possible&#39;: max_value 200 → 2000" in page


def test_invalid_rule_stops_the_night_before_data_are_read(world: Path, panel: pd.DataFrame, promising: Any) -> None:
    pipeline = promising("delay")
    panel.head(0).to_parquet(world / "ports.parquet", index=False)
    with pytest.raises(
        SpecError, match=r"contract ports@1.0.0, rule 'possible' is invalid and was not evaluated"
    ) as broken:
        nightly.fn(pipeline, FIRST)
    assert broken.value.exit_code == 2
    promising("late")
    with pytest.raises(SourceUnreadable, match="the table has no rows"):
        nightly.fn(pipeline, FIRST)
