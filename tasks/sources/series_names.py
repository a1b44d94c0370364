"""Series that several columns name together: one name from their parts, and its parts as columns of output tables."""

import re
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

SEPARATOR = "/"
ESCAPED_SEPARATOR = "%2F"
CONFLICT_PREFIX = "id_"
QUANTILE_COLUMN = re.compile(r"q\d{2,}")


def join_names(parts: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    """Join the parts of each row's series name with a slash.

    Args:
        parts: Text columns of equal length, one per part.

    Returns:
        The names; missing if a part is missing. Different parts never give one name: a slash inside a part is written
        as %2F, as in a URL.
    """
    escaped = [_escape(part) for part in parts]
    return pc.binary_join_element_wise(*escaped, SEPARATOR, null_handling="emit_null")


def _escape(part: pa.ChunkedArray) -> pa.ChunkedArray:
    kept = pc.replace_substring_regex(part, r"%((?:25)*2F)", r"%25\1")  # so that a literal %2F stays different
    return pc.replace_substring(kept, SEPARATOR, ESCAPED_SEPARATOR)


def add_id_columns(table: pd.DataFrame, labels: pd.DataFrame, id_columns: Sequence[str]) -> pd.DataFrame:
    """Add the columns that together name a series to an output table, right of `unique_id`.

    Args:
        table: A table with `unique_id`.
        labels: `unique_id` and the columns as text, a row for each series.
        id_columns: The columns; none if a series has a single name.

    Returns:
        The table with the columns as text. A column whose name the table already has gets the prefix `id_`.
    """
    if not id_columns:
        return table
    parts = labels.set_index("unique_id")
    position = list(table.columns).index("unique_id") + 1
    result = table.copy()
    for offset, name in enumerate(id_columns):
        taken = name in table.columns or QUANTILE_COLUMN.fullmatch(name)
        values = table["unique_id"].map(parts[name]).astype("str")
        result.insert(position + offset, f"{CONFLICT_PREFIX}{name}" if taken else name, values)
    return result
