"""`nightcast doctor`: run every health check, name each problem with the next step, and change nothing."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from data_contracts.errors import NightcastError, SpecError, redact
from deployments.doctor import growth_checks, machine_checks, server_checks, store_checks
from deployments.doctor.finding import CheckContext, Finding, FindingState
from flows.pipeline.files import list_pipelines
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings
from models.data.windows import parse_duration

Check = Callable[[CheckContext], Iterable[Finding]]
CHECKS: tuple[tuple[str, Check], ...] = (
    ("machine", machine_checks.check),
    ("engine", machine_checks.check_engine),
    ("store", store_checks.check),
    ("registry", store_checks.check_registry),
    ("growth", growth_checks.check),
    ("prefect", server_checks.check),
)
ORDER: tuple[FindingState, ...] = ("bad", "watch", "good")  # what has to be done stands first
MARKS = {"good": "✓", "watch": "!", "bad": "✗"}


def examine(names: list[str], max_age: str, as_of: str | None) -> tuple[dict[str, Any], str]:
    """Run all checks and return (facts, the same as text); facts["exit_code"] is 1 if a finding is bad, else 0.

    Args:
        names: pipelines to check; if empty, all.
        max_age: age from which on the newest forecasts are an error, as a pandas duration.
        as_of: instant of the check, UTC if it has no offset; None means now.

    Returns:
        Facts for `--json`, and the text.

    Raises:
        SpecError: an argument is wrong, or a pipeline in `names` cannot be read.
    """
    settings = Settings()
    findings = list[Finding]()
    context = CheckContext(
        dict(_read_pipelines(names, settings, findings)), settings, _parse_max_age(max_age), _parse_as_of(as_of)
    )
    for part, check in CHECKS:
        findings += _run_check(part, check, context)
    findings.sort(key=lambda finding: ORDER.index(finding.state))
    bad = sum(finding.state == "bad" for finding in findings)
    facts = {
        "healthy": not bad,
        "as_of": context.now.isoformat(),
        "findings": [finding.as_json() for finding in findings],
        "exit_code": 1 if bad else 0,
    }
    return facts, "\n".join((*_format_findings(findings), _summarize(findings)))


def _run_check(part: str, check: Check, context: CheckContext) -> Iterator[Finding]:
    try:
        for finding in check(context):  # one by one: those before an exception are kept
            yield finding._replace(message=redact(finding.message))
    except Exception as error:  # noqa: BLE001 - a check that fails is a finding too
        reason = (str(error).strip().splitlines() or ["no reason was given"])[0]
        message = redact(reason if isinstance(error, NightcastError) else f"{type(error).__name__}: {reason}")
        step = f"Fix this and run nightcast doctor again: {part} was not checked to the end."
        yield Finding(part, "bad", f"check failed: {message}", step)


def _read_pipelines(
    names: list[str], settings: Settings, findings: list[Finding]
) -> Iterator[tuple[str, PipelineSpec]]:
    """Yield the named pipelines, or all; an invalid pipeline is an error if it was named, else a finding."""
    for name in names or sorted(list_pipelines(settings.pipelines)):
        try:
            yield name, PipelineSpec.read(name, settings.pipelines)
        except SpecError as error:
            if names:
                raise
            findings.append(Finding(f"pipeline {name}", "bad", str(error), "Fix its YAML: until then no night runs."))


def _parse_max_age(max_age: str) -> timedelta:
    try:
        age = parse_duration(max_age)
    except ValueError as error:
        raise SpecError(f"--max-age {max_age!r} is not a duration. Write one such as 26h or 2d.") from error
    if not age > pd.Timedelta(0):
        raise SpecError(f"--max-age {max_age!r} must be longer than 0. Write a duration such as 26h or 2d.")
    return age.to_pytimedelta()


def _parse_as_of(as_of: str | None) -> datetime:
    if as_of is None:
        return datetime.now(UTC)
    try:
        moment = pd.Timestamp(as_of)
    except ValueError as error:
        raise SpecError(f"--as-of {as_of!r} is not a timestamp. Write one such as 2024-06-01T12:00Z.") from error
    return (moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")).to_pydatetime()


def _format_findings(findings: list[Finding]) -> Iterator[str]:
    width = max((len(finding.part) for finding in findings), default=0)
    for finding in findings:
        yield f"{MARKS[finding.state]} {finding.part:<{width}}  {finding.message}"
        if finding.step and finding.state != "good":
            yield f"  {'':<{width}}  → {finding.step}"


def _summarize(findings: list[Finding]) -> str:
    bad, watch = (sum(finding.state == state for finding in findings) for state in ("bad", "watch"))
    if bad:
        return f"unhealthy: {bad} of {len(findings)} findings are bad" + (f", {watch} to watch" if watch else "")
    return "healthy" + (f", {watch} to watch" if watch else "")
