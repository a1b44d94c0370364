"""`nightcast fsck`: check every file of a store, and with `--repair` bring back what the bytes in it prove."""

import contextlib
import functools
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from data_contracts.errors import SpecError, redact
from deployments.maintenance import (
    content_checks,
    file_checks,
    latest_checks,
    published_checks,
    record_checks,
    registry_checks,
)
from deployments.maintenance.finding import Damage
from deployments.maintenance.leases import hold_all
from deployments.maintenance.repair import Repairer
from deployments.maintenance.store_index import StoreIndex
from flows.pipeline.files import list_pipelines
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings
from tasks.engine.machine_memory import format_bytes
from tasks.storage.failures import StoreUnusable

CHECKS = (
    content_checks.check_digests,
    published_checks.check_published,
    latest_checks.check_latest,
    latest_checks.check_latest_history,
    latest_checks.check_latest_errors,
    record_checks.check_decisions,
    record_checks.check_snapshots,
    record_checks.check_contracts,
    record_checks.check_manifests,
    record_checks.check_pages,
    content_checks.check_cache,
    content_checks.check_dry_runs,
    file_checks.check_half_written,
    file_checks.check_rights,
    file_checks.check_names,
    content_checks.orphans,
)
MAX_ROUNDS = 4  # of repairs: a restored bundle lets the registry be rebuilt, a restored vintage lets latest/ follow
MARKS = {"bad": "✗", "note": "·"}


def check_store(names: list[str], repair: bool) -> tuple[dict[str, Any], str]:
    """Check a store and return (facts, the same as text); facts["exit_code"] is 1 if it is damaged, else 0.

    Args:
        names: Pipelines to check, by name or YAML file; if empty, all that the store has.
        repair: Carry out the repairs, under the lease of each pipeline concerned.

    Returns:
        Facts for `--json`, and the text.

    Raises:
        SpecError: A name is not a pipeline, and the store has no file of that name.
        StoreUnusable: The store has no files.
        LeaseHeld: Another run writes to a pipeline of the store, and something has to be repaired.
    """
    settings = Settings()
    store, arguments = settings.opened_store, pipeline_arguments(names, settings)
    index = StoreIndex(store, arguments)
    if not index.files:
        raise StoreUnusable(
            f"the store {store.display_root!r} has no files. Set NIGHTCAST_STORE, or run a first night."
        )
    selected = _select(names, index, settings)
    findings, repaired = _check(index, selected, settings), list[str]()
    if repair and any(finding.repair for finding in findings):
        with hold_all(index.pipelines, "fsck --repair", store, settings.lease_settings) as stores:
            repairer = Repairer(store, stores, settings.readable_tracking)
            for _ in range(MAX_ROUNDS):
                index = StoreIndex(store, arguments, exclusive=True)
                findings = _check(index, selected, settings)
                done = [sentence for sentence in repairer.carry_out(findings) if sentence not in repaired]
                repaired += done
                if not done:
                    break
            else:
                findings = _check(StoreIndex(store, arguments, exclusive=True), selected, settings)
            findings += [
                Damage(name, "bad", f"could not be repaired: {reason}", "", "Remove the cause, and repair again.")
                for name, reason in repairer.failures.items()
            ]
    return _report(index, findings, repaired, repair)


def _check(index: StoreIndex, selected: tuple[str, ...], settings: Settings) -> list[Damage]:
    """Run all checks. A link out of the store is reported once, by the check that knows what should be there."""
    registry = functools.partial(registry_checks.check_registry, tracking=settings.readable_tracking)
    findings = [finding for check in (*CHECKS, registry) for finding in _run(check, index)]
    reported = {finding.uri for finding in findings}
    findings += [finding for finding in file_checks.check_links(index) if finding.uri not in reported]
    wanted = [finding for finding in findings if not selected or finding.pipeline in ("", *selected)]
    busy = [pipeline for pipeline in index.pipelines if file_checks.is_busy(pipeline, index)]
    return [_confirm(finding, busy) for finding in wanted]


def _run(check: Callable[[StoreIndex], Iterable[Damage]], index: StoreIndex) -> list[Damage]:
    """Run a check. If it fails, on a record of a shape that nobody foresaw, the others still run."""
    try:
        return list(check(index))
    except StoreUnusable:
        raise
    except Exception as error:  # noqa: BLE001 - a check that fails is a finding too
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        step = "Repair the other findings first, and check again; otherwise report this as a defect of Nightcast."
        return [Damage("the store", "bad", f"was not checked to the end: {redact(reason)}", "", step)]


def _confirm(finding: Damage, busy: list[str]) -> Damage:
    """Turn a finding about what a running night is about to write into a note."""
    if finding.state == "bad" and finding.pipeline in busy and finding.is_unfinished:
        now = f"{finding.message}; a run is writing to {finding.pipeline} now"
        return finding._replace(state="note", message=now, step="Check again when it has ended.", repair=None)
    return finding


def pipeline_arguments(names: list[str], settings: Settings) -> dict[str, str]:
    """Return how the command line names each pipeline, by the name that the store uses."""
    arguments = {}
    for argument in [*sorted(list_pipelines(settings.pipelines)), *names]:
        with contextlib.suppress(SpecError):
            arguments[PipelineSpec.read(argument, settings.pipelines).name] = argument
    return arguments


def _select(names: list[str], index: StoreIndex, settings: Settings) -> tuple[str, ...]:
    known = {argument: name for name, argument in index.arguments.items()}
    selected = tuple(known.get(name, name) for name in names)
    for name in selected:
        if name not in index.pipelines and name not in index.arguments:
            PipelineSpec.read(name, settings.pipelines)  # raises SpecError, with the names that exist
    return selected


def _report(index: StoreIndex, findings: list[Damage], repaired: list[str], repair: bool) -> tuple[dict[str, Any], str]:
    bad = [finding for finding in findings if finding.state == "bad"]
    size = sum(file.size for file in index.files.values())
    facts = {
        "healthy": not bad,
        "as_of": datetime.now(UTC).isoformat(),
        "files": len(index.files),
        "bytes": size,
        "findings": [finding.as_json() for finding in findings],
        "repaired": repaired,
        "exit_code": 1 if bad else 0,
    }
    lines = [f"✓ {sentence}" for sentence in repaired]
    for finding in sorted(findings, key=lambda finding: (finding.state != "bad", finding.uri)):
        lines.append(redact(f"{MARKS[finding.state]} {finding.uri} {finding.message}"))
        lines += [f"  affects {finding.affects}"] if finding.affects else []
        lines += [f"  → {finding.step}"] if finding.step else []
    repairable = sum(finding.repair is not None for finding in bad)
    hint = f"; nightcast fsck --repair brings {repairable} of them back" if repairable and not repair else ""
    checked = f"{len(index.files):,} files, {format_bytes(size)}"
    count = "1 finding" if len(bad) == 1 else f"{len(bad)} findings"
    lines.append(f"damaged: {count} in {checked}{hint}" if bad else f"healthy: {checked}")
    return facts, "\n".join(lines)
