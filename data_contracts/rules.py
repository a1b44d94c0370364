"""Quality rules of an ODCS document, compiled to expectations in the words of Great Expectations.

Nothing of Great Expectations is imported here: a rule is a name and its arguments, and `tasks.validation` runs it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from open_data_contract_standard.model import DataQuality, SchemaObject

from data_contracts.bounds import OPERATORS, Bound
from data_contracts.column_types import PropertyRef
from data_contracts.errors import SpecError
from data_contracts.metrics import library
from data_contracts.spec import Spec
from data_contracts.yaml_reader import mapping

Severity = Literal["error", "warning", "info"]
Scope = Literal["table", "series"]


class QualityRule(Spec):
    """One expectation, and what happens where it is broken.

    `error` stops the night, for the whole table or, with scope `series`, only for the series at fault; `warning` sends
    the rows at fault to quarantine; `info` only reports. `allowed` says how many rows may be at fault, or how many rows
    there may be; without it the expectation itself says whether it holds. With scope `series` each series is judged by
    itself.
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
        """The columns that it judges; none for a rule about the whole table."""
        named = [self.arguments[word] for word in ("column", "column_A", "column_B") if word in self.arguments]
        return [str(name) for name in (*named, *self.arguments.get("column_list", ()))]


def compile_rules(table: SchemaObject, known: Mapping[str, PropertyRef], path: Path) -> tuple[QualityRule, ...]:
    """Every rule of the table and its properties that can be judged, in the order of the document."""
    placed: list[tuple[DataQuality, str | None]] = [(rule, None) for rule in table.quality or []]
    placed += [(rule, prop.name) for prop in table.properties or [] for rule in prop.quality or []]
    return tuple(_compile(rule, prop, known, path) for rule, prop in placed if rule.type != "text")


def informal_rules(table: SchemaObject) -> tuple[str, ...]:
    """The rules of type text: said to people, judged by nobody."""
    rules = [*(table.quality or []), *(rule for prop in table.properties or [] for rule in prop.quality or [])]
    return tuple(rule.description or rule.name or "" for rule in rules if rule.type == "text")


def custom(entries: list[Any] | None, name: str) -> Any:
    """The value of a customProperties entry; None where there is none."""
    found = [entry.value for entry in entries or [] if entry.property == name]
    return found[0] if found else None


def scope_of(entries: list[Any] | None, what: str) -> Scope:
    """The scope among customProperties. SpecError names what is accepted."""
    scope = custom(entries, "scope")
    if scope not in (None, "table", "series"):
        raise SpecError(f"{what} has scope {scope!r}; write table or series.")
    return "series" if scope == "series" else "table"


def severity_of(severity: Any, what: str) -> Severity:
    """The severity as it is written, error where it is not. SpecError names what is accepted."""
    if severity not in (None, "error", "warning", "info"):
        raise SpecError(
            f"{what} has severity {severity!r}; write error or warning, or info where it shall only be told."
        )
    return severity or "error"


def _compile(rule: DataQuality, prop: str | None, known: Mapping[str, PropertyRef], path: Path) -> QualityRule:
    metric = rule.metric or rule.rule
    name = rule.name or rule.id or f"{prop or 'table'} {metric or rule.type}"
    what = f"{path}: rule {name!r}"
    engine = re.sub(r"[^a-z]", "", (rule.engine or "").lower())
    allowed = None
    if rule.type == "custom" and engine in ("greatexpectations", "gx"):
        expectation, arguments = _custom(rule, what)
    elif rule.type in (None, "library"):
        expectation, arguments, allowed = library(rule, prop, known, what)
    else:
        told = f"type {rule.type!r}" + (f" for engine {rule.engine!r}" if rule.engine else "")
        raise SpecError(
            f"{what} is of {told}; library and custom greatExpectations are judged, and text is only told to people."
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


def _custom(rule: DataQuality, what: str) -> tuple[str, dict[str, Any]]:
    written = rule.implementation
    body = (
        mapping(written, what.replace(": rule", ": the implementation of rule", 1))
        if isinstance(written, str)
        else written
    )
    if not isinstance(body, dict) or not isinstance(body.get("type"), str):
        raise SpecError(f"{what} needs an implementation with `type` and `kwargs`.")
    if unknown := sorted(set(body) - {"type", "kwargs", "meta"}):
        raise SpecError(f"{what} has {', '.join(unknown)} in its implementation; it takes `type` and `kwargs`.")
    if bounds := [word for word in OPERATORS if getattr(rule, word) is not None]:
        raise SpecError(f"{what} has {bounds[0]} beside its implementation, where the bound belongs.")
    kwargs = body.get("kwargs") or {}
    if not isinstance(kwargs, dict):
        raise SpecError(f"{what} has kwargs {kwargs!r}; write a mapping of names to values.")
    # the standard's own example writes minValue for min_value
    return body["type"], {re.sub(r"(?<=[a-z])([A-Z])", lambda m: f"_{m[1].lower()}", k): v for k, v in kwargs.items()}
