"""The rules of a contract, evaluated by Great Expectations: which rows violate which rule, and invalid rules."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.contract import Contract
from data_contracts.errors import SpecError
from tasks.quality import gx_suite
from tasks.quality.expectations import find_rule_violations, uniqueness_rules

MakeContract = Callable[..., Contract]
PAIR = "type: expect_column_pair_values_a_to_be_greater_than_b\nkwargs: {column_A: sold, column_B: returned}"
MEAN = "type: expect_column_mean_to_be_between\nkwargs: {column: sold, min_value: 0}"  # left to Great Expectations


def gx(implementation: str, name: str = "r", severity: str = "error") -> dict[str, Any]:
    custom = {"type": "custom", "engine": "greatExpectations", "implementation": implementation}
    return {"name": name, "severity": severity, "description": f"{name} holds.", **custom}


def between(name: str, low: float, high: float, severity: str = "error") -> dict[str, Any]:
    body = f"type: expect_column_values_to_be_between\nkwargs: {{column: sold, min_value: {low}, max_value: {high}}}"
    return gx(body, name, severity)


def frame(**changes: Any) -> pd.DataFrame:
    hours = pd.date_range("2024-03-01", periods=4, freq="h", tz="UTC")
    plain = {"row": [10, 11, 12, 13], "sku": ["a"] * 4, "hour": hours, "sold": [1.0, 2.0, 3.0, 4.0], "returned": 0.0}
    return pd.DataFrame(plain | changes)


def test_table_within_every_rule_has_no_violations(promise: MakeContract) -> None:
    assert find_rule_violations(frame(), promise(between("small", 0, 9), gx(PAIR, "fewer returned"))) == []
    assert find_rule_violations(frame(), promise()) == []


def test_violating_rows_have_the_row_numbers_of_the_source(promise: MakeContract) -> None:
    (violation,) = find_rule_violations(
        frame(sold=[1.0, 99.0, np.nan, -1.0]), promise(between("small", 0, 9, "warning"))
    )
    assert (violation.rule, violation.column, violation.severity, violation.rows) == (
        "small",
        "sold",
        "warning",
        [11, 13],
    )
    assert violation.reason == "small holds."


def test_rule_on_two_columns_names_both(promise: MakeContract) -> None:
    (violation,) = find_rule_violations(frame(returned=[0.0, 5.0, 0.0, 0.0]), promise(gx(PAIR)))
    assert (violation.column, violation.rows) == ("sold, returned", [11])


def test_first_row_of_a_repeated_key_is_not_at_fault(promise: MakeContract) -> None:
    unique = {"name": "once", "type": "library", "metric": "duplicateValues", "mustBe": 0}
    hours = pd.to_datetime(["2024-03-01", "2024-03-01", "2024-03-02", "2024-03-01"], utc=True)
    contract = promise(unique | {"arguments": {"properties": ["sku", "hour"]}}, at="table")
    (violation,) = find_rule_violations(frame(hour=hours), contract)
    assert (violation.column, violation.rows) == ("sku, hour", [11, 13])
    (alone,) = find_rule_violations(frame(sold=[1.0, 1.0, 2.0, 3.0]), promise(unique))
    assert (alone.column, alone.rows) == ("sold", [11])


def test_rule_about_the_whole_table_reports_the_observed_count(promise: MakeContract) -> None:
    rule = {"name": "enough", "type": "library", "metric": "rowCount", "mustBeGreaterThan": 9}
    (violation,) = find_rule_violations(frame(), promise(rule, at="table"))
    assert (violation.column, violation.rows, violation.reason) == (
        "the table",
        [],
        "enough (found 4, promised more than 9)",
    )


def test_empty_table_violates_a_row_count_rule(promise: MakeContract) -> None:
    rule = {"name": "rows", "type": "library", "metric": "rowCount", "mustBeGreaterThan": 0}
    violations = find_rule_violations(frame().head(0), promise(rule, at="table"))
    assert [violation.rule for violation in violations] == ["rows"]


def test_share_of_rows_within_the_bound_is_no_violation(promise: MakeContract) -> None:
    rule = {"name": "mostly", "metric": "nullValues", "mustBeLessOrEqualTo": 50, "unit": "percent"}
    assert find_rule_violations(frame(sold=[1.0, 2.0, None, None]), promise(rule)) == []
    assert len(find_rule_violations(frame(sold=[1.0, None, None, None]), promise(rule))) == 1


def test_each_rule_gets_its_own_result(promise: MakeContract) -> None:
    rules = [between(f"r{high}", 0, high) for high in (9, 2, 8, 1, 7)]
    assert [violation.rule for violation in find_rule_violations(frame(), promise(*rules))] == ["r2", "r1"]


def test_rules_with_equal_expectation_and_arguments_get_a_result_each(promise: MakeContract) -> None:
    rules = [between("first", 0, 2), between("other", 0, 3), between("second", 0, 2, "warning")]
    violations = find_rule_violations(frame(), promise(*rules))
    assert [(violation.rule, violation.severity, violation.rows) for violation in violations] == [
        ("first", "error", [12, 13]),
        ("other", "error", [13]),
        ("second", "warning", [12, 13]),
    ]


@pytest.fixture
def change_results(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[list[Any]], list[Any]]], None]:
    """change_results(function): Great Expectations returns `function` of its results, each marked with its rule."""

    def change(function: Callable[[list[Any]], list[Any]]) -> None:
        from great_expectations.datasource.fluent.interfaces import Batch

        validate = Batch.validate

        def changed(*arguments: Any, **options: Any) -> Any:
            report = validate(*arguments, **options)
            for entry in report.results:
                entry.result["observed_value"] = f"result of rule {entry.expectation_config.meta['rule']}"
            report.results = function(sorted(report.results, key=lambda entry: entry.expectation_config.meta["rule"]))
            return report

        monkeypatch.setattr(Batch, "validate", changed)

    return change


def test_result_of_each_equal_rule_is_its_own_in_whatever_order_they_come_back(
    promise: MakeContract, change_results: Callable[..., None]
) -> None:
    contract = promise(gx(MEAN, "first"), gx(MEAN, "second"), gx(MEAN, "third"))
    change_results(lambda results: [results[2], results[0], results[1]])
    results = gx_suite.run_rules(frame(), contract.rules, contract)
    assert [result.observed for result in results] == [f"result of rule {number}" for number in range(3)]


def test_missing_result_of_a_rule_is_not_replaced_by_that_of_an_equal_rule(
    promise: MakeContract, change_results: Callable[..., None]
) -> None:
    contract = promise(gx(MEAN, "first"), gx(MEAN, "second"))
    change_results(lambda results: results[:1])
    with pytest.raises(SpecError, match=r"no result for 1 of 2 rules: 'second'\."):
        gx_suite.run_rules(frame(), contract.rules, contract)


def test_meta_of_a_rule_in_the_contract_is_accepted(promise: MakeContract) -> None:
    rule = gx(
        "type: expect_column_values_to_be_between\nkwargs: {column: sold, max_value: 2, meta: {rule: 7, owner: a}}"
    )
    assert [violation.rule for violation in find_rule_violations(frame(), promise(rule))] == ["r"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (gx("type: expect_miracles\nkwargs: {column: sold}"), "Great Expectations rejects.*expect_miracles"),
        (gx("type: expect_column_values_to_be_between\nkwargs: {colum: sold}"), "Great Expectations rejects"),
        (gx("type: expect_column_values_to_be_between\nkwargs: {column: profit, max_value: 3}"), "'r' is invalid"),
        (gx("type: expect_column_values_to_match_regex\nkwargs: {column: sku, regex: '('}"), "'r' is invalid"),
        (gx("type: expect_column_values_to_be_between\nkwargs: {column: sku, max_value: 3}"), "'r' is invalid"),
    ],
)
def test_rule_that_cannot_be_evaluated_is_a_spec_error(
    promise: MakeContract, rule: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=f"(?s)contract sales@1.0.0.*{message}") as refused:
        find_rule_violations(frame(), promise(rule))
    assert refused.value.exit_code == 2


def test_uniqueness_rule_is_found_by_its_columns(promise: MakeContract) -> None:
    unique = {"type": "library", "metric": "duplicateValues", "mustBe": 0}
    contract = promise(
        unique | {"name": "key", "arguments": {"properties": ["hour", "sku"]}},
        unique | {"name": "other", "arguments": {"properties": ["sku", "sold"]}},
        at="table",
    )
    assert uniqueness_rules({"sku", "hour"}, contract) == {"key"}
