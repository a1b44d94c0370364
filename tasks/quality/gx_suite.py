"""The rules of a contract as one Great Expectations suite, run over a frame: one result per rule, in rule order."""

import logging
import re
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract import Contract
from data_contracts.errors import SpecError
from data_contracts.metrics import MISSING
from data_contracts.property_options import MULTIPLE
from data_contracts.rules import QualityRule
from tasks.quality import column_rules, pair_rules
from tasks.quality.column_rules import RuleResult

OWN_EXPECTATIONS = (MISSING, MULTIPLE)
LIMIT_ARGUMENTS = ("min_value", "max_value")
BY_COLUMN = re.compile(
    r"expect_(column_(values?|pair|max|min|mean|median|stdev|sum|unique|distinct|proportion|quantile)|compound|multi|select)"
)
READS_OTHERS = {"row_condition", "condition_parser"}
LOOKAROUND_OR_BACKREFERENCE = re.compile(r"\(\?[=!<]|\\[1-9]")


def run_rules(frame: pd.DataFrame, rules: tuple[QualityRule, ...], contract: Contract) -> list[RuleResult]:
    """Evaluate rules over a frame.

    Args:
        frame: Columns under the names of the source, and `row`, which numbers the rows.
        rules: The rules to evaluate.
        contract: The contract of the rules, named in errors.

    Returns:
        One result per rule, in the order of `rules`.

    Raises:
        SpecError: Great Expectations rejects a rule or returns no result for it.
    """
    computed = {number: _compute(frame, rule) for number, rule in enumerate(rules)}
    results = {number: result for number, result in computed.items() if result is not None}
    delegated = {number: rule for number, rule in enumerate(rules) if number not in results}
    if delegated:
        results |= _run_great_expectations(_columns_of(delegated, frame), delegated, contract)
    if missing := [rule.name for number, rule in enumerate(rules) if number not in results]:
        raise SpecError(
            f"contract {contract.label}: Great Expectations returned no result for {len(missing)} of {len(rules)} "
            f"rules: {', '.join(map(repr, missing))}."
        )
    return [results[number] for number in range(len(rules))]


def has_row_results(rule: QualityRule) -> bool:
    """Whether the rule evaluates single rows; otherwise it evaluates a column or the table as a whole."""
    if _is_own(rule) or column_rules.is_row_rule(rule) or rule.expectation in pair_rules.OPTIONS:
        return True
    from great_expectations.expectations import expectation as kinds
    from great_expectations.expectations.registry import get_expectation_impl

    by_row = (kinds.ColumnMapExpectation, kinds.ColumnPairMapExpectation, kinds.MulticolumnMapExpectation)
    return issubclass(get_expectation_impl(rule.expectation), by_row)


def rule_error_message(rule: QualityRule, reason: str, contract: Contract) -> str:
    """Return the message for a rule that could not be evaluated."""
    return f"contract {contract.label}, rule {rule.name!r} is invalid and was not evaluated: {reason}"


def _is_own(rule: QualityRule) -> bool:
    """Whether this module evaluates the rule: Arrow's regular expressions have no lookaround and no backreference."""
    unsupported = rule.allowed is not None and LOOKAROUND_OR_BACKREFERENCE.search(str(rule.arguments.get("regex", "")))
    return rule.expectation in OWN_EXPECTATIONS or bool(unsupported)


def _compute(frame: pd.DataFrame, rule: QualityRule) -> RuleResult | None:
    """Evaluate a rule here; None if only Great Expectations can, whose import alone takes seconds."""
    if _is_own(rule):
        return _run_own(frame, rule)
    try:
        limited = rule.model_copy(update={"arguments": _parse_limits(rule, frame)})
    except (ValueError, TypeError):  # Great Expectations says what is wrong with the limit
        return None
    return column_rules.evaluate(frame, limited) or pair_rules.evaluate(frame, limited)


