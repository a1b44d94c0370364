"""Runs the quality rules of a contract with Great Expectations and says which rows break which rule."""

import logging
from typing import Any

import pandas as pd

from data_contracts.contract import Contract
from data_contracts.errors import SpecError
from data_contracts.rules import Rule
from tasks._faults import Fault

UNIQUE = ("expect_compound_columns_to_be_unique", "expect_column_values_to_be_unique")


def broken_rules(frame: pd.DataFrame, contract: Contract) -> list[Fault]:
    """The rules that `frame` breaks; its columns carry the source's names, and `row` numbers the rows.

    Raises SpecError for a rule that can't be run: a broken rule is no bad data.
    """
    if not contract.rules:
        return []
    results = _run(frame, contract)
    if len(results) != len(contract.rules):
        raise SpecError(f"contract {contract.label} has {len(contract.rules)} rules but {len(results)} gave a result.")
    faults = []
    for rule, result in zip(contract.rules, results, strict=True):
        _refuse_broken(rule, result, contract)
        if not result["success"]:
            rows = [entry["row"] for entry in result["result"].get("unexpected_index_list") or []]
            column = ", ".join(_columns(rule)) or "the table"
            observed = result["result"].get("observed_value")
            found = f" (found {observed})" if observed is not None and not rows else ""
            faults.append(Fault(rule.name, column, rule.severity, rule.sentence + found, _repeats(rule, frame, rows)))
    return faults


def judge_of(columns: set[str], contract: Contract) -> set[str]:
    """Names of the rules that ask whether exactly these columns together are unique."""
    unique = [rule for rule in contract.rules if rule.expectation in UNIQUE]
    return {rule.name for rule in unique if set(_columns(rule)) == columns}


def _columns(rule: Rule) -> list[str]:
    named = [rule.arguments[word] for word in ("column", "column_A", "column_B") if word in rule.arguments]
    return [str(name) for name in (*named, *rule.arguments.get("column_list", ()))]


def _run(frame: pd.DataFrame, contract: Contract) -> list[dict[str, Any]]:
    import great_expectations as gx  # takes seconds, and a cached night never needs it
    from great_expectations.expectations.registry import get_expectation_impl

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    try:
        expectations = [get_expectation_impl(rule.expectation)(**rule.arguments) for rule in contract.rules]
    except Exception as error:
        reason = " ".join(str(error).split())
        raise SpecError(f"contract {contract.label} holds a rule that Great Expectations refuses: {reason}") from error
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("frame").add_dataframe_asset("frame")
    batch = asset.add_batch_definition_whole_dataframe("frame").get_batch(batch_parameters={"dataframe": frame})
    suite = gx.ExpectationSuite(name=contract.label, expectations=expectations)
    report = batch.validate(
        suite, result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["row"]}
    )
    ordered = {_asked(entry.expectation_config): entry.to_json_dict() for entry in report.results}
    asked = [_asked(expectation.configuration) for expectation in expectations]
    return [ordered[one] for one in asked if one in ordered]


def _asked(configuration: Any) -> str:
    """Great Expectations returns results in an order of its own: match them by what they ask."""
    told = {name: value for name, value in configuration.kwargs.items() if name != "batch_id"}
    return f"{configuration.type} {sorted(told.items(), key=str)}"


def _refuse_broken(rule: Rule, result: dict[str, Any], contract: Contract) -> None:
    raised = result.get("exception_info") or {}
    infos = [raised] if "raised_exception" in raised else list(raised.values())
    for info in infos:
        if isinstance(info, dict) and info.get("raised_exception"):
            reason = " ".join(str(info.get("exception_message")).split())
            raise SpecError(f"contract {contract.label}, rule {rule.name!r} is broken and judged nothing: {reason}")


def _repeats(rule: Rule, frame: pd.DataFrame, rows: list[int]) -> list[int]:
    """Of rows that share a key, the first is good and the others are at fault."""
    if rule.expectation not in UNIQUE:
        return rows
    return frame.loc[frame.duplicated(_columns(rule)) & frame["row"].isin(rows), "row"].tolist()
