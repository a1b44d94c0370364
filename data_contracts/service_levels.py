"""Service levels of an ODCS document: which are judged every night, and which are only said."""

from pathlib import Path
from typing import Any

from open_data_contract_standard.model import OpenDataContractStandard, ServiceLevelAgreementProperty

from data_contracts.contract import ServiceLevel
from data_contracts.errors import SpecError
from data_contracts.rules import custom, scope_of, severity_of

UNITS = {"d": "D", "day": "D", "days": "D", "h": "h", "hr": "h", "hour": "h", "hours": "h", "min": "min",
         "minute": "min", "minutes": "min", "w": "W", "week": "W", "weeks": "W"}  # fmt: skip
NAMES = {
    "fr": "freshness", "ly": "latency", "fy": "frequency", "re": "retention", "av": "availability", "th": "throughput",
    "er": "errorRate", "ga": "generalAvailability", "es": "endOfSupport", "el": "endOfLife", "td": "timeToDetect",
    "tn": "timeToNotify", "tr": "timeToRepair", "ta": "timeOfAvailability",
}  # fmt: skip
SPELT = {name.lower(): name for name in NAMES.values()}
JUDGED = ("freshness", "latency")  # the standard prefers the second word for the first


def parse_service_levels(parsed: OpenDataContractStandard, path: Path) -> tuple[ServiceLevel, ...]:
    """Every service level of the document. SpecError where one that is judged has no age."""
    return tuple(_level(sla, path) for sla in parsed.slaProperties or [])


def _level(sla: ServiceLevelAgreementProperty, path: Path) -> ServiceLevel:
    if not sla.property:
        raise SpecError(f"{path}: an entry of slaProperties has no property, such as freshness.")
    name = NAMES.get(sla.property.lower(), SPELT.get(sla.property.lower(), sla.property))
    what = f"{path}: {name}"
    value = _age(name, sla.value, sla.unit or "d", path) if name in JUDGED else _said(sla)
    severity = severity_of(custom(sla.customProperties, "severity"), what)
    scope = scope_of(sla.customProperties, what)
    return ServiceLevel(
        property=name,
        value=value,
        enforced=name in JUDGED,
        severity=severity,
        scope=scope,
        description=sla.description or "",
    )


def _age(name: str, value: Any, unit: str, path: Path) -> str:
    if unit.lower() not in UNITS or isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise SpecError(f"{path}: {name} is {value!r} {unit}; write a number, and a unit of {', '.join(UNITS)}.")
    return f"{value}{UNITS[unit.lower()]}"


def _said(sla: ServiceLevelAgreementProperty) -> str:
    return " ".join(str(part) for part in (sla.value, sla.unit) if part is not None)
