"""Quality rules of an ODCS document, compiled to expectations in the words of Great Expectations.

Nothing of Great Expectations is imported here: a rule is a name and its arguments, and `tasks.validation` runs it.
"""

from pathlib import Path
from typing import Any, Literal

from open_data_contract_standard.model import DataQuality, SchemaObject

from data_contracts.document import mapping
from data_contracts.errors import SpecError
from data_contracts.spec import Spec


class Rule(Spec):
    """One expectation: `error` stops the night, `warning` sends the rows at fault to quarantine."""

    name: str
    sentence: str
    severity: Literal["error", "warning"]
    expectation: str
    arguments: dict[str, Any]


def compile_rules(table: SchemaObject, path: Path) -> tuple[Rule, ...]:
    """Every quality rule of the table and its properties, in the order of the document."""
    rules = [_compile(rule, None, path) for rule in table.quality or []]
    for prop in table.properties or []:
        rules += [_compile(rule, prop.name, path) for rule in prop.quality or []]
    return tuple(rules)


def _compile(rule: DataQuality, column: str | None, path: Path) -> Rule:
    name = rule.name or rule.id or f"{column or 'table'} {rule.metric or rule.rule or rule.type}"
    if rule.severity not in (None, "error", "warning"):
        raise SpecError(f"{path}: rule {name!r} has severity {rule.severity!r}; write error or warning.")
    if rule.type == "custom" and rule.engine == "greatExpectations":
        expectation, arguments = _custom(rule, name, path)
    elif rule.type in (None, "library"):
        expectation, arguments = _library(rule, column, name, path)
    else:
        raise SpecError(
            f"{path}: rule {name!r} is of type {rule.type!r}; library and custom greatExpectations are known."
        )
    sentence = rule.description or name
    return Rule(
        name=name,
        sentence=sentence,
        severity="warning" if rule.severity == "warning" else "error",
        expectation=expectation,
        arguments=arguments,
    )


def _custom(rule: DataQuality, name: str, path: Path) -> tuple[str, dict[str, Any]]:
    written = rule.implementation
    body = mapping(written, f"{path}: the implementation of rule {name!r}") if isinstance(written, str) else written
    if not isinstance(body, dict) or not isinstance(body.get("type"), str):
        raise SpecError(f"{path}: rule {name!r} needs an implementation with `type` and `kwargs`.")
    return body["type"], dict(body.get("kwargs") or {})


def _library(rule: DataQuality, column: str | None, name: str, path: Path) -> tuple[str, dict[str, Any]]:
    metric, arguments = rule.metric or rule.rule, dict(rule.arguments or {})
    share = _allowed_share(rule, name, path) if metric != "rowCount" else {}
    if metric == "rowCount":
        return "expect_table_row_count_to_be_between", _bounds(rule, name, path)
    if metric == "duplicateValues":
        listed = list(arguments.get("properties") or filter(None, [column]))
        if not listed:
            raise SpecError(f"{path}: rule {name!r} (duplicateValues) needs `arguments: {{properties: […]}}`.")
        if len(listed) == 1:
            return "expect_column_values_to_be_unique", {"column": listed[0], **share}
        return "expect_compound_columns_to_be_unique", {"column_list": listed, **share}
    if column is None:
        raise SpecError(f"{path}: rule {name!r} ({metric}) must stand at a property, not at the table.")
    if metric in ("nullValues", "missingValues"):
        return "expect_column_values_to_not_be_null", {"column": column, **share}
    if metric == "invalidValues" and "validValues" in arguments:
        return "expect_column_values_to_be_in_set", {
            "column": column,
            "value_set": list(arguments["validValues"]),
            **share,
        }
    if metric == "invalidValues" and "pattern" in arguments:
        return "expect_column_values_to_match_regex", {
            "column": column,
            "regex": arguments["pattern"],
            **share,
        }
    raise SpecError(
        f"{path}: rule {name!r} uses metric {metric!r} with arguments {sorted(arguments)}; known are rowCount, "
        "duplicateValues, nullValues, missingValues, and invalidValues with validValues or pattern."
    )


def _allowed_share(rule: DataQuality, name: str, path: Path) -> dict[str, float]:
    """`mustBe: 0` allows none at fault; an upper bound in percent allows a share of the rows."""
    upside_down = [word for word in ("mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustNotBeBetween")
                   if getattr(rule, word) is not None]  # fmt: skip
    if upside_down:
        raise SpecError(f"{path}: rule {name!r} counts rows at fault, for which {upside_down[0]} asks nothing of use.")
    most = rule.mustBeBetween[-1] if rule.mustBeBetween else None
    bounds = (rule.mustBe, rule.mustBeLessOrEqualTo, rule.mustBeLessThan, most)
    bound = next((bound for bound in bounds if bound is not None), 0)
    if bound == 0:
        return {}
    if rule.unit != "percent":
        raise SpecError(f"{path}: rule {name!r} allows {bound} rows at fault; write the bound with unit: percent.")
    return {"mostly": 1 - _number(bound, name, path) / 100}


def _number(bound: Any, name: str, path: Path) -> float:
    try:
        return float(bound)
    except (TypeError, ValueError) as text:
        raise SpecError(f"{path}: rule {name!r} has the bound {bound!r}, which is no number.") from text


def _bounds(rule: DataQuality, name: str, path: Path) -> dict[str, int]:
    low, high = rule.mustBeBetween or (None, None)
    low = rule.mustBeGreaterOrEqualTo if low is None else low
    if rule.mustBeGreaterThan is not None:
        low = _number(rule.mustBeGreaterThan, name, path) + 1
    high = rule.mustBeLessOrEqualTo if high is None else high
    if rule.mustBeLessThan is not None:
        high = _number(rule.mustBeLessThan, name, path) - 1
    if rule.mustBe is not None:
        low = high = rule.mustBe
    found = {"min_value": low, "max_value": high}
    if low is None and high is None:
        raise SpecError(f"{path}: rule {name!r} counts rows but gives no bound (mustBe…).")
    return {side: int(_number(bound, name, path)) for side, bound in found.items() if bound is not None}
