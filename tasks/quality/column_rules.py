"""Rules of known kinds, computed on their columns: the same rows and verdicts as Great Expectations, without it.

A rule that is not understood in full, or whose column has another type, is left to Great Expectations.
"""

import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from data_contracts.metrics import ROW_COUNT
from data_contracts.rules import QualityRule
from tasks.sources.repeats import find_repeats

MAX_EXACT_INTEGER = 1 << 53  # larger limits are compared by Great Expectations
BETWEEN = ("min_value", "max_value", "strict_min", "strict_max")
OPTIONS: dict[str, tuple[str, ...]] = {  # what is understood besides the column and `mostly`
    "expect_column_values_to_be_between": BETWEEN,
    "expect_column_value_lengths_to_be_between": BETWEEN,
    "expect_column_values_to_be_in_set": ("value_set",),
    "expect_column_values_to_not_be_in_set": ("value_set",),
    "expect_column_values_to_match_regex": ("regex",),
    "expect_column_values_to_not_match_regex": ("regex",),
    "expect_column_values_to_not_be_null": (),
    "expect_column_values_to_be_null": (),
    "expect_column_values_to_be_unique": (),
}
COMPOUND_UNIQUE = "expect_compound_columns_to_be_unique"
ON_MISSING = ("expect_column_values_to_not_be_null", "expect_column_values_to_be_null")
BEYOND_ARROW = re.compile(r"\(\?(?!:)|\\[1-9A-Zace-ru-vx-z]")  # lookaround, flags, backreferences, rare escapes


class RuleResult(NamedTuple):
    """Result of one rule: whether it holds, the violating rows, the observed value, and why it could not be run."""

    success: bool
    rows: list[int]
    observed: Any
    error: str | None


def is_row_rule(rule: QualityRule) -> bool:
    """Return whether the rule is of a known kind that evaluates single rows."""
    return rule.expectation in OPTIONS or rule.expectation == COMPOUND_UNIQUE


def evaluate(frame: pd.DataFrame, rule: QualityRule) -> RuleResult | None:
    """Evaluate a rule of a known kind.

    Args:
        frame: Columns under the names of the source, and `row`, which numbers the rows.
        rule: The rule; limits of a time column are instants.

    Returns:
        The result that Great Expectations gives; None if only Great Expectations can tell.
    """
    arguments = dict(rule.arguments)
    mostly = pop_mostly(arguments)
    if mostly is None:
        return None
    if rule.expectation == ROW_COUNT:
        counted = rule.arguments == {"min_value": 0}
        return RuleResult(True, [], len(frame), None) if counted else None
    if rule.expectation == COMPOUND_UNIQUE:
        return _evaluate_compound(frame, arguments, mostly)
    options = OPTIONS.get(rule.expectation)
    column = arguments.pop("column", None)
    if options is None or not isinstance(column, str) or column not in frame or not set(arguments) <= set(options):
        return None
    return _evaluate_column(frame, column, rule.expectation, arguments, mostly)


def _evaluate_column(
    frame: pd.DataFrame, column: str, expectation: str, arguments: dict[str, Any], mostly: float
) -> RuleResult | None:
    values = frame[column]
    if not isinstance(values, pd.Series):  # two columns of one name
        return None
    missing = values.isna().to_numpy()
    if expectation in ON_MISSING:
        at_fault = missing if expectation == ON_MISSING[0] else ~missing
        return to_rule_result(frame, at_fault, len(frame), mostly)
    holds = _holds(values, expectation, arguments)
    return None if holds is None else to_rule_result(frame, ~holds & ~missing, len(frame) - int(missing.sum()), mostly)


def pop_mostly(arguments: dict[str, Any]) -> float | None:
    """Remove `mostly` from the arguments of a rule and return it; None if it is not a share."""
    mostly = arguments.pop("mostly", 1.0)
    return mostly if _is_number(mostly) and 0 <= mostly <= 1 else None


def to_rule_result(frame: pd.DataFrame, at_fault: np.ndarray, considered: int, mostly: float) -> RuleResult:
    """Return the result of a rule about single rows.

    Args:
        frame: The table, with its row numbers in `row`.
        at_fault: Which rows violate the rule, (n,).
        considered: How many rows the rule looks at.
        mostly: The share of them that must keep it.

    Returns:
        The rows at fault, and whether the rule holds.
    """
    rows = frame["row"].to_numpy()[at_fault].tolist()
    success = not considered or (float(considered) - float(len(rows))) / float(considered) >= mostly
    return RuleResult(success, rows, None, None)


def _evaluate_compound(frame: pd.DataFrame, arguments: dict[str, Any], mostly: float) -> RuleResult | None:
    columns = arguments.pop("column_list", None)
    listed = isinstance(columns, list | tuple) and all(isinstance(name, str) and name in frame for name in columns)
    if arguments or not listed or len(set(columns)) != len(columns) or len(columns) < 2 or frame.columns.has_duplicates:
        return None
    empty = np.logical_and.reduce([frame[name].isna().to_numpy() for name in columns])
    at_fault = find_repeats(frame, list(columns), keep=False) & ~empty
    return to_rule_result(frame, at_fault, len(frame) - int(empty.sum()), mostly)


