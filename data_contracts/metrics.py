"""The library metrics of the standard: which expectation finds the rows that a metric counts."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from open_data_contract_standard.model import DataQuality

from data_contracts.bounds import OPERATORS, Bound, bound_of
from data_contracts.column_types import ColumnType, PropertyRef
from data_contracts.errors import SpecError

METRICS: dict[str, tuple[str, ...]] = {
    "rowCount": (),
    "nullValues": (),
    "missingValues": ("missingValues",),
    "invalidValues": ("validValues", "pattern"),
    "duplicateValues": ("properties",),
}
MISSING = "is_not_missing"  # of our own: Great Expectations knows no words that mean missing
ROW_COUNT = "expect_table_row_count_to_be_between"
UNIQUE = ("expect_compound_columns_to_be_unique", "expect_column_values_to_be_unique")


class MetricTarget(NamedTuple):
    """Where a rule stands: its property (None: the table), and the properties that there are."""

    prop: str | None
    known: Mapping[str, PropertyRef]


def library(
    rule: DataQuality, prop: str | None, known: Mapping[str, PropertyRef], what: str
) -> tuple[str, dict[str, Any], Bound]:
    """(expectation, its arguments, the count that is allowed) of a metric at `prop`, or at the table where it is None.

    Raises SpecError, which begins with `what`, for a metric that is none or counts nothing.
    """
    metric, arguments = str(rule.metric or rule.rule), dict(rule.arguments or {})
    if metric not in METRICS:
        raise SpecError(f"{what} uses metric {metric!r}; known are {', '.join(METRICS)}.")
    if unknown := sorted(set(arguments) - set(METRICS[metric])):
        takes = ", ".join(METRICS[metric]) or "none"
        raise SpecError(f"{what} uses metric {metric!r} with arguments {unknown}; it takes {takes}.")
    try:
        bound = bound_of({word: getattr(rule, word) for word in OPERATORS}, rule.unit)
    except ValueError as wrong:
        raise SpecError(f"{what} {wrong}.") from wrong
    if metric == "rowCount":
        if bound is None or bound.unit == "percent":
            raise SpecError(f"{what} counts rows but gives no bound in rows (mustBe…).")
        return ROW_COUNT, {"min_value": 0}, bound
    expectation, judged = _counting(metric, arguments, MetricTarget(prop, known), what)
    return expectation, judged, bound or Bound(least=0, most=0)


def _counting(metric: str, arguments: dict[str, Any], place: MetricTarget, what: str) -> tuple[str, dict[str, Any]]:
    """The expectation whose rows at fault the metric counts."""
    if metric == "duplicateValues":
        return _duplicates(arguments, place, what)
    if place.prop is None:
        raise SpecError(f"{what} ({metric}) must stand at a property, not at the table.")
    column, kind = place.known[place.prop]
    if metric == "nullValues":
        return "expect_column_values_to_not_be_null", {"column": column}
    if metric == "missingValues":
        if "missingValues" not in arguments:
            return "expect_column_values_to_not_be_null", {"column": column}
        return MISSING, {"column": column, "words": _listed(arguments, "missingValues", what)}
    if len(arguments) != 1:
        given = sorted(arguments) or "no arguments"
        raise SpecError(
            f"{what} uses metric 'invalidValues' with {given}; it takes validValues or pattern, and two are two rules."
        )
    if "pattern" in arguments:
        return "expect_column_values_to_match_regex", {"column": column, "regex": pattern(arguments["pattern"], what)}
    values = _listed(arguments, "validValues", what)
    return "expect_column_values_to_be_in_set", {"column": column, "value_set": fitting(values, kind, what)}


def _duplicates(arguments: dict[str, Any], place: MetricTarget, what: str) -> tuple[str, dict[str, Any]]:
    listed = _listed(arguments, "properties", what) if "properties" in arguments else [*filter(None, [place.prop])]
    if not listed:
        raise SpecError(f"{what} (duplicateValues) needs `arguments: {{properties: […]}}`.")
    if unknown := [name for name in listed if not isinstance(name, str) or name not in place.known]:
        raise SpecError(f"{what} speaks of {unknown[0]!r}, which is no property of this contract.")
    columns = [place.known[name].column for name in listed]
    if len(columns) == 1:
        return "expect_column_values_to_be_unique", {"column": columns[0]}
    return "expect_compound_columns_to_be_unique", {"column_list": columns}


def _listed(arguments: dict[str, Any], word: str, what: str) -> list[Any]:
    values = arguments[word]
    if not isinstance(values, list) or not values:
        raise SpecError(f"{what} has {word} {values!r}; write a list, as in {word}: [a, b].")
    return values


def pattern(written: Any, what: str) -> str:
    """A regular expression as it is written. SpecError where it is none."""
    try:
        re.compile(written)
    except (re.error, TypeError, RecursionError) as broken:
        raise SpecError(f"{what} has the pattern {written!r}, which is no regular expression: {broken}.") from broken
    return str(written)


def fitting(values: list[Any], kind: ColumnType, what: str) -> list[Any]:
    """Values that a column of this kind can have. SpecError where one can't be there: a slip of the rule."""
    asked: dict[str, tuple[tuple[type, ...], str]] = {
        "string": ((str,), "text; put it in quotes"),
        "clock": ((str,), "a time of day; put it in quotes"),
        "number": ((int, float), "a number"),
        "integer": ((int,), "a whole number"),
        "boolean": ((bool,), "true or false"),
    }
    values = [value for value in values if value is not None]  # nothing is never an invalid value
    if kind == "time":
        raise SpecError(f"{what} lists values of a time, which is not judged; write a minimum and a maximum.")
    types, name = asked.get(kind, ((object,), ""))
    wrong = [v for v in values if not isinstance(v, types) or (isinstance(v, bool) and kind in ("number", "integer"))]
    if wrong:
        raise SpecError(f"{what} lists {wrong[0]!r}, and the values of its column are {kind}: write {name}.")
    return values
