"""Versions of rows: actuals and accuracy are published when they are new or change, and the newest version counts."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.artifact import Artifact
from tasks.history.columns import AS_OF, concat_vintages, with_as_of
from tasks.storage.layout import parse_vintage
from tasks.storage.series_rows import SeriesFile, open_series_files
from tasks.storage.store import Store

ACTUALS_KEY = ("unique_id", "ds")
ACCURACY_KEY = ("forecast_vintage", "unique_id", "model_name")
ROUNDING = 1e-9  # relative: scores of another machine differ in the last digits, which is not a new version


def newest_versions(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """Keep the newest version of each row.

    Args:
        table: Rows with the columns of `key` and `as_of`.
        key: The columns that identify a row.

    Returns:
        One row per key, in the order of the table; of several with one as-of the last.
    """
    numbered = table.select([*key, AS_OF]).append_column("row", pa.array(np.arange(len(table))))
    ordered = numbered.sort_by([(AS_OF, "ascending"), ("row", "ascending")])
    kept = ordered.group_by(list(key), use_threads=False).aggregate([("row", "last")])["row_last"]
    return table.take(kept.take(pc.sort_indices(kept)))


class PublishedVersions:
    """What earlier nights published in one table, oldest first; the rows of a few series are read at a time."""

    def __init__(self, files: Sequence[SeriesFile], moments: Sequence[datetime | None], key: Sequence[str]) -> None:
        """Take open files, the as-of of each, and the columns that identify a row."""
        self.files, self._moments, self._key = files, moments, key

    def newest(self, first: str, last: str) -> pd.DataFrame:
        """Return the newest version of each row with first <= unique_id <= last; no columns without a file."""
        return self.newest_of(self.read(first, last))

    def read(self, first: str, last: str, columns: Sequence[str] = ()) -> list[pa.Table]:
        """Return the rows with first <= unique_id <= last of each file, with `as_of`; without `columns` all of them."""
        tables = []
        for file, as_of in zip(self.files, self._moments, strict=True):
            table = file.between(first, last, columns or file.columns).replace_schema_metadata(None)
            tables.append(with_as_of(table, as_of) if as_of else table)
        return tables

    def newest_of(self, tables: Sequence[pa.Table]) -> pd.DataFrame:
        """Return the newest version of each row of these tables, oldest first; no columns without a table."""
        return newest_versions(concat_vintages(tables), self._key).to_pandas() if tables else pd.DataFrame()


@contextlib.contextmanager
def open_versions(published: Sequence[Artifact], key: Sequence[str], store: Store) -> Iterator[PublishedVersions]:
    """Open what earlier nights published.

    Args:
        published: Files of one published table, oldest first.
        key: The columns that identify a row.
        store: The store that holds them.

    Yields:
        The versions, valid inside the block.

    Raises:
        StoreDamaged: A file is missing or its digest differs.
    """
    with open_series_files(published, store) as files:
        yield PublishedVersions(files, [parse_vintage(artifact.uri) for artifact in published], key)


def changed_rows(table: pd.DataFrame, known: pd.DataFrame, key: Sequence[str], exact: bool) -> pd.DataFrame:
    """Return the rows that are new or have another value than what earlier nights published.

    Args:
        table: Rows of this night.
        known: The newest versions of earlier nights, one row per key; it may be empty.
        key: The columns that identify a row.
        exact: Whether numbers must be equal; if not, rounding errors do not count as a change.

    Returns:
        The rows to publish, renumbered. Columns that `known` does not have do not count.
    """
    values = [name for name in table.columns if name not in (*key, AS_OF) and name in known.columns]
    if known.empty:
        return table.reset_index(drop=True)
    before = table[[*key]].merge(known[[*key, *values]], "left", list(key), indicator=True)
    same = (before["_merge"] == "both").to_numpy(copy=True)
    for name in values:
        now, then = table[name], before[name]
        if pd.api.types.is_numeric_dtype(now):
            tolerance = 0.0 if exact else ROUNDING
            same &= np.isclose(now.to_numpy(float), then.to_numpy(float), tolerance, 0.0, equal_nan=True)
        else:
            same &= now.astype("str").to_numpy() == then.astype("str").to_numpy()
    return table[~same].reset_index(drop=True)
