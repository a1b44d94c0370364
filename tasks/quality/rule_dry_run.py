"""Runs every rule of a contract over made-up values first, so that an invalid rule is not reported as bad data."""

from collections.abc import Mapping

import pandas as pd

from data_contracts.column_types import ColumnType
from data_contracts.contract import Contract
from data_contracts.errors import SpecError
from tasks.quality import gx_suite
from tasks.quality.gx_suite import rule_error_message

TIMES = pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC").as_unit("us")
SAMPLE_VALUES: dict[ColumnType, pd.Series] = {
    "string": pd.Series(["a", "b", "c"], dtype="str"),
    "clock": pd.Series(["00:00", "06:00", "12:00"], dtype="str"),
    "number": pd.Series([1.0, 2.0, 4.0]),
    "integer": pd.Series([1.0, 2.0, 4.0]),
    "boolean": pd.Series([True, False, True]),
    "time": pd.Series(TIMES),
}
TYPES_TO_TRY: tuple[ColumnType, ...] = ("number", "string", "time")


def dry_run_rules(contract: Contract, kinds: Mapping[str, ColumnType]) -> None:
    """Check that every rule can be evaluated on columns of the promised types.

    Args:
        contract: The contract with the rules.
        kinds: The type of each column, under the source's names. A rule on a column of type any must run on numbers,
            text or times.

    Raises:
        SpecError: A rule cannot be evaluated; names the contract, the rule and the cause.
    """
    errors: dict[int, str] = {}
    rules = contract.rules
    if not rules:
        return
    for assumed in TYPES_TO_TRY if "any" in kinds.values() else TYPES_TO_TRY[:1]:
        values = {name: SAMPLE_VALUES[assumed if kind == "any" else kind] for name, kind in kinds.items()}
        frame = pd.DataFrame({"row": range(len(TIMES)), **values})
        results = gx_suite.run_rules(frame, rules, contract)
        errors = {number: result.error for number, result in enumerate(results) if result.error}
        rules = tuple(rules[number] for number in errors)
        if not rules:
            break
    for rule, reason in zip(rules, errors.values(), strict=True):
        raise SpecError(rule_error_message(rule, reason, contract))
    _check_series_scope(contract)


def _check_series_scope(contract: Contract) -> None:
    """Raise SpecError for a rule of scope series whose expectation has no result per row."""
    by_series = (rule for rule in contract.rules if rule.scope == "series" and rule.allowed is None)
    if rule := next((rule for rule in by_series if not gx_suite.has_row_results(rule)), None):
        raise SpecError(
            f"contract {contract.label}, rule {rule.name!r} is invalid: {rule.expectation} evaluates the table as a "
            "whole, so its scope cannot be series. Use scope table, or an expectation about single rows."
        )
