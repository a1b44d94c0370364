"""What `nightcast gc` may delete: nothing that a kept night, a decision or a reader refers to.

nights of a pipeline    ·  ·  ·  ·  ·  ·  P  │ keep │  ·  ·  ·  now
                       collected: tables,  └─ the newest night before, which the next night compares with
                       pages, cache
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from deployments.maintenance.store_index import Record, StoreIndex
from tasks.registry.mlflow_registry import TrackingSettings
from tasks.registry.retention import ExpiredRun, expired_runs
from tasks.storage.kinds import CONTENT_KINDS, kind_of
from tasks.storage.layout import MLFLOW_DIR, report_dir

MIN_AGE = timedelta(days=1)  # of a file that is deleted: a running night may be about to refer to a younger one
SECOND_COPIES = ("forecasts", "actuals", "accuracy", "anomalies", "decision")  # fsck restores published files from them


class Garbage(NamedTuple):
    """One file to delete. `kind` is the table of an artifact, or the folder at the top of the store."""

    uri: str
    kind: str
    size: int


class CollectionPlan(NamedTuple):
    """Files to delete, MLflow runs to delete by pipeline, and the as-of of the first night of each that is kept."""

    files: tuple[Garbage, ...]
    runs: dict[str, tuple[ExpiredRun, ...]]
    before: dict[str, datetime]


def plan_collection(index: StoreIndex, keep: timedelta, tracking: TrackingSettings | None) -> CollectionPlan:
    """Decide what to delete.

    Args:
        index: The store.
        keep: Nights with an as-of younger than this keep everything.
        tracking: Where MLflow is; None if it may not be asked.

    Returns:
        The plan; nothing is deleted yet.
    """
    before = dict(_first_kept_nights(index, keep))
    kept = {
        artifact.uri
        for record in index.records
        if record.kind != "cache" and not _is_collected(record, before)
        for artifact in index.targets[record.uri]
    }
    fresh = [record for record in index.records if record.kind == "cache" and not _is_old(record.uri, MIN_AGE, index)]
    kept |= {artifact.uri for record in fresh for artifact in index.targets[record.uri]}  # of a night that runs now
    kept |= {artifact.uri for record in _only_claims(index) for artifact in index.targets[record.uri]}
    uris = [*_tables(index, kept), *_records(index, before, kept, keep), *_pages(index, before, keep)]
    uris += [uri for uri in index.of_kind("half-written") if _is_old(uri, MIN_AGE, index)]
    uris += [uri for uri in index.of_kind("lost") if _is_old(uri, max(keep, MIN_AGE), index)]
    uris += _dry_runs(index, keep)
    runs = dict(_runs(index, keep, kept, tracking)) if tracking else {}
    expired = {run.run for group in runs.values() for run in group}
    folder = f"{MLFLOW_DIR}/artifacts/"
    if tracking and tracking.in_store:
        uris += [uri for uri in index.files if uri.startswith(folder) and uri.split("/")[2] in expired]
    files = (Garbage(uri, _label(uri), index.files[uri].size) for uri in sorted(set(uris)))
    return CollectionPlan(tuple(files), runs, before)


def _first_kept_nights(index: StoreIndex, keep: timedelta) -> Iterator[tuple[str, datetime]]:
    """Yield the newest night before `keep` of each pipeline: the next night reads its tables, so they are kept too."""
    nights = defaultdict[str, list[datetime]](list)
    for record in index.records:
        has_read = record.kind == "snapshot" or (record.kind == "manifest" and record.content.get("story"))
        if has_read and record.night and record.night < index.now - keep:  # a night that failed has no tables
            nights[record.pipeline].append(record.night)
    for pipeline, moments in nights.items():
        yield pipeline, max(moments)


def _only_claims(index: StoreIndex) -> Iterator[Record]:
    """Yield the cached results of nights that ran again: no other record has the digest of what they published.

    The manifest of a night that runs again stays the first one, which names the table of the first run.
    """
    for uri in index.of_kind("published"):
        claims = [ref.record for ref in index.references.get(uri, []) if ref.artifact.digest == index.digest(uri)]
        if claims and all(record.kind == "cache" for record in claims):
            yield max(claims, key=lambda record: record.moment)


def _is_collected(record: Record, before: dict[str, datetime]) -> bool:
    """Whether a manifest or snapshot is of a night that is not kept. Decisions are kept for ever."""
    first = before.get(record.pipeline)
    return record.kind in ("manifest", "snapshot") and bool(first and record.night and record.night < first)


def _is_old(uri: str, age: timedelta, index: StoreIndex) -> bool:
    """Whether a file is older than `age`; a file of unknown age is not."""
    modified = index.files[uri].modified
    return modified is not None and modified < (index.now - age).timestamp()


def _tables(index: StoreIndex, kept: set[str]) -> Iterator[str]:
    for uri in index.of_kind(*CONTENT_KINDS):
        is_copy = index.kinds[uri].table in SECOND_COPIES
        if uri not in kept and not is_copy and _is_old(uri, MIN_AGE, index):
            yield uri


def _records(index: StoreIndex, before: dict[str, datetime], kept: set[str], keep: timedelta) -> Iterator[str]:
    """Yield snapshots of collected nights, and cached results whose tables are collected or that are old."""
    for record in index.records:
        if not _is_old(record.uri, MIN_AGE, index):
            continue
        if record.kind == "snapshot" and _is_collected(record, before):
            yield record.uri
        elif record.kind == "cache":
            targets = [item.uri for item in index.targets[record.uri] if kind_of(item.uri).name in CONTENT_KINDS]
            if not all(uri in kept for uri in targets) or (not targets and _is_old(record.uri, keep, index)):
                yield record.uri


def _pages(index: StoreIndex, before: dict[str, datetime], keep: timedelta) -> Iterator[str]:
    """Yield the pages of collected nights, and old ones of runs that left no manifest."""
    manifests = {(record.pipeline, record.uri.rpartition("/")[2].removesuffix(".json")): record
                 for record in index.records if record.kind == "manifest"}  # fmt: skip
    for uri in index.of_kind("report"):
        kind = index.kinds[uri]
        manifest = manifests.get((kind.pipeline, kind.run))
        if not _is_old(uri, MIN_AGE, index) or not uri.startswith(report_dir(kind.pipeline, kind.run)):
            continue
        if _is_collected(manifest, before) if manifest else _is_old(uri, keep, index):
            yield uri


def _dry_runs(index: StoreIndex, keep: timedelta) -> list[str]:
    """Return the files of dry runs of which none is younger than `keep`."""
    trees = defaultdict[str, list[str]](list)
    for uri in index.of_kind("dry run"):
        trees["/".join(uri.split("/")[:3])].append(uri)
    age = max(keep, MIN_AGE)
    return [uri for uris in trees.values() if all(_is_old(uri, age, index) for uri in uris) for uri in uris]


def _runs(
    index: StoreIndex, keep: timedelta, kept: set[str], tracking: TrackingSettings
) -> Iterator[tuple[str, tuple[ExpiredRun, ...]]]:
    digests = {kind_of(uri).digest for uri in kept}
    for pipeline in index.pipelines:
        if runs := expired_runs(tracking, pipeline, index.now - max(keep, MIN_AGE), digests):
            yield pipeline, runs


def _label(uri: str) -> str:
    kind = kind_of(uri)
    return kind.table if kind.name == "artifact" else uri.partition("/")[0]
