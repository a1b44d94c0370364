"""Step 1 · source → raw: the table as it was known at the as-of, kept for ever.

       history: every column            as-of   the horizon: known covariates only
───────────────────────────────────────── │ ───────────────────── ┤   everything later: not read
"""

import difflib
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.artifact import Artifact
from data_contracts.errors import SourceUnreadable
from tasks.engine.step import CacheInputs, step
from tasks.quality.rule_dry_run import dry_run_rules
from tasks.sources import incremental, row_versions, unpivot
from tasks.sources.dataset import RESERVED_COLUMNS, DatasetSpec
from tasks.sources.read import fingerprint, read_source, table_digest
from tasks.storage import snapshots
from tasks.storage.store import Store


def filter_as_of(table: pa.Table, reading: DatasetSpec, as_of: datetime) -> pa.Table:
    """Only what was known at `as_of`: later rows keep their known covariates, as far as the horizon, and lose the rest.

    Rows whose time can't be read stay as they are: validation names them, and no model ever sees them.
    """
    ids = table["unique_id"].to_pandas() if "unique_id" in table.column_names else None
    times = reading.times(table["ds"].to_pandas(), ids=ids)
    moment = reading.moment(as_of)
    horizon_end = pd.date_range(moment, periods=reading.horizon + 1, freq=reading.freq)[-1]
    later = times >= moment
    kept = ~later
    if reading.features.known_columns:
        kept |= times <= horizon_end
    kept |= _ambiguous_hours(table["ds"].to_pandas(), ids, times, reading, moment)
    if reading.columns.known_at:
        kept &= ~(reading.known(table["known_at"].to_pandas()) >= pd.Timestamp(as_of))
    told = {*RESERVED_COLUMNS, *reading.features.known_columns} - {"y"}
    hidden = pa.array(later.to_numpy())
    for place, field in enumerate(table.schema):
        if field.name not in told:
            blank = pc.if_else(hidden, pa.scalar(None, field.type), table[field.name])
            table = table.set_column(place, field.name, blank)
    return table.filter(pa.array(kept.to_numpy()))


def _ambiguous_hours(
    written: pd.Series, ids: pd.Series | None, times: pd.Series, reading: DatasetSpec, moment: pd.Timestamp
) -> pd.Series:
    """Rows after `moment` without which an earlier row of the same wall time would not be known as the first of two."""
    near = (times - moment).abs() < pd.Timedelta("2h")
    if ids is None or not near.any():
        return near & False
    twice = near & reading.times(written[near]).isna().reindex(near.index, fill_value=False)
    keys = pd.MultiIndex.from_arrays([ids, written])
    return twice & (times >= moment) & keys.isin(keys[twice & (times < moment)])


def to_canonical_columns(table: pa.Table, reading: DatasetSpec, *, may_be_empty: bool = False) -> pa.Table:
    """Pick and rename the columns. Raises SourceUnreadable where one is missing, with the nearest name there is."""
    columns, names = reading.columns, table.column_names
    mapped = [("series (unique_id)", columns.unique_id), ("time (ds)", columns.ds), ("known_at", columns.known_at)]
    mapped += [("target (y)", target) for target in reading.targets(names)]
    needed = [(role, name) for role, name in mapped if name] + [(reading.role(name), name) for name in reading.wanted]
    findings = [_missing(role, name, table) for role, name in needed if name not in names]
    findings += [
        f"column {name!r}, the {role}, stands {names.count(name)} times"
        for role, name in needed
        if names.count(name) > 1
    ]
    findings += [
        f"column {name!r} has the name of a column of ours; rename it in the source"
        for name in reading.wanted
        if name in RESERVED_COLUMNS
    ]
    if not findings and not table.num_rows and not may_be_empty:
        findings = ["the table has no rows"]
    if findings:
        raise SourceUnreadable(f"the source {reading.source.shown}", findings)
    ours = {"unique_id": _named(table[columns.unique_id])} if columns.unique_id else {}
    ours |= {"ds": table[columns.ds]} | ({"known_at": table[columns.known_at]} if columns.known_at else {})
    static = set(reading.features.static)
    kept = {name: _named(table[name]) if name in static else table[name] for name in reading.wanted}
    if isinstance(columns.y, str):
        ours = {"row": _counted(table), "unique_id": pa.array([columns.y] * table.num_rows), **ours}
        ours = {**ours, "y": table[columns.y]}
        return pa.table({name: _decoded(values) for name, values in (ours | kept).items()})
    cells = {target: table[target] for target in reading.targets(names)}
    return unpivot.unpivot(_together(ours | kept), _together(cells))


def _counted(table: pa.Table) -> pa.Array:
    return pa.array(range(table.num_rows), pa.int64())


def _together(columns: dict[str, Any]) -> pa.Table:
    return pa.table({name: _decoded(values) for name, values in columns.items()})


def _decoded(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _named(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Names that are numbers as text: beside a missing one, pandas would make 7.0 of 7."""
    plain = _decoded(values)
    return plain.cast(pa.string()) if pa.types.is_integer(plain.type) else plain


def _missing(role: str, name: str, table: pa.Table) -> str:
    if any(letter in name for letter in "*?["):
        return f"no column fits {name!r}, the {role}; the source has {', '.join(table.column_names[:20])}"
    near = difflib.get_close_matches(name, table.column_names, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; the source has {', '.join(table.column_names[:20])}"
    return f"column {name!r}, the {role}, is missing{hint}"


def known_table(reading: DatasetSpec, as_of: datetime, store: Store) -> pa.Table:
    """The source in our words, as it was known at `as_of`. Raises SourceUnreadable where that is nothing."""
    if reading.contract:
        dry_run_rules(reading.contract, reading.kinds)
    before = snapshots.snapshot_before(reading.pipeline, as_of, store) if reading.source.incremental else None
    table = _only_new(reading, as_of, before, store)
    if table is None:
        table = to_canonical_columns(read_source(reading.source, reading.chosen, as_of), reading)
    raw = filter_as_of(table, reading, as_of)
    if not raw.num_rows:
        raise SourceUnreadable(
            f"the source {reading.source.shown}", [f"nothing in it was known at {as_of:%Y-%m-%d %H:%M %Z}"]
        )
    return row_versions.renumber(raw) if reading.source.kind == "sql" else raw


def _only_new(
    reading: DatasetSpec, as_of: datetime, before: snapshots.Snapshot | None, store: Store
) -> pa.Table | None:
    """What last night read and what is new since; None where everything must be read."""
    found = incremental.plan_incremental_read(reading, before, store)
    if found is None:
        return None
    asked, kept = found
    newer = read_source(reading.source, reading.chosen, as_of, asked)
    return incremental.merge_new_rows(kept, to_canonical_columns(newer, reading, may_be_empty=True))


def _seen(reading: DatasetSpec, as_of: datetime, store: Store) -> Any:
    """What the raw table depends on: the bytes of the files, or else the very table that is read."""
    mark = fingerprint(reading.source)
    if mark:
        return reading, as_of, mark
    raw = known_table(reading, as_of, store)
    return CacheInputs((reading, as_of, table_digest(raw)), raw)


@step(cache_key=_seen)
def ingest(reading: DatasetSpec, as_of: datetime, store: Store, read: Any = None) -> Artifact:
    """The source as it was known at `as_of`. Raises SourceUnreadable where it is no table, or lacks a column.

    Raises SpecError, before anything is read, where a rule of the contract can't be run. `read` is that table, where it
    had to be read to know whether it changed.
    """
    return store.put(known_table(reading, as_of, store) if read is None else read, "raw")
