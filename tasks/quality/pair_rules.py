"""Rules that compare two columns, computed here: the same rows and verdicts as Great Expectations, without it."""

from typing import Any

import numpy as np
import pandas as pd

from data_contracts.rules import QualityRule
from tasks.quality.column_rules import RuleResult, pop_mostly, to_rule_result

GREATER = "expect_column_pair_values_a_to_be_greater_than_b"
EQUAL = "expect_column_pair_values_to_be_equal"
OPTIONS: dict[str, tuple[str, ...]] = {GREATER: ("or_equal",), EQUAL: ()}  # besides columns, `mostly` and IGNORED
IGNORED = {"both_values_are_missing": np.logical_and, "either_value_is_missing": np.logical_or, "neither": None}


def evaluate(frame: pd.DataFrame, rule: QualityRule) -> RuleResult | None:
    """Evaluate a rule that compares two columns of numbers, or two of times.

    Args:
        frame: Columns under the names of the source, and `row`, which numbers the rows.
        rule: The rule.

    Returns:
        The result that Great Expectations gives; None if only Great Expectations can tell.
    """
    if rule.expectation not in OPTIONS:
        return None
    arguments = dict(rule.arguments)
    mostly = pop_mostly(arguments)
    names = [arguments.pop("column_A", None), arguments.pop("column_B", None)]
    ignored, or_equal = arguments.pop("ignore_row_if", "both_values_are_missing"), arguments.get("or_equal", False)
    understood = mostly is not None and isinstance(or_equal, bool) and set(arguments) <= set(OPTIONS[rule.expectation])
    if not understood or ignored not in IGNORED or not all(isinstance(name, str) and name in frame for name in names):
        return None
    a, b = (frame[name] for name in names)
    if names[0] == names[1] or not _are_comparable(a, b):
        return None
    holds = a == b if rule.expectation == EQUAL else a >= b if or_equal else a > b
    combine = IGNORED[ignored]
    skipped = combine(a.isna(), b.isna()).to_numpy() if combine else np.zeros(len(frame), dtype=bool)
    return to_rule_result(frame, ~holds.to_numpy() & ~skipped, len(frame) - int(skipped.sum()), float(mostly or 0))


def _are_comparable(a: Any, b: Any) -> bool:
    """Return whether both are columns of plain numbers, or both of times; two columns of one name are a table."""
    if not isinstance(a, pd.Series) or not isinstance(b, pd.Series):
        return False
    numbers = all(values.dtype in ("float64", "int64") for values in (a, b))
    return numbers or all(isinstance(values.dtype, pd.DatetimeTZDtype) for values in (a, b))
