"""Quality rules of a contract: which expectation each becomes, and which are refused as no rule at all."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from data_contracts.errors import SpecError
from data_contracts.odcs_compiler import read_contract
from data_contracts.rules import QualityRule


def rules_of(folder: Path, *rules: dict[str, Any], of_table: bool = False) -> tuple[QualityRule, ...]:
    """The rules of a contract with the columns `sold` and `sku`; at the first which `rules` stand, or at its table."""
    column: dict[str, Any] = {"name": "sold", "logicalType": "number"}
    sku = {"name": "sku", "logicalType": "string"}
    table: dict[str, Any] = {"name": "sales", "properties": [column, sku]}
    (table if of_table else column)["quality"] = list(rules)
    document = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "sales", "version": "1.0.0", "status": "active"}
    path = folder / "sales.yaml"
    path.write_text(yaml.safe_dump(document | {"schema": [table]}), encoding="utf-8")
    return read_contract(path).rules


@pytest.mark.parametrize(
    ("written", "expectation", "arguments"),
    [
        ({"metric": "nullValues", "mustBe": 0}, "expect_column_values_to_not_be_null", {"column": "sold"}),
        (
            {"metric": "nullValues", "mustBeLessOrEqualTo": 5, "unit": "percent"},
            "expect_column_values_to_not_be_null",
            {"column": "sold"},
        ),
        (
            {"metric": "missingValues", "mustBeBetween": [0, 20], "unit": "percent"},
            "expect_column_values_to_not_be_null",
            {"column": "sold"},
        ),
        (
            {"metric": "invalidValues", "arguments": {"validValues": [1, 2]}, "mustBe": 0},
            "expect_column_values_to_be_in_set",
            {"column": "sold", "value_set": [1, 2]},
        ),
        (
            {"metric": "invalidValues", "arguments": {"pattern": "^a"}, "mustBe": 0},
            "expect_column_values_to_match_regex",
            {"column": "sold", "regex": "^a"},
        ),
        (
            {"metric": "duplicateValues", "mustBe": 0},
            "expect_column_values_to_be_unique",
            {"column": "sold"},
        ),
        (
            {"metric": "duplicateValues", "arguments": {"properties": ["sku", "sold"]}, "mustBe": 0},
            "expect_compound_columns_to_be_unique",
            {"column_list": ["sku", "sold"]},
        ),
        (
            {
                "type": "custom",
                "engine": "greatExpectations",
                "implementation": "type: expect_column_max_to_be_between\nkwargs: {column: sold, max_value: 9}",
            },
            "expect_column_max_to_be_between",
            {"column": "sold", "max_value": 9},
        ),
    ],
)
def test_rule_compiles_to_an_expectation(
    tmp_path: Path, written: dict[str, Any], expectation: str, arguments: dict[str, Any]
) -> None:
    (rule,) = rules_of(tmp_path, {"type": "library", "name": "r", **written})
    assert rule.expectation == expectation
    assert rule.arguments == arguments


def test_rule_severity_is_error_by_default(tmp_path: Path) -> None:
    strict = {"name": "a", "metric": "nullValues", "mustBe": 0}
    rules = rules_of(tmp_path, strict, strict | {"name": "b", "severity": "warning", "description": "Why not."})
    assert [rule.severity for rule in rules] == ["error", "warning"]
    assert [rule.sentence for rule in rules] == ["a", "Why not."]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"metric": "nullValues", "severity": "sever"}, "rule 'r' has severity 'sever'. Write error or warning"),
        ({"metric": "freshness"}, "has the unknown metric 'freshness'"),
        ({"metric": "invalidValues"}, "Give validValues or pattern"),
        ({"type": "sql", "query": "select 1"}, "has type 'sql'"),
        ({"type": "custom", "engine": "soda", "implementation": "x: 1"}, "has type 'custom'"),
        ({"metric": "nullValues", "mustBe": "few", "unit": "percent"}, "the bound 'few', which is not a number"),
        ({"type": "custom", "engine": "greatExpectations"}, "needs an implementation with `type` and `kwargs`"),
        (
            {"type": "custom", "engine": "greatExpectations", "implementation": "type: [broken"},
            "implementation of rule 'r' is not valid YAML",
        ),
        (
            {"type": "custom", "engine": "greatExpectations", "implementation": "type: !!python/name:os.system\n"},
            "implementation of rule 'r' is not valid YAML",
        ),
        (
            {"type": "custom", "engine": "greatExpectations", "implementation": "a: &x [1]\ntype: *x\n"},
            "line 2: anchors and aliases",
        ),
    ],
)
def test_invalid_rule_is_a_spec_error_with_file_and_rule(tmp_path: Path, written: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said) as refused:
        rules_of(tmp_path, {"name": "r", **written})
    assert "sales.yaml" in str(refused.value)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"metric": "rowCount"}, "counts rows but has no bound"),
        ({"metric": "rowCount", "mustBe": "many"}, "'many', which is not a number"),
        ({"metric": "duplicateValues", "mustBe": 0}, "needs `arguments:"),
        ({"metric": "nullValues", "mustBe": 0}, "applies to a property"),
    ],
)
def test_table_rule_without_effect_is_rejected(tmp_path: Path, written: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        rules_of(tmp_path, {"name": "r", "type": "library", **written}, of_table=True)
