"""Contracts: documents of the standard, compiled to facts, and what a table that breaks one is told."""

import json
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from open_data_contract_standard.model import OpenDataContractStandard

from data_contracts.column_types import ARROW
from data_contracts.contract import Column, Contract
from data_contracts.errors import SpecError
from data_contracts.odcs_compiler import ODCS, builtin_contract, read_contract

DOCUMENTS = sorted(ODCS.glob("*.yaml"))
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
PAIRS = Contract(
    id="pairs",
    version="1.0.0",
    columns=(
        Column(name="unique_id", kind="string", arrow="string", required=True, key=True),
        Column(name="ds", kind="time", arrow="timestamp[us, UTC]", required=True, key=True),
        Column(name="y", kind="number", arrow="float64"),
        Column(name="y_hat", kind="number", arrow="float64", required=True),
    ),
    extra_columns_pattern=r"q\d{2,}",
)


def table(**changes: pa.Array) -> pa.Table:
    columns = {
        "unique_id": pa.array(["a", "b"]),
        "ds": pa.array([NOON, NOON], pa.timestamp("us", "UTC")),
        "y": pa.array([1.0, None]),
        "y_hat": pa.array([1.0, 2.0]),
    }
    return pa.table({name: values for name, values in {**columns, **changes}.items() if values is not None})


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_builtin_document_conforms_to_the_standard(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    schema = json.loads(resources.files("open_data_contract_standard").joinpath("schema.json").read_text("utf-8"))
    jsonschema.validate(document, schema, cls=jsonschema.Draft201909Validator)
    assert OpenDataContractStandard.from_file(str(path)).id == path.stem


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_builtin_document_compiles_with_its_columns(path: Path) -> None:
    contract, document = read_contract(path), yaml.safe_load(path.read_text(encoding="utf-8"))
    assert contract.label == f"{path.stem}@{document['version']}"
    assert contract.columns
    written = document["schema"][0]["properties"]
    assert [column.name for column in contract.columns] == [entry["name"] for entry in written]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("raw", []),
        ("clean", ["unique_id", "ds"]),
        ("windows", ["series", "first", "split"]),
        ("scores", ["model_name"]),
        ("rolling_forecasts", ["model_name", "unique_id", "as_of", "ds"]),
        ("rolling_scores", ["model_name", "by", "group"]),
        ("forecasts", ["unique_id", "ds", "cutoff"]),
        ("actuals", ["unique_id", "ds"]),
        ("accuracy", ["forecast_vintage", "unique_id"]),
        ("anomalies", ["unique_id", "ds"]),
        ("errors", []),
        ("drift", ["column"]),
        ("quarantine", []),
    ],
)
def test_builtin_table_has_its_key(name: str, key: list[str]) -> None:
    assert builtin_contract(name).key == key


def test_forecast_table_has_the_documented_columns() -> None:
    promised = {column.name: column.arrow for column in builtin_contract("forecasts").columns}
    assert promised == {
        "unique_id": "string",
        "ds": "timestamp[us, UTC]",
        "as_of": "timestamp[us, UTC]",
        "cutoff": "timestamp[us, UTC]",
        "step": "int16",
        "y_hat": "float64",
        "model_name": "string",
        "model_version": "string",
        "run_id": "string",
        "source": "string",
        "degraded_reason": "string",
    }


def test_conforming_table_has_no_findings() -> None:
    assert PAIRS.violations(table()) == []
    assert PAIRS.violations(table(q05=pa.array([0.0, 1.0]))) == []
    assert PAIRS.violations(table().slice(0, 0)) == []


@pytest.mark.parametrize(
    ("changes", "findings"),
    [
        ({"y_hat": None}, ["column 'y_hat' is missing"]),
        ({"y_hat": pa.array([1, 2])}, ["column 'y_hat' is int64, not float64"]),
        ({"y_hat": pa.array([1.0, None])}, ["column 'y_hat' has 1 missing values"]),
        ({"y_hat": pa.array([float("nan"), float("inf")])}, ["column 'y_hat' has 2 values that are not finite"]),
        ({"extra": pa.array([1, 2])}, ["column 'extra' is not in the contract"]),
        ({"q5": pa.array([1, 2])}, ["column 'q5' is not in the contract"]),
        ({"xq05": pa.array([1, 2])}, ["column 'xq05' is not in the contract"]),
        ({"unique_id": pa.array(["a", "a"])}, ["1 rows repeat a key (unique_id, ds)"]),
        (
            {"y": None, "unique_id": pa.array([None, "a"])},
            ["column 'unique_id' has 1 missing values", "column 'y' is missing"],
        ),
    ],
)
def test_violation_is_one_sentence(changes: dict[str, pa.Array], findings: list[str]) -> None:
    assert PAIRS.violations(table(**changes)) == findings


