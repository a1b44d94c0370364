"""Several targets: each column becomes its own series; a violation names column and row of the source."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from data_contracts.contract import Contract
from data_contracts.errors import ContractBroken, SourceUnreadable
from data_contracts.odcs_compiler import read_contract
from tasks.ingestion import ingest
from tasks.results.steps import ValidatedTable
from tasks.sources.columns_spec import ColumnsSpec
from tasks.sources.dataset import DatasetSpec
from tasks.sources.unpivot import match_columns
from tasks.storage.store import Store
from tasks.validation import validate

AS_OF = datetime(2024, 3, 2, tzinfo=UTC)
MakeSpec = Callable[..., DatasetSpec]
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: wide
version: 1.0.0
status: active
schema:
  - name: wide
    customProperties: [{property: rowFaults, value: ROWS}]
    properties:
      - {name: shop, logicalType: string, required: true}
      - {name: hour, logicalType: timestamp}
      - {name: sold_a, logicalType: number, logicalTypeOptions: {minimum: 0}}
      - {name: sold_b, logicalType: number}
      - {name: price, logicalType: number, required: true}
"""


def wide(**changes: Any) -> pd.DataFrame:
    """Two shops, six hours, two targets and a price, known for three hours more."""
    hours = pd.date_range("2024-03-01 18:00", periods=9, freq="h", tz="UTC")
    parts = [
        pd.DataFrame({"shop": shop, "hour": hours, "sold_a": range(9), "sold_b": 2.5, "price": 1.0, "note": "x"})
        for shop in ("s", "t")
    ]
    return pd.concat(parts, ignore_index=True).assign(**changes)


@pytest.fixture
def night(reading: MakeSpec, store: Store, tmp_path: Path) -> Callable[..., tuple[ValidatedTable, pd.DataFrame]]:
    """night(frame, y=…): the validated night of a wide table."""

    def run(frame: pd.DataFrame, y: Any = ("sold_*",), **changes: Any) -> Any:
        frame.to_parquet(tmp_path / "sales.parquet", index=False)
        columns = {"unique_id": "shop", "ds": "hour", "y": y} | changes.pop("columns", {})
        spec = reading(**{"columns": columns, "features": {"known": ["price"]}} | changes)
        validated = validate.fn(ingest.fn(spec, AS_OF, store), spec, AS_OF, store)
        return validated, store.get(validated.clean)

    return run


@pytest.fixture
def contract(tmp_path: Path) -> Callable[[str], Contract]:
    def make(rows: str) -> Contract:
        (tmp_path / "wide.yaml").write_text(CONTRACT.replace("ROWS", rows), encoding="utf-8")
        return read_contract(tmp_path / "wide.yaml")

    return make


@pytest.mark.parametrize("y", [["sold_a", "sold_b"], ["sold_*"], ["sold_b", "sold_?"]])
def test_each_target_of_each_series_becomes_a_series_with_covariates(night: Any, y: list[str]) -> None:
    validated, clean = night(wide(), y)
    assert clean["unique_id"].unique().tolist() == ["s/sold_a", "s/sold_b", "t/sold_a", "t/sold_b"]
    sold = clean[clean["unique_id"] == "s/sold_a"]
    assert sold["y"].tolist()[:6] == [0, 1, 2, 3, 4, 5]
    assert sold["y"].isna().tolist()[6:] == [True] * 3
    assert sold["price"].tolist() == [1.0] * 9
    health = validated.health
    assert (health.read, health.used, health.quarantined, health.series) == (24, 24, 0, 4)


def test_without_id_each_target_is_a_series_by_its_name(night: Any) -> None:
    _, clean = night(wide().query("shop == 's'"), ["sold_b", "sold_a"], columns={"unique_id": None})
    assert clean["unique_id"].unique().tolist() == ["sold_a", "sold_b"]


def test_glob_does_not_match_column_with_another_role() -> None:
    names = ["day", "sold", "sold_before", "price"]
    assert match_columns(["*"], names, ["day", "price"]) == ["sold", "sold_before"]
    assert match_columns(["sold*", "gone", "x*"], names, ["sold_before"]) == ["sold", "gone", "x*"]


@pytest.mark.parametrize(
    ("y", "message"),
    [(["sold_a", "returned"], "'returned', the target"), (["r*"], r"no column matches 'r\*', the target")],
)
def test_missing_target_is_reported(night: Any, y: list[str], message: str) -> None:
    with pytest.raises(SourceUnreadable, match=message):
        night(wide(), y)


@pytest.mark.parametrize("y", [[], ["a", "a"], [""]])
def test_empty_or_repeated_target_is_refused(y: list[str]) -> None:
    with pytest.raises(ValidationError, match="name at least one target, and each of them once"):
        ColumnsSpec.model_validate({"ds": "t", "y": y})


def test_bad_cell_is_reported_and_rest_of_row_is_used(night: Any, store: Store, contract: Any) -> None:
    frame = wide()
    frame.loc[[2, 11], "sold_a"] = -1
    with pytest.raises(ContractBroken, match=r"column 'sold_a': sold_a must be at least 0; 2 rows .*rows 2, 11; "):
        night(frame, contract=contract("error"))
    validated, clean = night(frame, contract=contract("warning"))
    health = validated.health
    assert (health.read, health.used, health.quarantined, health.gaps) == (24, 22, 2, 2)
    rejected = store.get(validated.quarantine)
    assert rejected["row"].tolist() == [2, 11]
    assert rejected["unique_id"].tolist() == ["s/sold_a", "t/sold_a"]
    assert clean.query("unique_id == 's/sold_b'")["y"].notna().sum() == 6


def test_bad_covariate_rejects_all_cells_of_the_row(night: Any, store: Store, contract: Any) -> None:
    frame = wide()
    frame.loc[2, "price"] = None
    validated, _ = night(frame, contract=contract("warning"))
    assert store.get(validated.quarantine)["unique_id"].tolist() == ["s/sold_a", "s/sold_b"]
    assert validated.health.used == 22


def test_only_the_target_series_that_breaks_a_rule_is_excluded(night: Any, contract: Any) -> None:
    frame = wide()
    frame.loc[2, "sold_a"] = -1
    validated, clean = night(frame, contract=contract("series"))
    assert validated.health.set_aside == ("s/sold_a",)
    assert clean["unique_id"].unique().tolist() == ["s/sold_b", "t/sold_a", "t/sold_b"]


def test_target_of_another_type_stops_the_run(night: Any, contract: Any) -> None:
    with pytest.raises(ContractBroken, match="column 'sold_b': the contract promises number, the source has text"):
        night(wide(sold_b="many"), contract=contract("warning"))
