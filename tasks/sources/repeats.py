"""Rows that repeat a key, found by integer codes: one pass over the cells of the key and no hash of a row."""

from typing import Literal

import numpy as np
import pandas as pd

from tasks.sources.distinct_times import encode_integers

MAX_CELLS_PER_ROW = 8  # a table of the keys that is larger is not laid out
MIN_CELLS = 1 << 20


def find_repeats(frame: pd.DataFrame, columns: list[str], keep: Literal["first", "last", False]) -> np.ndarray:
    """Find rows that repeat a key.

    Args:
        frame: The rows.
        columns: The columns of the key; two missing values are equal.
        keep: The row of each key that does not count as a repeat; False if each of them counts.

    Returns:
        (n,) bool, as `DataFrame.duplicated` returns.
    """
    cells, count = _cells(frame, columns)
    if cells is None:
        return frame.duplicated(columns, keep=keep).to_numpy()
    if count > max(MIN_CELLS, MAX_CELLS_PER_ROW * len(frame)):
        return pd.Series(cells).duplicated(keep=keep).to_numpy()
    seen = np.zeros(count, dtype=bool)
    seen[cells] = True
    repeated = np.zeros(len(frame), dtype=bool)
    if np.count_nonzero(seen) == len(frame):
        return repeated
    shared = np.flatnonzero(np.bincount(cells, minlength=count)[cells] > 1)
    repeated[shared] = pd.Series(cells[shared]).duplicated(keep=keep).to_numpy()
    return repeated


def _cells(frame: pd.DataFrame, columns: list[str]) -> tuple[np.ndarray | None, int]:
    """Return the cell of each row in the table of all keys, and the number of cells; None if they are too many."""
    cells, count = np.zeros(len(frame), dtype=np.int64), 1
    for name in columns:
        codes, size = codes_of(frame[name])
        if count * size > np.iinfo(np.int64).max:
            return None, 0
        cells = cells * size + codes
        count *= size
    return cells, count


def codes_of(values: pd.Series) -> tuple[np.ndarray, int]:
    """Return an integer for each distinct value of a column, missing values included, and the number of integers."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, size = values.cat.codes.to_numpy(), len(values.cat.categories)
    elif isinstance(values.dtype, pd.DatetimeTZDtype):
        codes, times = encode_integers(values.array.asi8)
        return codes, len(times)  # a missing time is one of them
    else:
        codes, distinct = pd.factorize(values)
        size = len(distinct)
    has_missing = len(codes) > 0 and codes.min() < 0
    return np.where(codes < 0, size, codes.astype(np.int64)) if has_missing else codes, size + 1
