"""Checks of published tables: the bytes that the night published, whole and within their contract."""

import io
from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.errors import StoreDamaged
from data_contracts.odcs_compiler import builtin_contract
from deployments.maintenance.finding import Damage, Repair
from deployments.maintenance.store_index import Record, StoreIndex
from tasks.history.columns import with_as_of
from tasks.storage.kinds import kind_of
from tasks.storage.layout import artifacts_dir, forecasts_dir, parse_vintage


def check_published(index: StoreIndex) -> Iterator[Damage]:
    """Check every published vintage, and every table of actuals, accuracy and anomalies."""
    for uri in sorted({*index.of_kind("published"), *_promised(index)}):
        kind = kind_of(uri)
        digest, claims = index.digest(uri), claimed_digests(uri, index)
        if digest is None and not claims:
            continue
        if uri in index.retracted:
            step, repair = "--repair deletes it; its rows stay among the artifacts", Repair("delete", uri)
            yield Damage(uri, "bad", "is published, but was retracted", "readers", step, repair, kind.pipeline)
            continue
        copy = f"{artifacts_dir(kind.table)}/{digest}.parquet"
        if digest in claims:
            yield from missing_copy(copy, uri, index)
            continue
        belongs_elsewhere = any(
            reference.artifact.digest == digest
            for other, references in index.references.items()
            if other != uri and kind_of(other).name == "published"
            for reference in references
        )
        problem = "" if digest is None else table_problem(uri, kind.table, index)
        if digest and not problem and not belongs_elsewhere and (not claims or index.digest(copy) == digest):
            continue
        yield _damaged(uri, digest, claims, problem or ("holds another vintage" if belongs_elsewhere else ""), index)


def vintages_of(pipeline: str, index: StoreIndex) -> dict[datetime, str]:
    """Return the vintages of a pipeline that exist, or that can be restored."""
    lost = [uri for uri in _promised(index) if any(map(index.copies, claimed_digests(uri, index)))]
    paths = {*index.of_kind("published"), *lost} - index.retracted
    folder = f"{forecasts_dir(pipeline)}/"
    return {moment: uri for uri in paths if uri.startswith(folder) and (moment := parse_vintage(uri))}


def published_digest(uri: str, index: StoreIndex) -> str | None:
    """Return the digest that a vintage should have: its own if a record claims it, else the newest claim."""
    claims, digest = claimed_digests(uri, index), index.digest(uri)
    return digest if digest in claims or not claims else claims[0]


def table_problem(uri: str, table: str, index: StoreIndex) -> str:
    """Return why a published table is torn or breaks its contract; empty if it conforms."""
    try:
        data = index.store.get_bytes(index.store.artifact_at(uri))
        rows = pq.read_table(io.BytesIO(data), page_checksum_verification=True)
    except (StoreDamaged, pa.ArrowException, OSError) as torn:
        return f"is not a complete Parquet table: {str(torn).splitlines()[0]}"
    night = parse_vintage(uri)
    return "; ".join(builtin_contract(table).violations(with_as_of(rows, night) if night else rows))


def run_of(uri: str, index: StoreIndex) -> str:
    """Return the run id in the first row of a published table; empty if it cannot be read."""
    try:
        data = index.store.get_bytes(index.store.artifact_at(uri))
        runs = pq.read_table(io.BytesIO(data), columns=["run_id"], page_checksum_verification=True)["run_id"]
    except (StoreDamaged, pa.ArrowException, OSError):
        return ""
    return str(runs[0]) if len(runs) else ""


def claimed_digests(uri: str, index: StoreIndex) -> list[str]:
    """Return the digests that records give for a path, those of the newest record first."""
    references = sorted(index.references.get(uri, []), key=lambda reference: -reference.record.moment)
    return list(dict.fromkeys(reference.artifact.digest for reference in references))


def missing_copy(copy: str, uri: str, index: StoreIndex) -> Iterator[Damage]:
    """Report that the artifact of an intact published file is missing: it is the second copy, for a later repair."""
    if copy not in index.files and copy not in index.references:
        step, repair = f"--repair restores it from {uri}", Repair("restore", copy, uri)
        yield Damage(copy, "bad", "is missing", f"the second copy of {uri}", step, repair, kind_of(uri).pipeline)


def _promised(index: StoreIndex) -> Iterator[str]:
    """Yield the paths that manifests of past nights published."""
    retracted = index.retracted
    for uri, references in index.references.items():
        if kind_of(uri).name == "published" and uri not in retracted:
            moment = parse_vintage(uri)
            own = [reference.record for reference in references if _is_own(reference.record, uri)]
            if own and moment and moment <= index.now:
                yield uri


def _is_own(record: Record, uri: str) -> bool:
    """Whether a record is the manifest of the night that published a path."""
    return record.kind == "manifest" and record.night == parse_vintage(uri)


def _damaged(uri: str, digest: str | None, claims: list[str], problem: str, index: StoreIndex) -> Damage:
    kind, night = kind_of(uri), parse_vintage(uri)
    copies = [copy for claim in claims for copy in index.copies(claim) if copy != uri]
    message = problem or (
        "is missing" if digest is None else f"has digest {(digest or '')[:12]}…, not that of its night"
    )
    message = index.describe_link(uri) or message
    affected = f"readers of {kind.table} of {kind.pipeline}" + (f" as of {night:%Y-%m-%d %H:%M} UTC" if night else "")
    if copies:
        step = f"--repair restores it from {copies[0]}, which has the published bytes"
        return Damage(uri, "bad", message, affected, step, Repair("restore", uri, copies[0]), kind.pipeline)
    step = f"No other copy is left. Run the night again: {index.rerun(kind.pipeline, night)}"
    return Damage(uri, "bad", message, affected, step, None, kind.pipeline)