@settings(max_examples=60)
@given(keys=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 4)), max_size=8))
def test_repeated_key_is_found_at_any_position(keys: list[tuple[str, int]]) -> None:
    contract = Contract(id="k", version="1.0.0", columns=(Column(name="a", key=True), Column(name="b", key=True)))
    told = pa.table({"a": pa.array([a for a, _ in keys], pa.string()), "b": pa.array([b for _, b in keys], pa.int64())})
    assert bool(contract.violations(told)) == (len(set(keys)) < len(keys))


def test_missing_and_non_finite_values_are_counted_separately() -> None:
    values = pa.array([None, float("inf")])
    assert PAIRS.violations(table(y_hat=values)) == [
        "column 'y_hat' has 1 missing values",
        "column 'y_hat' has 1 values that are not finite",
    ]


def document(**changes: Any) -> dict[str, Any]:
    told = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "sales",
        "version": "2.1.0",
        "status": "active",
        "schema": [{"name": "sales", "properties": [{"name": "sold", "logicalType": "number", "required": True}]}],
    }
    return {name: value for name, value in (told | changes).items() if value is not None}


def written(folder: Path, told: dict[str, Any]) -> Path:
    path = folder / "sales.yaml"
    path.write_text(yaml.safe_dump(told), encoding="utf-8")
    return path


def test_document_compiles_to_columns_rules_and_levels(tmp_path: Path) -> None:
    schema = {
        "name": "sales",
        "customProperties": [{"property": "rowFaults", "value": "warning"}],
        "properties": [
            {"name": "shop", "logicalType": "string", "physicalType": "string", "required": True, "primaryKey": True},
            {"name": "sold", "logicalType": "integer", "physicalType": "varchar(8)"},
            {"name": "anything"},
        ],
    }
    freshness = [{"property": "freshness", "value": 36, "unit": "h"}]
    contract = read_contract(written(tmp_path, document(schema=[schema], slaProperties=freshness)))
    assert (contract.label, contract.row_faults, contract.freshness) == ("sales@2.1.0", "warning", "36h")
    assert contract.columns == (
        Column(name="shop", kind="string", arrow="string", required=True, key=True),
        Column(name="sold", kind="integer"),
        Column(name="anything"),
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "Recipe"}, "is not a data contract"),
        ({"schema": None}, "is not a data contract"),
        ({"schema": [{"name": "a"}, {"name": "b"}]}, "describes 2 tables"),
        ({"schema": [{"properties": [{"name": "a", "logicalType": "object"}]}]}, "a has logicalType 'object'"),
        ({"schema": [{"properties": [{"logicalType": "string"}]}]}, "has no name"),
        ({"schema": [{"properties": [{"name": "a"}, {"name": "a"}]}]}, "defines a more than once"),
        ({"schema": "sales"}, "schema: Input should be a valid list"),
        (
            {"schema": [{"customProperties": [{"property": "rowFaults", "value": "ignore"}]}]},
            "row_faults: Input should be 'error', 'warning' or 'series'",
        ),
        (
            {"schema": [{"customProperties": [{"property": "otherColumns", "value": "q("}]}]},
            "not a regular expression",
        ),
        ({"slaProperties": [{"property": "freshness", "value": "soon"}]}, "freshness is 'soon' d"),
        ({"slaProperties": [{"property": "freshness", "value": 1, "unit": "fortnight"}]}, "freshness is 1 fortnight"),
    ],
)
def test_invalid_contract_is_a_spec_error_with_the_file(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said) as refused:
        read_contract(written(tmp_path, document(**changes)))
    assert "sales.yaml" in str(refused.value)


def test_misspelt_field_is_named(tmp_path: Path) -> None:
    schema = {"name": "sales", "properties": [{"name": "sold", "requird": True}]}
    with pytest.raises(
        SpecError, match=r"the standard does not define schema\.0\.properties\.0\.requird. Check the spelling"
    ):
        read_contract(written(tmp_path, document(schema=[schema])))


def test_every_supported_arrow_type_resolves() -> None:
    assert all(isinstance(kind, pa.DataType) for kind in ARROW.values())
