"""The columns that together name a series, in a forecast that a model makes outside a night.

A pipeline with `unique_id: [store, item]` names a series `store/item`, and its published tables keep both columns. A
caller of a model gives `unique_id` only; the columns are read from it.
"""

import re
from collections.abc import Sequence

import pandas as pd

from tasks.sources.series_names import ESCAPED_SEPARATOR, SEPARATOR, add_id_columns

ESCAPED_TWICE = re.compile(r"%25((?:25)*2F)")


def split_name(name: str) -> list[str]:
    """Split the name of a series into its parts: the inverse of `series_names.join_names`."""
    return [ESCAPED_TWICE.sub(r"%\1", part.replace(ESCAPED_SEPARATOR, SEPARATOR)) for part in name.split(SEPARATOR)]


def with_id_columns(table: pd.DataFrame, id_columns: Sequence[str]) -> pd.DataFrame:
    """Add the columns that together name a series, as in the published tables of its pipeline.

    Args:
        table: A forecast with `unique_id`.
        id_columns: The columns; none if a series has a single name.

    Returns:
        The table with the columns as text, right of `unique_id`; empty for a series whose name has another number of
        parts.
    """
    names = table["unique_id"].drop_duplicates().astype(str)
    parts = [split_name(name) for name in names]
    fitting = [part if len(part) == len(id_columns) else [None] * len(id_columns) for part in parts]
    labels = pd.DataFrame(fitting, columns=list(id_columns), index=range(len(names)))
    return add_id_columns(table, labels.assign(unique_id=names.to_list()), id_columns) if id_columns else table
