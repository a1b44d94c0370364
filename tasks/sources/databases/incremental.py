"""Incremental read: take old rows from last night's raw table, and ask the database for rows that are new since then.

last night's raw   known ──────────────────────── since │ reread │ watermark
asked for now                                     since ├────────┴──────────► and every time after the last one
"""

import hashlib
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.errors import StoreDamaged
from tasks.engine.code_digest import code_digest
from tasks.sources.databases.sql_watermark import Watermark
from tasks.sources.dataset import DatasetSpec
from tasks.sources.times.timestamps import same_format_pattern
from tasks.storage.snapshots import Snapshot
from tasks.storage.store import Store

DATABASE_WITH_BYTE_ORDER = "sqlite"  # text compares there as bytes, without a locale


def plan_incremental_read(
    reading: DatasetSpec, before: Snapshot | None, store: Store
) -> tuple[Watermark, pa.Table] | None:
    """Decide which rows to read from the database and which to keep from last night.

    Args:
        reading: How the source is read.
        before: Snapshot of the last night before this one.
        store: Where last night's raw table lies.

    Returns:
        (watermark of the read, last night's rows that the read does not return). None if everything must be read:
        no earlier night exists, it read something else, the source has no `known_at`, the query uses :as_of, or the
        text of the times does not sort like the times.
    """
    spec, columns = reading.source.incremental, reading.columns
    if spec is None or before is None or before.reading != dataset_spec_digest(reading) or reading.source.uses_as_of:
        return None
    if columns.time_parts:
        return None  # a database cannot compare a time that several columns hold
    try:
        raw = store.arrow(before.raw)
    except StoreDamaged:
        return None
    times = reading.parse_times(raw["ds"].to_pandas())
    known = reading.parse_known_at(raw["known_at"].to_pandas())
    observed = times[reading.has_ended(times, reading.align_as_of(before.as_of)) & times.notna()]
    settled = known[known <= known.max() - pd.Timedelta(spec.reread)]
    sortable = _sorts_like_times(raw["ds"], times, reading) and _sorts_like_times(raw["known_at"], known, reading)
    if observed.empty or settled.empty or not sortable:
        return None
    newest_ds = raw["ds"][int(observed.idxmax())]
    oldest_known_at = raw["known_at"][int(settled.idxmax())]
    watermark = Watermark(str(columns.known_at), oldest_known_at.as_py(), columns.ds, newest_ds.as_py())
    reread = pc.or_(
        pc.fill_null(pc.greater_equal(raw["known_at"], oldest_known_at), fill_value=True),
        pc.fill_null(pc.greater(raw["ds"], newest_ds), fill_value=False),
    )
    for name, value in (("known_at", oldest_known_at), ("ds", newest_ds)):
        if pa.types.is_string(raw[name].type):
            same = pc.match_substring_regex(raw[name], same_format_pattern(value.as_py()).regex)
            reread = pc.or_(reread, pc.invert(pc.fill_null(same, fill_value=True)))
    return watermark, raw.filter(pc.invert(reread))


def merge_new_rows(kept: pa.Table, fresh: pa.Table) -> pa.Table | None:
    """Return both as one raw table with renumbered rows; None if their column types cannot be unified."""
    if "source_row" in kept.column_names and kept.num_rows:
        start = pc.max(kept["source_row"]).as_py() + 1
        index = fresh.column_names.index("source_row")
        fresh = fresh.set_column(index, "source_row", pc.add(fresh["source_row"], start))
    try:
        merged = pa.concat_tables([kept, fresh.select(kept.column_names)], promote_options="permissive")
    except (pa.ArrowException, KeyError):
        return None
    return merged.set_column(merged.column_names.index("row"), "row", pa.array(np.arange(merged.num_rows)))


def _sorts_like_times(values: pa.ChunkedArray, times: pd.Series, reading: DatasetSpec) -> bool:
    """Return whether the database compares these values as times."""
    if not pa.types.is_string(values.type):
        return pa.types.is_temporal(values.type)
    if not reading.source.url.startswith(DATABASE_WITH_BYTE_ORDER):
        return False
    text: Any = values.to_pandas()[times.notna()]
    order = pd.DataFrame({"text": text, "time": times[times.notna()]}).sort_values("text")
    return bool(order["time"].is_monotonic_increasing) and order.groupby("time")["text"].nunique().le(1).all()


def dataset_spec_digest(reading: DatasetSpec) -> str:
    """Return the digest of the code and of every setting that decides what is read."""
    return hashlib.sha256("\n".join((code_digest("tasks.ingestion"), reading.model_dump_json())).encode()).hexdigest()[
        :32
    ]
