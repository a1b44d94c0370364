"""`nightcast doctor`: looks at everything from outside, names what is wrong and the next step, and changes nothing."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from data_contracts.errors import NightcastError, SpecError, redact
from deployments.doctor.finding import CheckContext, Finding
from flows.pipeline.files import list_pipelines
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings

MARKS = {"good": "✓", "watch": "!", "bad": "✗"}


def examine(names: list[str], max_age: str, as_of: str | None) -> tuple[dict[str, Any], str]:
    """(facts, the same as text); facts["exit_code"] is 1 where anything is bad, else 0. Raises SpecError."""
    settings = Settings()
    findings = list[Finding]()
    look = CheckContext(dict(_read(names, settings, findings)), settings, _age(max_age), _now(as_of))
    for part, check in _checks():
        findings += _looked(part, check, look)
    bad = sum(one.state == "bad" for one in findings)
    facts = {
        "healthy": not bad,
        "as_of": look.now.isoformat(),
        "findings": [one._asdict() for one in findings],
        "exit_code": 1 if bad else 0,
    }
    return facts, "\n".join((*_lines(findings), _last(findings)))


def _checks() -> tuple[tuple[str, Callable[[CheckContext], Iterable[Finding]]], ...]:
    from deployments.doctor import machine_checks, prefect_checks, store_checks

    return (
        ("machine", machine_checks.check),
        ("store", store_checks.check),
        ("registry", store_checks.registry),
        ("prefect", prefect_checks.check),
    )


def _looked(part: str, check: Callable[[CheckContext], Iterable[Finding]], look: CheckContext) -> Iterator[Finding]:
    try:
        yield from [one._replace(told=redact(one.told)) for one in check(look)]
    except Exception as error:  # noqa: BLE001 - what can't be looked at is a finding too
        reason = (str(error).strip().splitlines() or ["no reason was given"])[0]
        told = redact(reason if isinstance(error, NightcastError) else f"{type(error).__name__}: {reason}")
        yield Finding(part, "bad", f"could not be looked at: {told}", f"Mend that, and ask again: {part} was not seen.")


def _read(names: list[str], settings: Settings, findings: list[Finding]) -> Iterator[tuple[str, PipelineSpec]]:
    """Every pipeline that was asked for, else all there are; one of the latter that is broken is a finding."""
    for name in names or sorted(list_pipelines(settings.pipelines)):
        try:
            yield name, PipelineSpec.read(name, settings.pipelines)
        except SpecError as broken:
            if names:
                raise
            findings.append(Finding(f"pipeline {name}", "bad", str(broken), "Its nights can't run so."))


def _age(max_age: str) -> timedelta:
    try:
        age = pd.Timedelta(max_age)
    except ValueError as wrong:
        raise SpecError(f"--max-age {max_age!r} is no duration; write one such as 26h or 2d.") from wrong
    if not age > pd.Timedelta(0):
        raise SpecError(f"--max-age {max_age!r} must be longer than nothing; write one such as 26h or 2d.")
    return age.to_pytimedelta()


def _now(as_of: str | None) -> datetime:
    if as_of is None:
        return datetime.now(UTC)
    try:
        moment = pd.Timestamp(as_of)
    except ValueError as wrong:
        raise SpecError(f"--as-of {as_of!r} is no single moment; write 2024-06-01T12:00Z.") from wrong
    return (moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")).to_pydatetime()


def _lines(findings: list[Finding]) -> Iterator[str]:
    wide = max((len(one.part) for one in findings), default=0)
    for one in findings:
        yield f"{MARKS[one.state]} {one.part:<{wide}}  {one.told}"
        if one.step and one.state != "good":
            yield f"  {'':<{wide}}  → {one.step}"


def _last(findings: list[Finding]) -> str:
    bad, watch = (sum(one.state == state for one in findings) for state in ("bad", "watch"))
    if bad:
        return f"wrong: {bad} of {len(findings)}" + (f", and {watch} to watch" if watch else "")
    return "all is well" + (f", but {watch} to watch" if watch else "")
