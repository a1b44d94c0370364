"""Read the source into the raw table: as it was known at the as-of, and kept.

       history: every column            as-of   the horizon: known covariates only
───────────────────────────────────────── │ ───────────────────── ┤   everything later: not read
"""

import difflib
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.artifact import Artifact
from data_contracts.errors import ColumnsDiffer, SourceUnreadable
from data_contracts.expiry import require_current
from tasks.engine.step import CacheInputs, step
from tasks.quality.outlying_times import outlying_times
from tasks.quality.rule_dry_run import dry_run_rules
from tasks.sources import row_versions, unpivot
from tasks.sources.columns_spec import RESERVED_COLUMNS, ColumnsSpec
from tasks.sources.databases import incremental
from tasks.sources.dataset import DatasetSpec
from tasks.sources.distinct_times import DistinctTimes
from tasks.sources.names import names_as_text
from tasks.sources.read import fingerprint, read_source, table_digest
from tasks.sources.series_names import join_names
from tasks.storage import snapshots
from tasks.storage.store import Store


def filter_as_of(table: pa.Table, reading: DatasetSpec, as_of: datetime) -> pa.Table:
    """Remove everything that was not known at `as_of`.

    Args:
        table: The source with canonical columns.
        reading: How the source is read.
        as_of: An instant; a row counts if its period is over by then.

    Returns:
        The rows whose period is over; the rows of the period that runs, and of the horizon if covariates are known
        ahead, with only their known covariates. A row whose time cannot be parsed, or lies far from all others, is
        kept: validation reports it, and no model sees it.
    """
    written, ids = table["ds"].to_pandas(), _series_ids(table)
    parsed = reading.parse_times(written, ids=ids)
    times, moment = DistinctTimes.of(parsed), reading.align_as_of(as_of)
    horizon_end = pd.date_range(moment, periods=reading.horizon + 1, freq=reading.freq)[-1]
    later = ~reading.ended_times(times, moment)
    kept = ~later | reading.running_times(times, moment) | outlying_times(times, reading.freq)
    if reading.features.known_columns:
        kept |= np.asarray(times.times <= horizon_end)
    rows = times.spread(kept, missing=True)
    rows[_ambiguous_hours(written, ids, parsed, reading, moment)] = True
    if reading.columns.known_at:
        rows &= ~(reading.parse_known_at(table["known_at"].to_pandas()) >= pd.Timestamp(as_of)).to_numpy()
    if later.any():
        table = _hide_future(table, times.spread(later), reading)
    return table if rows.all() else table.filter(pa.array(rows))


def _hide_future(table: pa.Table, is_future: np.ndarray, reading: DatasetSpec) -> pa.Table:
    """Clear what is not known ahead in the rows of the future."""
    known_ahead = {*RESERVED_COLUMNS, *reading.features.known_columns, *reading.columns.time_parts} - {"y"}
    for index, field in enumerate(table.schema):
        if field.name not in known_ahead:
            hidden = pc.if_else(pa.array(is_future), pa.scalar(None, field.type), table[field.name])
            table = table.set_column(index, field.name, hidden)
    return table


def _series_ids(table: pa.Table) -> pd.Series | None:
    """Return the series of each row as categories; None without a column, or if no time needs it to be resolved."""
    kind = table.schema.field("ds").type
    if "unique_id" not in table.column_names or (pa.types.is_timestamp(kind) and kind.tz):
        return None
    return pc.dictionary_encode(table["unique_id"]).unify_dictionaries().to_pandas()


def _ambiguous_hours(
    written: pd.Series, ids: pd.Series | None, times: pd.Series, reading: DatasetSpec, moment: pd.Timestamp
) -> np.ndarray:
    """Find the rows after `moment` that share an ambiguous wall time with a row before it; returns their positions."""
    # They are kept: without them the earlier row could not be recognised as the first of the two.
    near = np.flatnonzero(ids is not None and (times - moment).abs() < pd.Timedelta("2h"))
    if ids is None or not len(near):
        return near
    twice = near[reading.parse_times(written.iloc[near]).isna().to_numpy()]
    keys = pd.MultiIndex.from_arrays([ids.iloc[twice], written.iloc[twice]])
    after = (times.iloc[twice] >= moment).to_numpy()
    return twice[after & keys.isin(keys[~after])]