def _columns_of(rules: dict[int, QualityRule], frame: pd.DataFrame) -> pd.DataFrame:
    """Return `row` and the columns that the rules name, names as text; all columns if a rule may read others."""
    named = {name for rule in rules.values() for name in rule.columns}
    if all(BY_COLUMN.match(rule.expectation) and not READS_OTHERS & set(rule.arguments) for rule in rules.values()):
        frame = frame[[name for name in frame.columns if name in named or name == "row"]]
    names = [name for name in frame.columns if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    return frame.astype(dict.fromkeys(names, "str"))


def _run_great_expectations(
    frame: pd.DataFrame, rules: dict[int, QualityRule], contract: Contract
) -> dict[int, RuleResult]:
    """Run the rules as one suite, and return the results by rule number."""
    import great_expectations as gx  # takes seconds, and a cached night never needs it

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    expectations = [_expectation(number, rule, frame, contract) for number, rule in rules.items()]
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("frame").add_dataframe_asset("frame")
    batch = asset.add_batch_definition_whole_dataframe("frame").get_batch(batch_parameters={"dataframe": frame})
    suite = gx.ExpectationSuite(name=contract.label, expectations=expectations)
    report = batch.validate(
        suite, result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["row"]}
    )
    # results come back in an order of their own, but each carries the `meta` of its expectation
    return {entry.expectation_config.meta["rule"]: _to_rule_result(entry.to_json_dict()) for entry in report.results}


def _expectation(number: int, rule: QualityRule, frame: pd.DataFrame, contract: Contract) -> Any:
    from great_expectations.expectations.registry import get_expectation_impl

    try:
        arguments = _parse_limits(rule, frame)
        meta = {**(arguments.pop("meta", None) or {}), "rule": number}
        return get_expectation_impl(rule.expectation)(**arguments, meta=meta)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise SpecError(
            f"contract {contract.label}, rule {rule.name!r} is invalid: Great Expectations rejects it: {reason}"
        ) from error


def _parse_limits(rule: QualityRule, frame: pd.DataFrame) -> dict[str, Any]:
    """Return the arguments with limits of a time column as instants; a limit without a zone is in UTC."""
    arguments = dict(rule.arguments)
    column = arguments.get("column")
    if isinstance(column, str) and column in frame and isinstance(frame[column].dtype, pd.DatetimeTZDtype):
        for word in LIMIT_ARGUMENTS:
            if arguments.get(word) is not None:
                moment = pd.Timestamp(arguments[word])
                arguments[word] = moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")
    return arguments


def _to_rule_result(entry: dict[str, Any]) -> RuleResult:
    raised = entry.get("exception_info") or {}
    infos = [raised] if "raised_exception" in raised else list(raised.values())
    messages = [
        info.get("exception_message") for info in infos if isinstance(info, dict) and info.get("raised_exception")
    ]
    rows = [index["row"] for index in entry["result"].get("unexpected_index_list") or []]
    error = " ".join(str(messages[0]).split()) if messages else None
    return RuleResult(bool(entry["success"]), rows, entry["result"].get("observed_value"), error)


def _run_own(frame: pd.DataFrame, rule: QualityRule) -> RuleResult:
    """Evaluate an expectation that Great Expectations lacks, or lacks for text stored by Arrow."""
    if rule.arguments["column"] not in frame:
        return RuleResult(False, [], None, f"the table has no column {rule.arguments['column']!r}")
    values = frame[rule.arguments["column"]]
    if "regex" in rule.arguments:
        pattern = re.compile(rule.arguments["regex"])
        matches = column_rules.by_distinct_text(
            values, lambda text: text.map(lambda value: bool(pattern.search(value)))
        )
        if matches is None:
            matches = values.map(lambda value: pd.isna(value) or bool(pattern.search(str(value)))).to_numpy(dtype=bool)
        at_fault = values.notna() & ~matches
    elif rule.expectation == MISSING:
        words = [word for word in rule.arguments["words"] if word is not None]
        at_fault = values.isna() | values.isin(words)
    else:
        ratio = values.astype("float64") / rule.arguments["of"]
        at_fault = values.notna() & ~np.isclose(ratio, ratio.round(), rtol=0, atol=1e-9 * np.maximum(1, ratio.abs()))
    rows = frame.loc[at_fault, "row"].tolist()
    return RuleResult(not rows, rows, None, None)
