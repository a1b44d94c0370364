"""Library metrics of the standard: the expectation that finds the rows a metric counts."""

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
MISSING = "is_not_missing"  # implemented in tasks.quality: Great Expectations has no expectation for missing words
ROW_COUNT = "expect_table_row_count_to_be_between"
UNIQUE = ("expect_compound_columns_to_be_unique", "expect_column_values_to_be_unique")


class MetricTarget(NamedTuple):
    """Target of a rule: its property (None for the table), and all properties of the schema."""

    prop: str | None
    known: Mapping[str, PropertyRef]


def compile_metric(
    rule: DataQuality, prop: str | None, known: Mapping[str, PropertyRef], what: str
) -> tuple[str, dict[str, Any], Bound]:
    """Compile a metric of the property `prop`, or of the table if `prop` is None.

    Returns:
        The expectation, its arguments, and the allowed count.

    Raises:
        SpecError: The metric is unknown, or its arguments or bound are invalid. The message begins with `what`.
    """
    metric, arguments = str(rule.metric or rule.rule), dict(rule.arguments or {})
    if metric not in METRICS:
        raise SpecError(f"{what} has the unknown metric {metric!r}. Known metrics: {', '.join(METRICS)}.")
    if unknown := sorted(set(arguments) - set(METRICS[metric])):
        accepted = ", ".join(METRICS[metric]) or "none"
        raise SpecError(f"{what} uses metric {metric!r} with arguments {unknown}. Accepted arguments: {accepted}.")
    try:
        bound = bound_of({word: getattr(rule, word) for word in OPERATORS}, rule.unit)
    except ValueError as wrong:
        raise SpecError(f"{what} {wrong}.") from wrong
    if metric == "rowCount":
        if bound is None or bound.unit == "percent":
            raise SpecError(f"{what} counts rows but has no bound in rows. Add a mustBe… operator.")
        return ROW_COUNT, {"min_value": 0}, bound
    expectation, kwargs = _counting_expectation(metric, arguments, MetricTarget(prop, known), what)
    return expectation, kwargs, bound or Bound(least=0, most=0)


def _counting_expectation(
    metric: str, arguments: dict[str, Any], target: MetricTarget, what: str
) -> tuple[str, dict[str, Any]]:
    """Return the expectation whose violating rows the metric counts."""
    if metric == "duplicateValues":
        return _duplicates_expectation(arguments, target, what)
    if target.prop is None:
        raise SpecError(f"{what} ({metric}) applies to a property. Move it from the table to a property.")
    column, kind = target.known[target.prop]
    if metric == "nullValues":
        return "expect_column_values_to_not_be_null", {"column": column}
    if metric == "missingValues":
        if "missingValues" not in arguments:
            return "expect_column_values_to_not_be_null", {"column": column}
        return MISSING, {"column": column, "words": _listed(arguments, "missingValues", what)}
    if len(arguments) != 1:
        given = sorted(arguments) or "no arguments"
        raise SpecError(
            f"{what} uses metric 'invalidValues' with {given}. Give validValues or pattern; write two rules for both."
        )
    if "pattern" in arguments:
        return "expect_column_values_to_match_regex", {
            "column": column,
            "regex": check_pattern(arguments["pattern"], what),
        }
    values = _listed(arguments, "validValues", what)
    return "expect_column_values_to_be_in_set", {"column": column, "value_set": check_values(values, kind, what)}


def _duplicates_expectation(arguments: dict[str, Any], target: MetricTarget, what: str) -> tuple[str, dict[str, Any]]:
    listed = _listed(arguments, "properties", what) if "properties" in arguments else [*filter(None, [target.prop])]
    if not listed:
        raise SpecError(f"{what} (duplicateValues) needs `arguments: {{properties: […]}}`.")
    if unknown := [name for name in listed if not isinstance(name, str) or name not in target.known]:
        raise SpecError(f"{what} refers to {unknown[0]!r}, which is not a property of this contract.")
    columns = [target.known[name].column for name in listed]
    if len(columns) == 1:
        return "expect_column_values_to_be_unique", {"column": columns[0]}
    return "expect_compound_columns_to_be_unique", {"column_list": columns}


def _listed(arguments: dict[str, Any], word: str, what: str) -> list[Any]:
    values = arguments[word]
    if not isinstance(values, list) or not values:
        raise SpecError(f"{what} has {word} {values!r}. Write a list, as in {word}: [a, b].")
    return values


def check_pattern(written: Any, what: str) -> str:
    """Return a regular expression as written.

    Raises:
        SpecError: It is not a regular expression. The message begins with `what`.
    """
    try:
        re.compile(written)
    except (re.error, TypeError, RecursionError) as broken:
        raise SpecError(f"{what} has the pattern {written!r}, which is not a regular expression: {broken}.") from broken
    return str(written)


def check_values(values: list[Any], kind: ColumnType, what: str) -> list[Any]:
    """Return the values without nulls, which are never invalid values.

    Raises:
        SpecError: A column of this kind cannot hold one of the values. The message begins with `what`.
    """
    accepted: dict[str, tuple[tuple[type, ...], str]] = {
        "string": ((str,), "text; put it in quotes"),
        "clock": ((str,), "a time of day; put it in quotes"),
        "number": ((int, float), "a number"),
        "integer": ((int,), "a whole number"),
        "boolean": ((bool,), "true or false"),
    }
    values = [value for value in values if value is not None]
    if kind == "time":
        raise SpecError(f"{what} lists values of a time, which is not supported. Write a minimum and a maximum.")
    types, name = accepted.get(kind, ((object,), ""))
    wrong = [v for v in values if not isinstance(v, types) or (isinstance(v, bool) and kind in ("number", "integer"))]
    if wrong:
        raise SpecError(f"{what} lists {wrong[0]!r}, but the values of its column are {kind}: write {name}.")
    return values