def to_canonical_columns(table: pa.Table, reading: DatasetSpec, *, may_be_empty: bool = False) -> pa.Table:
    """Select the columns and give them canonical names; a wide table is unpivoted.

    Args:
        table: The table of the source.
        reading: How the source is read.
        may_be_empty: Whether a table without rows is valid.

    Returns:
        row, unique_id, ds, known_at, y and the other columns that the pipeline uses.

    Raises:
        ColumnsDiffer: A column is missing, repeated or has a reserved name.
        SourceUnreadable: The table is empty.
    """
    table = reading.with_joint_time(table)
    columns, names = reading.columns, table.column_names
    mapped: list[tuple[str, str | None]] = [("series (unique_id)", name) for name in columns.id_columns]
    mapped += [("time (ds)", name) for name in columns.time_parts or (columns.ds,)]
    mapped += [("known_at", columns.known_at)]
    mapped += [("target (y)", target) for target in reading.select_targets(names)]
    needed = [(role, name) for role, name in mapped if name is not None] + [
        (reading.describe_role(name), name) for name in reading.additional_columns if name not in columns.key_parts
    ]
    findings = [_describe_missing(role, name, table) for role, name in needed if name not in names]
    findings += [
        f"column {name!r}, the {role}, occurs {names.count(name)} times"
        for role, name in needed
        if names.count(name) > 1
    ]
    covariates = {*reading.numeric_covariates, *reading.features.static}
    findings += [
        f"column {name!r}, the {role}, holds {table[name].type}; make columns of plain values of its parts"
        for role, name in needed
        if names.count(name) == 1
        and pa.types.is_nested(_value_type(table[name]))
        and ((role, name) in mapped or name in covariates)
    ]
    findings += [
        f"column {name!r} has a reserved name ({', '.join(RESERVED_COLUMNS)}); rename it in the source"
        for name in reading.additional_columns
        if name in RESERVED_COLUMNS
    ]
    if findings:
        raise ColumnsDiffer(f"the source {reading.source.label}", findings)
    if not table.num_rows and not may_be_empty:
        raise SourceUnreadable(f"the source {reading.source.label}", ["the table has no rows"])
    canonical = {"unique_id": _series_names(table, columns)} if columns.id_columns else {}
    canonical |= {"ds": table[columns.ds]} | ({"known_at": table[columns.known_at]} if columns.known_at else {})
    names_kept = set(reading.text_columns)
    others = {
        name: names_as_text(table[name]) if name in names_kept else table[name] for name in reading.additional_columns
    }
    if isinstance(columns.y, str):
        rows = pa.array(np.arange(table.num_rows))
        single = {} if columns.id_columns else {"unique_id": pa.repeat(pa.scalar(columns.y), table.num_rows)}
        canonical = {"row": rows, **single, **canonical}
        return _decoded_table({**canonical, "y": table[columns.y], **others})
    cells = {target: table[target] for target in reading.select_targets(names)}
    return unpivot.unpivot(_decoded_table(canonical | others), _decoded_table(cells))


def _value_type(values: pa.ChunkedArray) -> pa.DataType:
    return values.type.value_type if pa.types.is_dictionary(values.type) else values.type


def _decoded_table(columns: dict[str, Any]) -> pa.Table:
    kinds = {name: _value_type(values) for name, values in columns.items()}
    return pa.table({n: v.cast(kinds[n]) if v.type != kinds[n] else v for n, v in columns.items()})


def _series_names(table: pa.Table, columns: ColumnsSpec) -> pa.ChunkedArray:
    """Return the name of each row's series; the parts of a composite name are joined with a slash."""
    parts = [names_as_text(table[name]) for name in columns.id_columns]
    return parts[0] if len(parts) == 1 else join_names([part.cast(pa.string()) for part in parts])


def _describe_missing(role: str, name: str, table: pa.Table) -> str:
    if any(letter in name for letter in "*?["):
        return f"no column matches {name!r}, the {role}; the source has {', '.join(table.column_names[:20])}"
    near = difflib.get_close_matches(name, table.column_names, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; the source has {', '.join(table.column_names[:20])}"
    return f"column {name!r}, the {role}, is missing{hint}"


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
    if reading.contract:
        require_current(reading.contract, as_of)
        dry_run_rules(reading.contract, reading.column_types)
    before = snapshots.snapshot_before(reading.pipeline, as_of, store) if reading.source.incremental else None
    table = _read_incrementally(reading, as_of, before, store)
    if table is None:
        table = to_canonical_columns(
            read_source(reading.source, reading.select_columns, as_of, None, reading.optional_columns), reading
        )
    raw = filter_as_of(table, reading, as_of)
    if not raw.num_rows:
        raise SourceUnreadable(
            f"the source {reading.source.label}", [f"none of its rows was known at {as_of:%Y-%m-%d %H:%M %Z}"]
        )
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
    return store.put(known_table(reading, as_of, store) if read is None else read, "raw")
