"""Judges a frame by the quality rules of its contract and says which rows, or which series, break which rule."""

import pandas as pd

from data_contracts.bounds import Bound
from data_contracts.contract import Contract
from data_contracts.errors import SpecError
from data_contracts.metrics import ROW_COUNT, UNIQUE
from data_contracts.rules import QualityRule
from tasks.quality import gx_suite
from tasks.quality.violations import Violation


def find_rule_violations(frame: pd.DataFrame, contract: Contract, series: str | None = None) -> list[Violation]:
    """The rules that `frame` breaks; its columns carry the source's names, `row` numbers the rows.

    `series` is the column by which a rule with scope series is judged; without it all rows are one series.
    Raises SpecError for a rule that can't be run: a broken rule is no bad data.
    """
    if not contract.rules:
        return []
    results = gx_suite.run_rules(frame, contract.rules, contract)
    judged = list(zip(contract.rules, results, strict=True))
    for rule, result in judged:
        if result.broken:
            raise SpecError(gx_suite.rule_error_message(rule, result.broken, contract))
    ids = frame[series] if series else pd.Series("", index=frame.index)
    found = (_violation(rule, result, frame, ids) for rule, result in judged)
    return [fault for fault in found if fault]


def uniqueness_rules(columns: set[str], contract: Contract) -> set[str]:
    """Names of the rules that ask whether exactly these columns together are unique."""
    unique = [rule for rule in contract.rules if rule.expectation in UNIQUE]
    return {rule.name for rule in unique if set(rule.columns) == columns}


def _violation(rule: QualityRule, result: gx_suite.RuleResult, frame: pd.DataFrame, ids: pd.Series) -> Violation | None:
    rows = _repeats(rule, frame, result.rows)
    column = ", ".join(rule.columns) or "the table"
    if rule.scope == "series":
        severity = "series" if rule.severity == "error" else rule.severity
        rows, found = _by_series(rule, rows, frame, ids)
        return Violation(rule.name, column, severity, rule.sentence + found, rows) if rows else None
    if rule.allowed is None:
        found = f" (found {result.observed})" if result.observed is not None and not rows else ""
        return None if result.holds else Violation(rule.name, column, rule.severity, rule.sentence + found, rows)
    count = len(frame) if rule.expectation == ROW_COUNT else len(rows)
    if rule.allowed.admits(count, len(frame)):
        return None
    blamed = rows if rule.allowed.exceeded(count, len(frame)) else []
    found = _found(rule.allowed, count, len(frame), rule)
    return Violation(rule.name, column, rule.severity, rule.sentence + found, blamed)


def _by_series(rule: QualityRule, rows: list[int], frame: pd.DataFrame, ids: pd.Series) -> tuple[list[int], str]:
    """(rows at fault, what was found) where each series is judged by itself; all of its rows where it has too few."""
    keys = ids.astype(object).where(ids.notna(), "")
    at_fault = frame["row"].isin(rows)
    sizes, counts = keys.groupby(keys).size(), at_fault.groupby(keys).sum()
    allowed = rule.allowed or _leeway(rule)
    counted = sizes if rule.expectation == ROW_COUNT else counts
    out = [name for name, count in counted.items() if not allowed.admits(int(count), int(sizes[name]))]
    if not out:
        return [], ""
    blamed = [name for name in out if allowed.exceeded(int(counts[name]), int(sizes[name])) and counts[name]]
    chosen = keys.isin(out) & (at_fault | ~keys.isin(blamed))
    first = out[0]
    return frame.loc[chosen, "row"].tolist(), _found(allowed, int(counted[first]), int(sizes[first]), rule)


def _leeway(rule: QualityRule) -> Bound:
    """Great Expectations' `mostly` as a share of each series."""
    mostly = float(rule.arguments.get("mostly") or 1.0)
    return Bound(most=round(100 * (1 - mostly), 9), unit="percent") if mostly < 1 else Bound(most=0)


def _found(allowed: Bound, count: int, rows: int, rule: QualityRule) -> str:
    if rule.expectation == ROW_COUNT:
        return f" (found {count:,}, promised {allowed.sentence})"
    return "" if allowed.none_at_all else f" (found {count:,} of {rows:,} rows, promised {allowed.sentence})"


def _repeats(rule: QualityRule, frame: pd.DataFrame, rows: list[int]) -> list[int]:
    """Of rows that share a key, the first is good and the others are at fault."""
    if rule.expectation not in UNIQUE:
        return rows
    return frame.loc[frame.duplicated(rule.columns) & frame["row"].isin(rows), "row"].tolist()
