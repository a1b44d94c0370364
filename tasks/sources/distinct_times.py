"""The distinct times of many rows: what depends on the time alone is computed once for all rows that share it."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

MISSING = np.iinfo(np.int64).min  # NaT as an integer


class DistinctTimes(NamedTuple):
    """Times of n rows: `times` in UTC, ascending, and the index of each row in them, -1 for a missing time.

    A selection of rows keeps all `times`, also those that none of its rows has. If the rows are a part of a table,
    `others` has the number of rows of the other parts at each time, (m,).
    """

    times: pd.DatetimeIndex
    codes: np.ndarray
    others: np.ndarray | None = None

    @classmethod
    def of_counts(cls, counts: pd.Series) -> "DistinctTimes":
        """Return the times of a table of which only the number of rows at each time, ascending, is known."""
        return cls(pd.DatetimeIndex(counts.index), np.empty(0, dtype=np.int32), counts.to_numpy())

    @classmethod
    def of(cls, times: pd.Series) -> "DistinctTimes":
        """Find the distinct values of a column of times.

        Args:
            times: Timestamps in UTC, NaT if missing.

        Returns:
            The distinct times, with microsecond precision, and the codes of the rows as int32.
        """
        codes, values = encode_integers(times.astype("datetime64[us, UTC]").array.asi8)
        order = np.argsort(values)
        if (np.diff(order) != 1).any():
            rank = np.empty(len(values), dtype=np.int32)
            rank[order] = np.arange(len(values), dtype=np.int32)
            codes, values = rank[codes], values[order]
        if len(values) and values[0] == MISSING:
            codes, values = codes - np.int32(1), values[1:]
        return cls(pd.DatetimeIndex(values.view("datetime64[us]")).tz_localize("UTC"), codes)

    @property
    def series(self) -> pd.Series:
        """The distinct times as a column."""
        return pd.Series(self.times)

    @property
    def counts(self) -> pd.Series:
        """The number of rows of each time that a row has, ascending by time; those of other parts count too."""
        rows = self._own_counts if self.others is None else self._own_counts + self.others
        counts = pd.Series(rows, index=self.times)
        return counts[counts > 0]

    @property
    def _own_counts(self) -> np.ndarray:
        codes = self.codes[self.codes >= 0] if self.has_missing else self.codes
        return np.bincount(codes, minlength=len(self.times))

    @property
    def has_missing(self) -> bool:
        """Whether a row has no time."""
        return bool(len(self.codes)) and int(self.codes.min()) < 0

    def where(self, rows: np.ndarray) -> "DistinctTimes":
        """Select rows, (n,) bool."""
        return self if rows.all() else self._replace(codes=self.codes[rows])

    def within(self, counts: pd.Series) -> "DistinctTimes":
        """Return the rows as a part of a table.

        Args:
            counts: The number of rows of the whole table at each time, ascending; these rows are among them.

        Returns:
            The same rows, with the times of the table and the rows of its other parts.
        """
        index = np.append(counts.index.get_indexer(self.times), -1)
        part = DistinctTimes(pd.DatetimeIndex(counts.index), index[self.codes].astype(np.int32))
        return part._replace(others=counts.to_numpy() - part._own_counts)

    def spread(self, values: np.ndarray | pd.Series, missing: bool = False) -> np.ndarray:
        """Return for each row the value, true or false, of its time; `missing` for a row without one."""
        return np.append(np.asarray(values, dtype=bool), missing)[self.codes]


def encode_integers(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Encode integers by their distinct values.

    Args:
        values: (n,) int64.

    Returns:
        The codes, int32, and the distinct values in the order of their first rows.
    """
    encoded = pc.dictionary_encode(pa.array(values))
    return encoded.indices.to_numpy(), encoded.dictionary.to_numpy()
