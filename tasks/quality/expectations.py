"""Evaluates the quality rules of a contract: which rows, or which series, violate which rule."""

import pandas as pd

from data_contracts.bounds import Bound
from data_contracts.contract import Contract
from data_contracts.errors import SpecError
from data_contracts.metrics import ROW_COUNT, UNIQUE
from data_contracts.rules import QualityRule
from tasks.quality import gx_suite
from tasks.quality.violations import Violation


def find_rule_violations(frame: pd.DataFrame, contract: Contract, series: str | None = None) -> list[Violation]:
    """Evaluate the rules of a contract over a frame.

    Args:
        frame: Columns under the names of the source, and `row`, which numbers the rows.
        contract: The contract with the rules.
        series: The column by which a rule of scope series is evaluated; without it all rows are one series.

    Returns:
        One violation per broken rule, in the order of the contract.

    Raises:
        SpecError: A rule cannot be evaluated, which is an error of the contract and not of the data.
    """
    if not contract.rules:
        return []
    results = gx_suite.run_rules(frame, contract.rules, contract)
    evaluated = list(zip(contract.rules, results, strict=True))
    for rule, result in evaluated:
        if result.error:
            raise SpecError(gx_suite.rule_error_message(rule, result.error, contract))
    ids = frame[series] if series else pd.Series("", index=frame.index)
    violations = (_to_violation(rule, result, frame, ids) for rule, result in evaluated)
    return [violation for violation in violations if violation]


def uniqueness_rules(columns: set[str], contract: Contract) -> set[str]:
    """Return the names of the rules that require exactly these columns together to be unique."""
    unique = [rule for rule in contract.rules if rule.expectation in UNIQUE]
    return {rule.name for rule in unique if set(rule.columns) == columns}


def _to_violation(
    rule: QualityRule, result: gx_suite.RuleResult, frame: pd.DataFrame, ids: pd.Series
) -> Violation | None:
    rows = _without_first_of_key(rule, frame, result.rows)
    column = ", ".join(rule.columns) or "the table"
    if rule.scope == "series":
        severity = "series" if rule.severity == "error" else rule.severity
        rows, observed = _evaluate_by_series(rule, rows, frame, ids)
        return Violation(rule.name, column, severity, rule.sentence + observed, rows) if rows else None
    if rule.allowed is None:
        observed = f" (found {result.observed})" if result.observed is not None and not rows else ""
        return None if result.success else Violation(rule.name, column, rule.severity, rule.sentence + observed, rows)
    count = len(frame) if rule.expectation == ROW_COUNT else len(rows)
    if rule.allowed.admits(count, len(frame)):
        return None
    at_fault = rows if rule.allowed.exceeded(count, len(frame)) else []
    observed = _describe_count(rule.allowed, count, len(frame), rule)
    return Violation(rule.name, column, rule.severity, rule.sentence + observed, at_fault)


def _evaluate_by_series(
    rule: QualityRule, rows: list[int], frame: pd.DataFrame, ids: pd.Series
) -> tuple[list[int], str]:
    """Apply the rule's bound to each series alone.

    Returns:
        The rows at fault, which are all rows of a series that has too few, and the observed count of the first series.
    """
    keys = ids.astype(object).where(ids.notna(), "")
    at_fault = frame["row"].isin(rows)
    sizes, counts = keys.groupby(keys).size(), at_fault.groupby(keys).sum()
    allowed = rule.allowed or _bound_of_mostly(rule)
    counted = sizes if rule.expectation == ROW_COUNT else counts
    failed = [name for name, count in counted.items() if not allowed.admits(int(count), int(sizes[name]))]
    if not failed:
        return [], ""
    exceeded = [name for name in failed if allowed.exceeded(int(counts[name]), int(sizes[name])) and counts[name]]
    chosen = keys.isin(failed) & (at_fault | ~keys.isin(exceeded))
    first = failed[0]
    observed = _describe_count(allowed, int(counted[first]), int(sizes[first]), rule)
    return frame.loc[chosen, "row"].tolist(), observed


def _bound_of_mostly(rule: QualityRule) -> Bound:
    """Convert Great Expectations' `mostly` to a bound on the share of rows at fault in each series."""
    mostly = float(rule.arguments.get("mostly") or 1.0)
    return Bound(most=round(100 * (1 - mostly), 9), unit="percent") if mostly < 1 else Bound(most=0)


def _describe_count(allowed: Bound, count: int, rows: int, rule: QualityRule) -> str:
    if rule.expectation == ROW_COUNT:
        return f" (found {count:,}, promised {allowed.sentence})"
    return "" if allowed.none_at_all else f" (found {count:,} of {rows:,} rows, promised {allowed.sentence})"


def _without_first_of_key(rule: QualityRule, frame: pd.DataFrame, rows: list[int]) -> list[int]:
    """For a uniqueness rule, drop the first row of each key: only its repeats are at fault."""
    if rule.expectation not in UNIQUE:
        return rows
    return frame.loc[frame.duplicated(rule.columns) & frame["row"].isin(rows), "row"].tolist()
