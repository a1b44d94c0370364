"""The rules of a contract as one Great Expectations suite: run over a frame, one result a rule in the rules' order."""

import logging
import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from data_contracts.contract import Contract
from data_contracts.errors import SpecError
from data_contracts.metrics import MISSING
from data_contracts.property_options import MULTIPLE
from data_contracts.rules import QualityRule

OURS = (MISSING, MULTIPLE)
LIMITS = ("min_value", "max_value")
LOOKS = re.compile(r"\(\?[=!<]|\\[1-9]")


class RuleResult(NamedTuple):
    """What one rule found: whether it holds, the rows at fault, the figure it saw, and why it could not be run."""

    holds: bool
    rows: list[int]
    observed: Any
    broken: str | None


def run_rules(frame: pd.DataFrame, rules: tuple[QualityRule, ...], contract: Contract) -> list[RuleResult]:
    """One result a rule; `row` numbers the rows of `frame`. SpecError where a rule is no expectation at all."""
    asked = [rule for rule in rules if not _is_ours(rule)]
    answers = iter(_asked(frame, asked, contract) if asked else [])
    results = [_ours(frame, rule) if _is_ours(rule) else next(answers, None) for rule in rules]
    found = [result for result in results if result is not None]
    if len(found) != len(rules):
        raise SpecError(f"contract {contract.label} has {len(rules)} rules but {len(found)} gave a result.")
    return found


def has_row_results(rule: QualityRule) -> bool:
    """Whether the rule says of single rows that they are at fault; otherwise it judges a column or table as a whole."""
    if _is_ours(rule):
        return True
    from great_expectations.expectations import expectation as kinds
    from great_expectations.expectations.registry import get_expectation_impl

    by_row = (kinds.ColumnMapExpectation, kinds.ColumnPairMapExpectation, kinds.MulticolumnMapExpectation)
    return issubclass(get_expectation_impl(rule.expectation), by_row)


def _is_ours(rule: QualityRule) -> bool:
    """Also a pattern of the standard that looks around or back, which Arrow's regular expressions can't."""
    looks = rule.allowed is not None and LOOKS.search(str(rule.arguments.get("regex", "")))
    return rule.expectation in OURS or bool(looks)


def _asked(frame: pd.DataFrame, rules: list[QualityRule], contract: Contract) -> list[RuleResult]:
    import great_expectations as gx  # takes seconds, and a cached night never needs it

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    expectations = [_expectation(rule, frame, contract) for rule in rules]
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("frame").add_dataframe_asset("frame")
    batch = asset.add_batch_definition_whole_dataframe("frame").get_batch(batch_parameters={"dataframe": frame})
    suite = gx.ExpectationSuite(name=contract.label, expectations=expectations)
    report = batch.validate(
        suite, result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["row"]}
    )
    ordered = {_question(entry.expectation_config): entry.to_json_dict() for entry in report.results}
    asked = [_question(expectation.configuration) for expectation in expectations]
    return [_result(ordered[one]) for one in asked if one in ordered]


def _expectation(rule: QualityRule, frame: pd.DataFrame, contract: Contract) -> Any:
    from great_expectations.expectations.registry import get_expectation_impl

    try:
        return get_expectation_impl(rule.expectation)(**_arguments(rule, frame))
    except Exception as error:
        reason = " ".join(str(error).split())
        raise SpecError(
            f"contract {contract.label}, rule {rule.name!r} is broken: Great Expectations refuses it: {reason}"
        ) from error


def _arguments(rule: QualityRule, frame: pd.DataFrame) -> dict[str, Any]:
    """A limit of a column of times is an instant, however the contract writes it; without a zone it is meant in UTC."""
    arguments = dict(rule.arguments)
    column = arguments.get("column")
    if isinstance(column, str) and column in frame and isinstance(frame[column].dtype, pd.DatetimeTZDtype):
        for word in LIMITS:
            if arguments.get(word) is not None:
                moment = pd.Timestamp(arguments[word])
                arguments[word] = moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")
    return arguments


def _question(configuration: Any) -> str:
    """Great Expectations returns results in an order of its own: match them by what they ask."""
    told = {name: value for name, value in configuration.kwargs.items() if name != "batch_id"}
    return f"{configuration.type} {sorted(told.items(), key=str)}"


def _result(told: dict[str, Any]) -> RuleResult:
    raised = told.get("exception_info") or {}
    infos = [raised] if "raised_exception" in raised else list(raised.values())
    reasons = [one.get("exception_message") for one in infos if isinstance(one, dict) and one.get("raised_exception")]
    rows = [entry["row"] for entry in told["result"].get("unexpected_index_list") or []]
    broken = " ".join(str(reasons[0]).split()) if reasons else None
    return RuleResult(bool(told["success"]), rows, told["result"].get("observed_value"), broken)


def _ours(frame: pd.DataFrame, rule: QualityRule) -> RuleResult:
    """The expectations that Great Expectations does not have, or not for text kept by Arrow."""
    if rule.arguments["column"] not in frame:
        return RuleResult(False, [], None, f"there is no column {rule.arguments['column']!r}")
    values = frame[rule.arguments["column"]]
    if "regex" in rule.arguments:
        fits = re.compile(rule.arguments["regex"])
        at_fault = values.notna() & ~values.map(lambda one: pd.isna(one) or bool(fits.search(str(one)))).astype(bool)
    elif rule.expectation == MISSING:
        words = [word for word in rule.arguments["words"] if word is not None]
        at_fault = values.isna() | values.isin(words)
    else:
        step = rule.arguments["of"]
        share = values.astype("float64") / step
        at_fault = values.notna() & ~np.isclose(share, share.round(), rtol=0, atol=1e-9 * np.maximum(1, share.abs()))
    rows = frame.loc[at_fault, "row"].tolist()
    return RuleResult(not rows, rows, None, None)


def rule_error_message(rule: QualityRule, reason: str, contract: Contract) -> str:
    """What a rule that judged nothing is told."""
    return f"contract {contract.label}, rule {rule.name!r} is broken and judged nothing: {reason}"
