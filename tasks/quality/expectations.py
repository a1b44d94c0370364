"""Evaluates the quality rules of a contract: which rows, or which series, violate which rule."""

import numpy as np
import pandas as pd

from data_contracts.bounds import Bound
from data_contracts.contract import Contract
from data_contracts.errors import SpecError
from data_contracts.metrics import ROW_COUNT, UNIQUE
from data_contracts.rules import QualityRule
from tasks.quality import gx_suite
from tasks.quality.column_rules import RuleResult
from tasks.quality.violations import Violation, are_rows
from tasks.sources.repeats import find_repeats


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
    violations = (_to_violation(rule, result, frame, series) for rule, result in evaluated)
    return [violation for violation in violations if violation]


def uniqueness_rules(columns: set[str], contract: Contract) -> set[str]:
    """Return the names of the rules that require exactly these columns together to be unique."""
    unique = [rule for rule in contract.rules if rule.expectation in UNIQUE]
    return {rule.name for rule in unique if set(rule.columns) == columns}


def _to_violation(rule: QualityRule, result: RuleResult, frame: pd.DataFrame, series: str | None) -> Violation | None:
    rows = _without_first_of_key(rule, frame, result.rows)
    column = ", ".join(rule.columns) or "the table"
    if rule.scope == "series":
        severity = "series" if rule.severity == "error" else rule.severity
        rows, counted = _evaluate_by_series(rule, rows, frame, series)
        return Violation(rule.name, column, severity, rule.sentence, rows, counted) if rows else None
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
    rule: QualityRule, rows: list[int], frame: pd.DataFrame, series: str | None
) -> tuple[list[int], dict[str, str]]:
    """Apply the rule's bound to each series alone.

    Returns:
        The rows at fault, which are all rows of a series that has too few, and what was counted in each such series.
    """
    codes, names = _series_codes(frame, series)
    count = len(names)
    at_fault = are_rows(frame, rows)
    sizes, counts = np.bincount(codes, minlength=count), np.bincount(codes[at_fault], minlength=count)
    allowed = rule.allowed or _bound_of_mostly(rule)
    counted = sizes if rule.expectation == ROW_COUNT else counts
    failed = [code for code in range(count) if sizes[code] and not allowed.admits(int(counted[code]), int(sizes[code]))]
    if not failed:
        return [], {}
    exceeded = [code for code in failed if allowed.exceeded(int(counts[code]), int(sizes[code])) and counts[code]]
    chosen = np.isin(codes, failed) & (at_fault | ~np.isin(codes, exceeded))
    described = {names[code]: _describe_count(allowed, int(counted[code]), int(sizes[code]), rule) for code in failed}
    return frame.loc[chosen, "row"].tolist(), described


def _series_codes(frame: pd.DataFrame, series: str | None) -> tuple[np.ndarray, list[str]]:
    """Return the code of each row's series, and the names in the order of the codes; "" for rows without a name."""
    if series is None:
        return np.zeros(len(frame), dtype=np.int64), [""]
    names = frame[series]
    if isinstance(names.dtype, pd.CategoricalDtype):
        return names.cat.codes.to_numpy().astype(np.int64) + 1, ["", *map(str, names.cat.categories)]
    codes, distinct = pd.factorize(names.fillna(""), sort=True)
    return codes, list(map(str, distinct))


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
    if rule.expectation not in UNIQUE or not rows:
        return rows
    repeats = find_repeats(frame, rule.columns, keep="first")
    return frame.loc[repeats & are_rows(frame, rows), "row"].tolist()
