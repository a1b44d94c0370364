"""Versions of rows: which version of a (series, time) is the newest; an order that does not depend on the source."""

import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

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
    names = ids.map(lambda name: unicodedata.normalize("NFC", str(name)), na_action="ignore")
    valid = names.notna() & times.notna() & known.notna()
    newest = known[valid].groupby([names[valid], times[valid]]).transform("max")
    return (known < newest.reindex(known.index)).fillna(value=False)


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
