"""Read the source into the raw table: as it was known at the as-of, and kept."""

from datetime import datetime
from typing import Any

import pyarrow as pa

from data_contracts.artifact import Artifact
from data_contracts.expiry import require_current
from tasks.engine.step import CacheInputs, step
from tasks.intake.known_rows import filter_as_of, parse_distinct_times
from tasks.intake.source_parts import store_in_parts
from tasks.quality.rule_dry_run import dry_run_rules
from tasks.sources import row_versions
from tasks.sources.canonical_columns import no_known_row, to_canonical_columns
from tasks.sources.databases import incremental
from tasks.sources.dataset import DatasetSpec
from tasks.sources.read import fingerprint, read_source, table_digest
from tasks.storage import snapshots
from tasks.storage.store import Store


def known_table(reading: DatasetSpec, as_of: datetime, store: Store) -> pa.Table:
    """Read the source with canonical columns, as it was known at `as_of`.

    Args:
        reading: How the source is read.
        as_of: An instant; rows at or after it are in the future.
        store: Where the raw table of the last night lies, for an incremental read.

    Returns:
        The table of `filter_as_of`.

    Raises:
        SourceUnreadable: The source cannot be read, lacks a column, or has no row that was known.
    """
    _check_contract(reading, as_of)
    return _read_known(reading, as_of, store)


def _check_contract(reading: DatasetSpec, as_of: datetime) -> None:
    if reading.contract:
        require_current(reading.contract, as_of)
        dry_run_rules(reading.contract, reading.column_types)


def _read_known(reading: DatasetSpec, as_of: datetime, store: Store) -> pa.Table:
    before = snapshots.snapshot_before(reading.pipeline, as_of, store) if reading.source.incremental else None
    table = _read_incrementally(reading, as_of, before, store)
    if table is None:
        table = to_canonical_columns(
            read_source(reading.source, reading.select_columns, as_of, None, reading.optional_columns), reading
        )
    raw = filter_as_of(table, reading, as_of)
    if not raw.num_rows:
        raise no_known_row(reading, as_of, parse_distinct_times(table, reading).times)
    return row_versions.renumber(raw) if reading.source.kind == "sql" else raw


def _read_incrementally(
    reading: DatasetSpec, as_of: datetime, before: snapshots.Snapshot | None, store: Store
) -> pa.Table | None:
    """Return last night's rows and the new ones; None if everything must be read."""
    plan = incremental.plan_incremental_read(reading, before, store)
    if plan is None:
        return None
    watermark, kept = plan
    newer = read_source(reading.source, reading.select_columns, as_of, watermark)
    return incremental.merge_new_rows(kept, to_canonical_columns(newer, reading, may_be_empty=True))


def _cache_key(reading: DatasetSpec, as_of: datetime, store: Store) -> Any:
    """Return the digest of the source's files, or of the table that a database or a function returns."""
    files = fingerprint(reading.source)
    if files:
        return reading, as_of, files
    raw = known_table(reading, as_of, store)
    return CacheInputs((reading, as_of, table_digest(raw)), raw)


@step(cache_key=_cache_key)
def ingest(reading: DatasetSpec, as_of: datetime, store: Store, read: Any = None) -> Artifact:
    """Store the source as it was known at `as_of`.

    Raises SpecError, before the source is read, if the contract has expired or a rule cannot be run, and what
    `known_table` raises.

    Args:
        reading: How the source is read.
        as_of: An instant; rows at or after it are in the future.
        store: Where the table is kept.
        read: The table, if it had to be read for the cache key.

    Returns:
        The raw table.
    """
    if read is None:
        _check_contract(reading, as_of)
        if stored := store_in_parts(reading, as_of, store):
            return stored
        read = _read_known(reading, as_of, store)
    return store.put(read, "raw")
