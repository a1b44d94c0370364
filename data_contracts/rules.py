"""Compile the quality rules of an ODCS document to expectations of Great Expectations.

Great Expectations is not imported here: a rule is a name with arguments, and `tasks.quality` runs it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from open_data_contract_standard.model import DataQuality, SchemaObject

from data_contracts.bounds import OPERATORS, Bound
from data_contracts.column_types import PropertyRef
from data_contracts.errors import SpecError
from data_contracts.metrics import compile_metric
from data_contracts.spec import Spec
from data_contracts.yaml_reader import mapping

Severity = Literal["error", "warning", "info"]
Scope = Literal["table", "series"]


class QualityRule(Spec):
    """One expectation and its consequence.

    Severity `error` stops the night or, with scope `series`, excludes the series that violate the rule; `warning` sends
    the violating rows to quarantine; `info` only reports. `allowed` bounds the number of violating rows, or the number
    of rows; without it the expectation itself decides. With scope `series` the rule is evaluated for each series.
    """

    id: str | None = None
    name: str
    sentence: str
    severity: Severity = "error"
    scope: Scope = "table"
    expectation: str
    arguments: dict[str, Any]
    allowed: Bound | None = None

    @property
    def columns(self) -> list[str]:
        """Columns that the rule reads; empty for a rule about the whole table."""
        named = [self.arguments[word] for word in ("column", "column_A", "column_B") if word in self.arguments]
        return [str(name) for name in (*named, *self.arguments.get("column_list", ()))]


def compile_rules(table: SchemaObject, known: Mapping[str, PropertyRef], path: Path) -> tuple[QualityRule, ...]:
    """Return every executable rule of the table and its properties, in the order of the document."""
    rules: list[tuple[DataQuality, str | None]] = [(rule, None) for rule in table.quality or []]
    rules += [(rule, prop.name) for prop in table.properties or [] for rule in prop.quality or []]
    return tuple(_compile(rule, prop, known, path) for rule, prop in rules if rule.type != "text")


def informal_rules(table: SchemaObject) -> tuple[str, ...]:
    """Return the rules of type text, which people read and no code evaluates."""
    rules = [*(table.quality or []), *(rule for prop in table.properties or [] for rule in prop.quality or [])]
    return tuple(rule.description or rule.name or "" for rule in rules if rule.type == "text")


def custom(entries: list[Any] | None, name: str) -> Any:
    """Return the value of a customProperties entry, or None."""
    return next((entry.value for entry in entries or [] if entry.property == name), None)


def scope_of(entries: list[Any] | None, what: str) -> Scope:
    """Return the scope among customProperties; table by default.

    Raises:
        SpecError: The scope is neither table nor series. The message begins with `what`.
    """
    scope = custom(entries, "scope")
    if scope not in (None, "table", "series"):
        raise SpecError(f"{what} has scope {scope!r}. Write table or series.")
    return "series" if scope == "series" else "table"


def severity_of(severity: Any, what: str) -> Severity:
    """Return the severity; error by default.

    Raises:
        SpecError: The severity is not error, warning or info. The message begins with `what`.
    """
    if severity not in (None, "error", "warning", "info"):
        raise SpecError(
            f"{what} has severity {severity!r}. Write error or warning, or info for a rule that only reports."
        )
    return severity or "error"


def _compile(rule: DataQuality, prop: str | None, known: Mapping[str, PropertyRef], path: Path) -> QualityRule:
    metric = rule.metric or rule.rule
    name = rule.name or rule.id or f"{prop or 'table'} {metric or rule.type}"
    what = f"{path}: rule {name!r}"
    engine = re.sub(r"[^a-z]", "", (rule.engine or "").lower())
    allowed = None
    if rule.type == "custom" and engine in ("greatexpectations", "gx"):
        expectation, arguments = _custom_expectation(rule, what)
    elif rule.type in (None, "library"):
        expectation, arguments, allowed = compile_metric(rule, prop, known, what)
    else:
        kind = f"type {rule.type!r}" + (f" for engine {rule.engine!r}" if rule.engine else "")
        raise SpecError(
            f"{what} has {kind}. Supported are library, custom with engine greatExpectations, and text (not evaluated)."
        )
    return QualityRule(
        id=rule.id,
        name=name,
        sentence=rule.description or name,
        severity=severity_of(rule.severity, what),
        scope=scope_of(rule.customProperties, what),
        expectation=expectation,
        arguments=arguments,
        allowed=allowed,
    )


def _custom_expectation(rule: DataQuality, what: str) -> tuple[str, dict[str, Any]]:
    written = rule.implementation
    body = (
        mapping(written, what.replace(": rule", ": the implementation of rule", 1))
        if isinstance(written, str)
        else written
    )
    if not isinstance(body, dict) or not isinstance(body.get("type"), str):
        raise SpecError(f"{what} needs an implementation with `type` and `kwargs`.")
    if unknown := sorted(set(body) - {"type", "kwargs", "meta"}):
        raise SpecError(f"{what} has {', '.join(unknown)} in its implementation. Supported are `type` and `kwargs`.")
    if bounds := [word for word in OPERATORS if getattr(rule, word) is not None]:
        raise SpecError(f"{what} has {bounds[0]} outside its implementation. Put the bound into kwargs.")
    kwargs = body.get("kwargs") or {}
    if not isinstance(kwargs, dict):
        raise SpecError(f"{what} has kwargs {kwargs!r}. Write a mapping of names to values.")
    # the standard's own example writes minValue for min_value
    return body["type"], {re.sub(r"(?<=[a-z])([A-Z])", lambda m: f"_{m[1].lower()}", k): v for k, v in kwargs.items()}
