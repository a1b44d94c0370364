"""Which observations are refused: those that a night would reject, named by the rule and the value.

The contract's rules about single values are checked without Great Expectations, which takes seconds to import; rules
about whole tables (counts, uniqueness) need the table and stay with the night.
"""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from data_contracts.contract import Contract
from data_contracts.rules import QualityRule
from tasks.quality.extreme_values import MAX_MAGNITUDE, MAX_RATIO, MIN_VALUES

Check = Callable[[Any], bool]


class ValueRule(NamedTuple):
    """A rule about the values of one column: whether a value passes, and what it requires."""

    column: str
    name: str
    sentence: str
    passes: Check


def compile_value_rules(contract: Contract | None, columns: dict[str, str]) -> tuple[ValueRule, ...]:
    """Return the rules of a contract about single values.

    Args:
        contract: The contract of the newest night; None: no rules.
        columns: Columns of the source by the names that requests use.

    Returns:
        Rules of severity error or warning, by the names that requests use.
    """
    names = {source: name for name, source in columns.items()}
    names |= {columns["target"]: "y"} if columns.get("target") else {}
    rules = []
    for rule in contract.rules if contract else ():
        check = _compile(rule)
        if check is None or rule.severity == "info" or len(rule.columns) != 1:
            continue
        column = rule.columns[0]
        rules.append(ValueRule(names.get(column, column), rule.name, rule.sentence, check))
    return tuple(rules)


def _compile(rule: QualityRule) -> Check | None:
    """Return whether a value passes; None if the rule is about more than one value."""
    arguments = rule.arguments
    if (rule.allowed is not None and not rule.allowed.none_at_all) or arguments.get("row_condition"):
        return None
    expectation = "".join(word[:1].upper() + word[1:] for word in rule.expectation.split("_"))  # snake case is the same
    if expectation == "ExpectColumnValuesToBeBetween":
        return _between(arguments)
    if expectation == "ExpectColumnValuesToNotBeNull":
        return lambda value: value is not None
    if expectation == "ExpectColumnValuesToBeInSet":
        allowed = set(arguments.get("value_set") or ())
        return lambda value: value is None or value in allowed
    if expectation == "ExpectColumnValuesToMatchRegex" and isinstance(arguments.get("regex"), str):
        pattern = re.compile(arguments["regex"])
        return lambda value: value is None or not isinstance(value, str) or pattern.search(value) is not None
    return None


def _between(arguments: dict[str, Any]) -> Check | None:
    low, high = arguments.get("min_value"), arguments.get("max_value")
    if not all(bound is None or isinstance(bound, int | float) for bound in (low, high)):
        return None  # bounds of times
    least, most = -math.inf if low is None else float(low), math.inf if high is None else float(high)
    strict_low, strict_high = bool(arguments.get("strict_min")), bool(arguments.get("strict_max"))

    def passes(value: Any) -> bool:
        if not isinstance(value, int | float):
            return True
        above = value > least if strict_low else value >= least
        return above and (value < most if strict_high else value <= most)

    return passes


def find_fault(values: dict[str, Any], rules: tuple[ValueRule, ...], recent: np.ndarray) -> str:
    """Return what is wrong with an observation; empty if it is accepted.

    Args:
        values: The values by column: unique_id, y and covariates; None if missing.
        rules: Rules about single values.
        recent: Kept values of the series, NaN where nothing was observed.

    Returns:
        The rule that the observation breaks, with the value.
    """
    for rule in rules:
        if rule.column in values and not rule.passes(values[rule.column]):
            return f"{rule.column} is {values[rule.column]!r}, and the contract requires: {rule.sentence} ({rule.name})"
    y = values.get("y")
    if y is None:
        return ""
    sizes = np.abs(recent[np.isfinite(recent) & (recent != 0)])
    limit = min(MAX_MAGNITUDE, MAX_RATIO * float(np.median(sizes))) if len(sizes) >= MIN_VALUES else MAX_MAGNITUDE
    if abs(y) > limit:
        limits = f"over {MAX_MAGNITUDE:g}, or {MAX_RATIO:g} times the median"
        return f"y is {y:g}, which is too large to compute with: {limits}"
    return ""
