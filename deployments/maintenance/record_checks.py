"""Checks of the records of each night: decisions, snapshots, contracts and manifests, and the pages of manifests."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from data_contracts.contract import Contract
from deployments.maintenance.finding import Damage, DamageState, Repair
from deployments.maintenance.published_checks import claimed_digests, missing_copy, run_of
from deployments.maintenance.store_index import Record, StoreIndex, parse_moment
from tasks.modeling.candidate import Candidate
from tasks.results.manifest import RunManifest
from tasks.storage.kinds import kind_of
from tasks.storage.layout import (
    artifacts_dir,
    decisions_dir,
    manifest_uri,
    parse_vintage,
    record_uri,
    report_dir,
    snapshots_dir,
)
from tasks.storage.snapshots import Snapshot

VINTAGE_CHARACTERS = len("2024-02-09T000000Z")
DECIDED_BY_HAND = ("champion-restore", "promote", "rollback", "mlflow-alias")  # decisions without a night
TORN = "is torn or was altered since it was written"


def check_decisions(index: StoreIndex) -> Iterator[Damage]:
    """Check that every decision is the copy of its artifact, and that no decision of a night is missing."""
    parsed = {record.uri: record for record in index.records if record.kind == "decision"}
    decided = _decided(index)
    for uri in sorted({*index.of_kind("decision"), *_promised_decisions(index)}):
        kind, night, record = kind_of(uri), parse_vintage(uri), parsed.get(uri)
        digest, copies = index.digest(uri), decided.get(uri, [])
        if record and digest in [kind_of(copy).digest for copy in copies]:
            continue
        if record and not copies and _is_decision(record):  # a record of a person, or its copy is lost
            if digest in claimed_digests(uri, index):
                yield from missing_copy(f"{artifacts_dir('decision')}/{digest}.json", uri, index)
            continue
        message = "is missing" if digest is None else TORN if record is None else "differs from what was decided"
        message = index.describe_link(uri) or message
        affected = f"the champion of {kind.pipeline} from {night:%Y-%m-%d %H:%M} UTC on" if night else kind.pipeline
        if copies:
            copy = _most_recent(uri, copies, index)
            step, repair = f"--repair restores it from {copy}, which was decided", Repair("restore", uri, copy)
        else:
            step = "Restore it from a backup, or delete it: the champion of the decision before it then stays"
            repair = None
        yield Damage(uri, "bad", message, affected, step, repair, kind.pipeline)


def check_snapshots(index: StoreIndex) -> Iterator[Damage]:
    """Check that the record of what each night read agrees with the manifests of that night."""
    parsed = {record.uri: record for record in index.records if record.kind == "snapshot"}
    manifests = _finished_manifests(index)
    nights = {record_uri(snapshots_dir(record.pipeline), record.night) for record in manifests if record.night}
    for uri in sorted({*index.of_kind("snapshot"), *nights}):
        kind, night = kind_of(uri), parse_vintage(uri)
        own = [record for record in manifests if record.pipeline == kind.pipeline and record.night == night]
        before = index.collected_before(kind.pipeline)
        if uri not in index.files and (not own or (before and night and night < before)):
            continue
        if uri in parsed and _agrees(parsed[uri], own):
            continue
        is_missing = uri not in index.files
        message = "is missing" if is_missing else TORN
        affected = "the revisions and the incremental read of the next night"
        step, repair = f"Run the night again: {index.rerun(kind.pipeline, night)}", None
        if own:
            step, repair = "--repair writes it again from the manifest of the night", Repair("rebuild snapshot", uri)
        yield Damage(uri, "bad", message, affected, step, repair, kind.pipeline, is_missing)


def check_contracts(index: StoreIndex) -> Iterator[Damage]:
    """Check that the contracts that nights ran under, and the records of what gc has collected, can be read."""
    for uri in index.of_kind("retention"):
        if index.read_record(uri) is None:
            affected = "which nights gc has collected: their tables and pages are reported as missing"
            step = "Run nightcast gc --apply with the --keep of before, which writes it again."
            yield Damage(uri, "bad", TORN, affected, step, None, index.kinds[uri].pipeline)
    for uri in index.of_kind("retraction"):
        if index.read_record(uri) is None:
            affected = "a retracted vintage, which is reported as missing"
            step = "Restore it from a backup, or run nightcast retract again, which writes it again."
            yield Damage(uri, "bad", TORN, affected, step, None, index.kinds[uri].pipeline)
    for uri in index.of_kind("contract"):
        content = index.read_record(uri)
        if content is not None and _is_valid(Contract, content):
            continue
        affected = "what the next night reports as changed in the contract"
        step = "--repair moves it away; the next night compares with the record before it."
        yield Damage(uri, "bad", TORN, affected, step, Repair("move away", uri), index.kinds[uri].pipeline)


def check_manifests(index: StoreIndex) -> Iterator[Damage]:
    """Check that manifests can be read and have their own name, and that every decided run has its manifest."""
    parsed = {record.uri: record for record in index.records if record.kind == "manifest"}
    for uri in index.of_kind("manifest"):
        record, pipeline = parsed.get(uri), index.kinds[uri].pipeline
        if record and _is_valid(RunManifest, record.content) and _own_uri(record) == uri:
            continue
        message = TORN if record is None else f"is the manifest of another run, {record.content.get('run_id')}"
        affected = "nightcast show, quarantine and doctor of this night"
        true_copy = next((other.uri for other in parsed.values() if other.uri != uri and _own_uri(other) == uri), None)
        step = f"--repair moves it away; then run the night again: {index.rerun(pipeline, _night_of(uri, index))}"
        repair = Repair("move away", uri)
        if true_copy:
            step, repair = f"--repair restores it from {true_copy}", Repair("restore", uri, true_copy)
        yield Damage(uri, "bad", message, affected, step, repair, pipeline)
    for record in index.records:
        run = str(record.content.get("run_id") or "")
        uri = manifest_uri(record.pipeline, run)
        if record.kind != "decision" or run in DECIDED_BY_HAND or uri in index.files:
            continue
        has_page = f"{report_dir(record.pipeline, run)}/index.html" in index.files
        message = "is missing, but its night wrote a page" if has_page else "is missing: its night did not end"
        step = f"Run the night again: {index.rerun(record.pipeline, record.night)}"
        state: DamageState = "bad" if has_page else "note"
        yield Damage(uri, state, message, "nightcast show of this night", step, None, record.pipeline, has_page)


def check_pages(index: StoreIndex) -> Iterator[Damage]:
    """Check that the pages of every manifest exist, with the bytes that the night wrote."""
    named = {str(record.content.get("page")): record for record in index.records if record.kind == "manifest"}
    for uri in sorted({*index.of_kind("report"), *named} - {"None", ""}):
        claims, digest, record = claimed_digests(uri, index), index.digest(uri), named.get(uri)
        if digest is None and (record is None or index.was_collected(record)):
            continue
        if digest and (not claims or digest in claims):
            continue
        nights = index.nights_of(uri) or ([record] if record else [])
        pipeline = kind_of(uri).pipeline
        message = "is missing" if digest is None else f"has digest {digest[:12]}…, not that of its night"
        flow = nights[0].flow if nights else ""
        step = f"Run the night again: {index.rerun(pipeline, nights[0].night if nights else None, flow)}"
        yield Damage(uri, "bad", message, "the page of this night", step, None, pipeline)


def _decided(index: StoreIndex) -> dict[str, list[str]]:
    """Return the intact artifacts with a decision, by the path at which that decision is recorded."""
    copies: dict[str, list[str]] = {}
    for copy in index.of_kind("artifact"):
        if index.kinds[copy].table == "decision" and index.digest(copy) == index.kinds[copy].digest:
            content = index.read_record(copy) or {}
            if moment := parse_moment(content.get("as_of")):
                copies.setdefault(record_uri(decisions_dir(str(content.get("pipeline"))), moment), []).append(copy)
    return copies


def _most_recent(uri: str, copies: list[str], index: StoreIndex) -> str:
    """Return the copy that the newest record claims for a path, else the newest file."""
    claims = claimed_digests(uri, index)
    ranks = {digest: rank for rank, digest in enumerate(claims)}
    return min(
        copies,
        key=lambda copy: (ranks.get(kind_of(copy).digest, len(claims)), -(index.files[copy].modified or 0.0)),
    )


def _promised_decisions(index: StoreIndex) -> Iterator[str]:
    for uri in index.references:
        moment = parse_vintage(uri)
        if kind_of(uri).name == "decision" and moment and moment <= index.now:
            yield uri


def _is_decision(record: Record) -> bool:
    return not record.content.get("champion") or _is_valid(Candidate, record.content["champion"])


def _finished_manifests(index: StoreIndex) -> list[Record]:
    """Return the manifests with results, the newest first."""
    manifests = [record for record in index.records if record.kind == "manifest" and record.content.get("story")]
    return sorted(manifests, key=lambda record: -record.moment)


def _agrees(record: Record, manifests: list[Record]) -> bool:
    """Whether a snapshot has the tables of a manifest of its night; true if the night has none."""
    try:
        snapshot = Snapshot.model_validate(record.content)
    except ValidationError:
        return False
    tables = (snapshot.raw.digest, snapshot.clean.digest)
    return not manifests or any(tables == _tables(manifest.content["story"]) for manifest in manifests)


def _tables(story: dict[str, Any]) -> tuple[str, str] | None:
    """Return the digests of the raw and the clean table; None for the manifest of another release."""
    try:
        return story["raw"]["digest"], story["validated"]["clean"]["digest"]
    except (KeyError, TypeError):
        return None


def _is_valid(model: type[BaseModel], content: dict[str, Any]) -> bool:
    try:
        return bool(model.model_validate(content))
    except ValidationError:
        return False


def _own_uri(record: Record) -> str:
    """Return the path that the content of a manifest names; that of a failed run does not name it."""
    return str(record.content.get("manifest") or record.uri)


def _night_of(uri: str, index: StoreIndex) -> datetime | None:
    """Return the as-of of the night whose manifest cannot be read, from its decision or its published table."""
    kind = kind_of(uri)
    if kind.run.startswith("refused-"):
        return parse_vintage(f"vintage={kind.run[-VINTAGE_CHARACTERS:]}")
    for record in index.records:
        if record.content.get("run_id") == kind.run:
            return record.night
    for table in index.of_kind("published"):
        if index.kinds[table].table == "forecasts" and run_of(table, index) == kind.run:
            return parse_vintage(table)
    return None
