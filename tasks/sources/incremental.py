"""What a night need not read again: what last night read, and what a database says has become known since.

last night's raw   known ──────────────────────── since │ reread │ watermark
asked for now                                     since ├────────┴──────────► and every time after the last one
"""

import hashlib
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.errors import StoreDamaged
from tasks.engine.code_digest import code_digest
from tasks.sources.dataset import DatasetSpec
from tasks.sources.sql_watermark import Watermark
from tasks.sources.timestamps import same_format_pattern
from tasks.storage.snapshots import Snapshot
from tasks.storage.store import Store

TEXT_SORTS_LIKE_BYTES = "sqlite"


def plan_incremental_read(
    reading: DatasetSpec, before: Snapshot | None, store: Store
) -> tuple[Watermark, pa.Table] | None:
    """(what to ask for, last night's rows that it does not give); None where all must be read.

    That is so where nothing was read before or something else was, where nobody says when rows became known, where
    a query asks for the night itself (:as_of), and where text does not sort like the times that it writes.
    """
    spec, columns = reading.source.incremental, reading.columns
    if (
        spec is None
        or before is None
        or before.reading != dataset_spec_digest(reading)
        or reading.source.asks_for_the_night
    ):
        return None
    try:
        raw = store.arrow(before.raw)
    except StoreDamaged:
        return None
    times = reading.times(raw["ds"].to_pandas())
    known = reading.known(raw["known_at"].to_pandas())
    seen = times[times < reading.moment(before.as_of)]
    early = known[known <= known.max() - pd.Timedelta(spec.reread)]
    sound = _sorts(raw["ds"], times, reading) and _sorts(raw["known_at"], known, reading)
    if seen.empty or early.empty or not sound:
        return None
    newest, oldest = raw["ds"][int(seen.idxmax())], raw["known_at"][int(early.idxmax())]
    asked = Watermark(str(columns.known_at), oldest.as_py(), columns.ds, newest.as_py())
    again = pc.or_(
        pc.fill_null(pc.greater_equal(raw["known_at"], oldest), fill_value=True),
        pc.fill_null(pc.greater(raw["ds"], newest), fill_value=False),
    )
    for name, value in (("known_at", oldest), ("ds", newest)):
        if pa.types.is_string(raw[name].type):
            same = pc.match_substring_regex(raw[name], same_format_pattern(value.as_py()).regex)
            again = pc.or_(again, pc.invert(pc.fill_null(same, fill_value=True)))
    return asked, raw.filter(pc.invert(again))


def merge_new_rows(kept: pa.Table, fresh: pa.Table) -> pa.Table | None:
    """Both as one raw table, its rows numbered anew; None where they have types that don't meet."""
    ours = {"source_row"} & set(kept.column_names)
    if ours and kept.num_rows:
        start = pc.max(kept["source_row"]).as_py() + 1
        place = fresh.column_names.index("source_row")
        fresh = fresh.set_column(place, "source_row", pc.add(fresh["source_row"], start))
    try:
        both = pa.concat_tables([kept, fresh.select(kept.column_names)], promote_options="permissive")
    except (pa.ArrowException, KeyError):
        return None
    return both.set_column(both.column_names.index("row"), "row", pa.array(range(both.num_rows), pa.int64()))


def _sorts(values: pa.ChunkedArray, times: pd.Series, reading: DatasetSpec) -> bool:
    """Whether a comparison in the database is one of times."""
    if not pa.types.is_string(values.type):
        return pa.types.is_temporal(values.type)
    if not reading.source.url.startswith(TEXT_SORTS_LIKE_BYTES):
        return False
    text: Any = values.to_pandas()[times.notna()]
    order = pd.DataFrame({"text": text, "time": times[times.notna()]}).sort_values("text")
    return bool(order["time"].is_monotonic_increasing) and order.groupby("time")["text"].nunique().le(1).all()


def dataset_spec_digest(reading: DatasetSpec) -> str:
    """Another release, source, column or contract reads another table."""
    return hashlib.sha256("\n".join((code_digest(), reading.model_dump_json())).encode()).hexdigest()[:32]
