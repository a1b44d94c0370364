"""Runs every rule of a contract over made-up values before data are judged: a broken rule is no bad data."""

from collections.abc import Mapping

import pandas as pd

from data_contracts.column_types import ColumnType
from data_contracts.contract import Contract
from data_contracts.errors import SpecError
from tasks.quality import gx_suite
from tasks.quality.gx_suite import rule_error_message

TIMES = pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC").as_unit("us")
VALUES: dict[ColumnType, pd.Series] = {
    "string": pd.Series(["a", "b", "c"], dtype="str"),
    "clock": pd.Series(["00:00", "06:00", "12:00"], dtype="str"),
    "number": pd.Series([1.0, 2.0, 4.0]),
    "integer": pd.Series([1.0, 2.0, 4.0]),
    "boolean": pd.Series([True, False, True]),
    "time": pd.Series(TIMES),
}
GUESSES: tuple[ColumnType, ...] = ("number", "string", "time")


def dry_run_rules(contract: Contract, kinds: Mapping[str, ColumnType]) -> None:
    """Raises SpecError with contract, rule and cause where a rule can't be run on columns of these kinds.

    A rule on a column of which the contract promises no kind must run on numbers, text or times.
    """
    broken: dict[int, str] = {}
    left = contract.rules
    if not left:
        return
    for guess in GUESSES if "any" in kinds.values() else GUESSES[:1]:
        values = {name: VALUES[guess if kind == "any" else kind] for name, kind in kinds.items()}
        frame = pd.DataFrame({"row": range(len(TIMES)), **values})
        results = zip(left, gx_suite.run_rules(frame, left, contract), strict=True)
        broken = {number: result.broken for number, (_, result) in enumerate(results) if result.broken}
        left = tuple(left[number] for number in broken)
        if not left:
            break
    for rule, reason in zip(left, broken.values(), strict=True):
        raise SpecError(rule_error_message(rule, reason, contract))
    _refuse_wholes(contract)


def _refuse_wholes(contract: Contract) -> None:
    confined = (rule for rule in contract.rules if rule.scope == "series" and rule.allowed is None)
    if whole := next((rule for rule in confined if not gx_suite.has_row_results(rule)), None):
        raise SpecError(
            f"contract {contract.label}, rule {whole.name!r} is broken: {whole.expectation} judges the table as a "
            "whole, so its scope can't be series."
        )
