"""Rows that say when they became known: which version counts, and one order that no source has to keep."""

import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

ORDER = ("unique_id", "ds", "known_at", "target", "y")


def is_superseded(ids: pd.Series, times: pd.Series, known: pd.Series) -> pd.Series:
    """Whether a row is an older version of a (series, time) of which a newer one is known.

    `ids` and `times` are the key, `known` the instants. A row of which one of them can't be read replaces nothing.
    """
    named = ids.map(lambda name: unicodedata.normalize("NFC", str(name)), na_action="ignore")
    sound = named.notna() & times.notna() & known.notna()
    newest = known[sound].groupby([named[sound], times[sound]]).transform("max")
    return (known < newest.reindex(known.index)).fillna(value=False)


def renumber(raw: pa.Table) -> pa.Table:
    """The rows in the order of what they say, numbered anew: a database gives them in any order."""
    columns = [*(name for name in ORDER if name in raw.column_names)]
    columns += sorted(name for name in raw.column_names if name not in (*columns, "row", "source_row"))
    keys = {name: _sortable(raw[name]) for name in columns}
    order = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in columns])
    raw = raw.take(order).combine_chunks()
    raw = raw.set_column(raw.column_names.index("row"), "row", pa.array(np.arange(raw.num_rows), pa.int64()))
    if "source_row" in raw.column_names:
        codes, _ = pd.factorize(raw["source_row"].to_pandas())
        raw = raw.set_column(raw.column_names.index("source_row"), "source_row", pa.array(codes, pa.int64()))
    return raw


def _sortable(values: pa.ChunkedArray) -> pa.ChunkedArray:
    plain = (pa.types.is_string, pa.types.is_integer, pa.types.is_floating, pa.types.is_temporal, pa.types.is_decimal)
    if any(one(values.type) for one in plain):
        return values
    return pa.chunked_array([pa.array([None if one is None else str(one) for one in values.to_pylist()], pa.string())])
