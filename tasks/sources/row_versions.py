"""Versions of rows: which version of a (series, time) is the newest; an order that does not depend on the source."""

import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

MAX_CELLS_PER_ROW, MIN_CELLS = 8, 1 << 20  # a table of series by times that is larger is not laid out
ORDER = ("unique_id", "ds", "known_at", "target", "y")


def is_superseded(ids: pd.Series, times: pd.Series, known: pd.Series) -> pd.Series:
    """Find rows that are older versions of a (series, time) of which a newer version is known.

    Args:
        ids: Series of each row.
        times: Time of each row.
        known: When each row became known.

    Returns:
        True for a superseded row. A row in which one of the three is missing supersedes nothing.
    """
    codes, values = pd.factorize(ids)
    names = pd.Index([unicodedata.normalize("NFC", str(value)) for value in values], dtype="str")
    series = np.append(pd.factorize(names)[0], -1)[codes]
    steps, moments = pd.factorize(times)
    cells, count = series.astype(np.int64) * len(moments) + steps, len(names) * len(moments)
    valid = np.flatnonzero((series >= 0) & (steps >= 0) & known.notna().to_numpy())
    versions = known.astype("datetime64[us, UTC]").array.asi8
    if count > max(MIN_CELLS, MAX_CELLS_PER_ROW * len(ids)):
        cells, count = pd.factorize(cells)[0], len(ids)
    newest = np.full(count, np.iinfo(np.int64).min)
    np.maximum.at(newest, cells[valid], versions[valid])
    superseded = np.zeros(len(ids), dtype=bool)
    superseded[valid] = versions[valid] < newest[cells[valid]]
    return pd.Series(superseded, index=ids.index)


def renumber(raw: pa.Table) -> pa.Table:
    """Sort the rows by their values and renumber `row` and `source_row`: a database returns rows in any order."""
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
    types = (pa.types.is_string, pa.types.is_integer, pa.types.is_floating, pa.types.is_temporal, pa.types.is_decimal)
    if any(is_type(values.type) for is_type in types):
        return values
    text = [None if value is None else str(value) for value in values.to_pylist()]
    return pa.chunked_array([pa.array(text, pa.string())])