def _holds(values: pd.Series, expectation: str, arguments: dict[str, Any]) -> np.ndarray | None:
    """Return which values keep the rule, whatever for missing values; None if this module cannot tell."""
    if expectation == "expect_column_values_to_be_unique":
        return _is_single(values)
    if "value_set" in arguments:
        return _in_set(values, arguments["value_set"], negated="not" in expectation)
    if "regex" in arguments:
        return _matches(values, arguments["regex"], negated="not" in expectation)
    limits = _Limits.of(arguments)
    if limits is None:
        return None
    return _within_lengths(values, limits) if "lengths" in expectation else _within(values, limits)


class _Limits(NamedTuple):
    """The limits of a rule `between`, as Great Expectations compares them."""

    least: Any
    most: Any
    strict_min: bool
    strict_max: bool

    @classmethod
    def of(cls, arguments: dict[str, Any]) -> "_Limits | None":
        least, most = arguments.get("min_value"), arguments.get("max_value")
        strict = [arguments.get("strict_min", False), arguments.get("strict_max", False)]
        if (least is None and most is None) or any(not isinstance(side, bool) for side in strict):
            return None
        try:
            ordered = least is None or most is None or least <= most
        except TypeError:
            return None
        return cls(least, most, *strict) if ordered else None

    @property
    def given(self) -> list[Any]:
        return [limit for limit in (self.least, self.most) if limit is not None]

    @property
    def are_numbers(self) -> bool:
        return all(_is_number(limit) and abs(limit) <= MAX_EXACT_INTEGER for limit in self.given)

    @property
    def are_lengths(self) -> bool:
        return all(isinstance(limit, int) and not isinstance(limit, bool) for limit in self.given)

    @property
    def are_instants(self) -> bool:
        return all(isinstance(limit, datetime) and limit.tzinfo is not None for limit in self.given)

    def admit(self, values: pd.Series) -> pd.Series:
        kept = pd.Series(True, index=values.index)
        if self.least is not None:
            kept &= values > self.least if self.strict_min else values >= self.least
        if self.most is not None:
            kept &= values < self.most if self.strict_max else values <= self.most
        return kept


def _within(values: pd.Series, limits: _Limits) -> np.ndarray | None:
    comparable = (values.dtype in ("float64", "int64") and limits.are_numbers) or (
        isinstance(values.dtype, pd.DatetimeTZDtype) and limits.are_instants
    )
    return limits.admit(values).to_numpy() if comparable else None


def _within_lengths(values: pd.Series, limits: _Limits) -> np.ndarray | None:
    return by_distinct_text(values, lambda text: limits.admit(text.str.len())) if limits.are_lengths else None


def _is_single(values: pd.Series) -> np.ndarray | None:
    plain = values.dtype in ("float64", "int64") or isinstance(
        values.dtype, pd.StringDtype | pd.DatetimeTZDtype | pd.CategoricalDtype
    )
    return ~find_repeats(values.to_frame("value"), ["value"], keep=False) if plain else None


def _in_set(values: pd.Series, wanted: Any, *, negated: bool) -> np.ndarray | None:
    if not isinstance(wanted, list | tuple) or not wanted:
        return None
    if all(isinstance(value, str) for value in wanted):
        matches = by_distinct_text(values, lambda text: text.isin(wanted))
    elif values.dtype == "float64" and all(_is_number(value) and abs(value) <= MAX_EXACT_INTEGER for value in wanted):
        matches = values.isin(wanted).to_numpy()
    else:
        return None
    return ~matches if negated and matches is not None else matches


def _matches(values: pd.Series, regex: Any, *, negated: bool) -> np.ndarray | None:
    if not isinstance(regex, str) or BEYOND_ARROW.search(regex):
        return None
    try:
        matches = by_distinct_text(values, lambda text: text.str.contains(regex))
    except (ValueError, re.error):  # Great Expectations says why the pattern is refused
        return None
    return ~matches if negated and matches is not None else matches


def by_distinct_text(values: pd.Series, test: Callable[[pd.Series], pd.Series]) -> np.ndarray | None:
    """Test each distinct text once.

    Args:
        values: A column.
        test: Whether each text passes, on a column of distinct texts.

    Returns:
        Whether each value passes, (n,), false for missing values; None if the values are not text.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, distinct = values.cat.codes.to_numpy(), values.cat.categories
    elif isinstance(values.dtype, pd.StringDtype):
        codes, distinct = pd.factorize(values)
    else:
        return None
    if not isinstance(distinct.dtype, pd.StringDtype):
        return None
    passed = test(pd.Series(distinct, dtype="str")).to_numpy(dtype=bool)
    return np.append(passed, False)[codes]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
