"""Checks of `latest/`: the newest vintage, the history that it was made from, and the errors of the champion."""

from collections.abc import Iterator
from datetime import datetime

from data_contracts.errors import NightcastError, StoreDamaged
from deployments.maintenance.finding import Damage, DamageState, Repair
from deployments.maintenance.published_checks import published_digest, vintages_of
from deployments.maintenance.store_index import StoreIndex
from tasks.history.columns import AS_OF
from tasks.history.published import column_names
from tasks.storage.kinds import kind_of
from tasks.storage.layout import artifacts_dir, latest_errors_uri, latest_history_uri, latest_uri
from tasks.storage.vintages import MAX_AHEAD


def check_latest(index: StoreIndex) -> Iterator[Damage]:
    """Check that `latest/` is the newest vintage that is not in the future."""
    for pipeline in index.pipelines:
        uri, vintages = latest_uri(pipeline), vintages_of(pipeline, index)
        past, near = _past(vintages, index), _near(vintages, index)
        digest = index.digest(uri)
        if not past and not near:
            if uri in index.files:
                message = "exists, but the pipeline has no published vintage"
                step = f"Restore forecasts/ from a backup, or run {index.rerun(pipeline, None)}"
                yield Damage(uri, "bad", message, "readers of latest/", step, None, pipeline)
            continue
        expected = [published_digest(vintages[moment], index) for moment in [*near, *past]]
        if digest and digest in expected:
            continue
        newest = max(past or near)
        message = "is missing" if digest is None else f"is not the newest vintage, {vintages[newest]}"
        link = index.describe_link(uri)
        step = f"--repair publishes the newest vintage there, or run {index.rerun(pipeline, newest)}"
        is_intact = index.digest(vintages[newest]) == published_digest(vintages[newest], index)
        repair = Repair("publish latest", uri, vintages[newest]) if is_intact else None  # the vintage first
        yield Damage(uri, "bad", link or message, "readers of latest/", step, repair, pipeline, is_unfinished=not link)


def check_latest_history(index: StoreIndex) -> Iterator[Damage]:
    """Check that the history under `latest/` is the clean table of the night of the newest vintage.

    A store of an earlier release does not have it until its next night, which is not damage.
    """
    for pipeline in index.pipelines:
        uri, vintages = latest_history_uri(pipeline), vintages_of(pipeline, index)
        nights = [*_near(vintages, index), *_past(vintages, index)]
        tables = {table: night for night in nights for table in _clean_tables(pipeline, night, index)}
        digest = index.digest(uri)
        if not nights and uri not in index.files:
            continue
        if digest and (digest in {kind_of(table).digest for table in tables} or not tables):
            continue
        intact = [table for table in tables if index.digest(table) == kind_of(table).digest]
        if digest is None and uri not in index.files and not intact:
            continue
        link = index.describe_link(uri)
        message = link or ("is missing" if digest is None else "is not the newest vintage's history")
        rerun = index.rerun(pipeline, max(nights, default=None))
        step = f"--repair publishes it from {intact[0]}" if intact else f"Run the night again: {rerun}"
        repair = Repair("publish latest", uri, intact[0]) if intact else None
        is_due = digest is not None or _is_of_this_release(vintages[max(nights)], index)
        state: DamageState = "bad" if is_due else "note"
        yield Damage(uri, state, message, "readers of latest/", step, repair, pipeline, is_unfinished=not link)


def check_latest_errors(index: StoreIndex) -> Iterator[Damage]:
    """Check that the errors under `latest/` are those of a night; what a night has just written may have no record."""
    folder = artifacts_dir("errors")
    for pipeline in index.pipelines:
        uri, nights = latest_errors_uri(pipeline), list[tuple[datetime, str]]()
        for record in index.records:
            if record.kind == "manifest" and record.pipeline == pipeline and record.night and record.night <= index.now:
                targets = [] if index.was_collected(record) else index.targets[record.uri]
                nights += [(record.night, item.uri) for item in targets if item.uri.startswith(f"{folder}/")]
        digest = index.digest(uri)
        known = {kind_of(table).digest for _, table in nights}
        if digest in known or (digest and f"{folder}/{digest}.parquet" in index.files):
            continue
        if digest is None and uri not in index.files and not nights:
            continue
        if digest and _is_errors_table(uri, index):  # of a night that was run again: its first manifest stays
            continue
        intact = [table for _, table in sorted(nights) if index.digest(table) == kind_of(table).digest]
        link = index.describe_link(uri)
        message = link or ("is missing" if digest is None else "is not a table of any night")
        repair = Repair("publish latest", uri, intact[-1]) if intact else None
        rerun = index.rerun(pipeline, max(night for night, _ in nights) if nights else None)
        step = f"--repair publishes it from {intact[-1]}" if intact else f"Run the night again: {rerun}"
        yield Damage(uri, "bad", message, "scores of new observations", step, repair, pipeline, is_unfinished=not link)


def _is_errors_table(uri: str, index: StoreIndex) -> bool:
    try:
        table = index.store.arrow(index.store.table_at(uri, "errors"))
        return {"model_name", "step", "scaled_error"} <= set(table.column_names) and len(table) > 0
    except NightcastError:
        return False


def _past(vintages: dict[datetime, str], index: StoreIndex) -> list[datetime]:
    """Return the newest vintage that is not in the future, if there is one."""
    return [max(moments)] if (moments := [moment for moment in vintages if moment <= index.now]) else []


def _near(vintages: dict[datetime, str], index: StoreIndex) -> list[datetime]:
    return [moment for moment in vintages if index.now < moment <= index.now + MAX_AHEAD]


def _is_of_this_release(uri: str, index: StoreIndex) -> bool:
    """Whether the night of a vintage has published its history too: its forecasts have the column `as_of`."""
    try:
        return AS_OF in column_names(uri, index.store)
    except StoreDamaged:
        return False


def _clean_tables(pipeline: str, night: datetime, index: StoreIndex) -> list[str]:
    """Return the clean tables that the records of a night name, that of the newest record first."""
    records = [
        record
        for record in index.records
        if record.pipeline == pipeline and record.kind in ("snapshot", "manifest") and _night(record.night) == night
    ]
    tables = list[str]()
    for record in sorted(records, key=lambda record: -record.moment):
        clean = record.content.get("clean") or ((record.content.get("story") or {}).get("validated") or {}).get("clean")
        tables += [str(clean["uri"])] if isinstance(clean, dict) and clean.get("uri") else []
    return list(dict.fromkeys(tables))


def _night(night: datetime | None) -> datetime | None:
    return night.replace(microsecond=0) if night else None
