"""Compile the service levels of an ODCS document. Freshness and latency are enforced every night."""

from pathlib import Path
from typing import Any

from open_data_contract_standard.model import OpenDataContractStandard, ServiceLevelAgreementProperty

from data_contracts.contract import ServiceLevel
from data_contracts.errors import SpecError
from data_contracts.rules import custom, scope_of, severity_of

UNITS = {"d": "D", "day": "D", "days": "D", "h": "h", "hr": "h", "hour": "h", "hours": "h", "min": "min",
         "minute": "min", "minutes": "min", "w": "W", "week": "W", "weeks": "W"}  # fmt: skip
ABBREVIATIONS = {
    "fr": "freshness", "ly": "latency", "fy": "frequency", "re": "retention", "av": "availability", "th": "throughput",
    "er": "errorRate", "ga": "generalAvailability", "es": "endOfSupport", "el": "endOfLife", "td": "timeToDetect",
    "tn": "timeToNotify", "tr": "timeToRepair", "ta": "timeOfAvailability",
}  # fmt: skip
CANONICAL_NAMES = {name.lower(): name for name in ABBREVIATIONS.values()}
ENFORCED = ("freshness", "latency")  # two names of the standard for the same promise


def parse_service_levels(parsed: OpenDataContractStandard, path: Path) -> tuple[ServiceLevel, ...]:
    """Return every service level of the document.

    Raises:
        SpecError: A level has no property, or an enforced one has no valid age.
    """
    return tuple(_parse_level(sla, path) for sla in parsed.slaProperties or [])


def _parse_level(sla: ServiceLevelAgreementProperty, path: Path) -> ServiceLevel:
    if not sla.property:
        raise SpecError(f"{path}: an entry of slaProperties has no property, such as freshness.")
    name = ABBREVIATIONS.get(sla.property.lower(), CANONICAL_NAMES.get(sla.property.lower(), sla.property))
    what = f"{path}: {name}"
    value = _parse_age(name, sla.value, sla.unit or "d", path) if name in ENFORCED else _join_value_and_unit(sla)
    severity = severity_of(custom(sla.customProperties, "severity"), what)
    scope = scope_of(sla.customProperties, what)
    return ServiceLevel(
        property=name,
        value=value,
        enforced=name in ENFORCED,
        severity=severity,
        scope=scope,
        description=sla.description or "",
    )


def _parse_age(name: str, value: Any, unit: str, path: Path) -> str:
    if unit.lower() not in UNITS or isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise SpecError(f"{path}: {name} is {value!r} {unit}. Write a number above 0 and a unit: {', '.join(UNITS)}.")
    return f"{value}{UNITS[unit.lower()]}"


def _join_value_and_unit(sla: ServiceLevelAgreementProperty) -> str:
    return " ".join(str(part) for part in (sla.value, sla.unit) if part is not None)
