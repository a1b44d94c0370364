"""Largest minus smallest observation of a series up to a step, from checkpoints: no array of all rows is held.

rows         3 1 4 1 │ 5 9 2 6 │ 5 3
checkpoint   none      1 … 4     1 … 9      smallest and largest before each block of BLOCK_STEPS rows of a series
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

BLOCK_STEPS = 32


@dataclass(frozen=True, eq=False)
class RunningRange:
    """Checkpoints of S series; a query reads at most BLOCK_STEPS rows of each window besides."""

    starts: np.ndarray  # (S,) index of the first row of a series among all rows
    first: np.ndarray  # (S,) index of the first checkpoint of a series
    low: np.ndarray  # (C,) smallest observation before a block; NaN if there is none
    high: np.ndarray  # (C,)

    @classmethod
    def of(
        cls,
        y: np.ndarray,
        starts: np.ndarray,
        lengths: np.ndarray,
        blocks: Iterator[tuple[slice, slice]],
        earlier: np.ndarray | None = None,
    ) -> "RunningRange":
        """Compute the checkpoints of a panel.

        Args:
            y: Observations of all series, one after the other, (R,), NaN if unknown.
            starts: Index of the first row of each series, (S,).
            lengths: Rows of each series, (S,).
            blocks: (rows, series) of a few series at a time, in order, as of `Panel.blocks`.
            earlier: Smallest and largest observation before the first row of each series, (S, 2), NaN if none.

        Returns:
            The checkpoints, 1/16 of the memory of y.
        """
        counts = np.maximum(-(-lengths // BLOCK_STEPS), 1)
        first = np.cumsum(counts) - counts
        low, high = (np.full(int(counts.sum()), np.nan) for _ in range(2))
        for rows, codes in blocks:
            values = np.append(y[rows], np.nan)  # reduceat takes no index beyond the last value
            number = np.arange(counts[codes].sum()) - np.repeat(first[codes] - first[codes.start], counts[codes])
            begins = np.repeat(starts[codes] - rows.start, counts[codes]) + BLOCK_STEPS * number
            for reduce, checkpoints in ((np.fmin, low), (np.fmax, high)):
                of_block = reduce.reduceat(values, begins)
                checkpoints[first[codes.start] + 1 : first[codes.start] + len(begins)] = of_block[:-1]
        if len(first):
            low[first], high[first] = (np.nan, np.nan) if earlier is None else earlier.T
        for reduce, checkpoints in ((np.fmin, low), (np.fmax, high)):
            _accumulate(reduce, checkpoints, first, counts)
        return cls(starts, first, low, high)

    def at(self, y: np.ndarray, series: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Return largest minus smallest observation of each series up to a step.

        Args:
            y: The observations that the checkpoints were computed from, (R,).
            series: Series code of each window, (n,).
            position: Step within the series, (n,); before the first step nothing is observed.

        Returns:
            (n,); 0 until two values differ.
        """
        block = np.maximum(position, 0) // BLOCK_STEPS
        rows = (self.starts[series] + BLOCK_STEPS * block)[:, None] + np.arange(BLOCK_STEPS)
        is_later = np.arange(BLOCK_STEPS) > (position - BLOCK_STEPS * block)[:, None]
        values = y[np.where(is_later, 0, rows)]
        values[is_later] = np.nan
        checkpoint = self.first[series] + block
        low = np.fmin(self.low[checkpoint], np.fmin.reduce(values, axis=1))
        high = np.fmax(self.high[checkpoint], np.fmax.reduce(values, axis=1))
        return np.asarray(np.nan_to_num(high - low, posinf=0.0))


def _accumulate(reduce: np.ufunc, values: np.ndarray, first: np.ndarray, counts: np.ndarray) -> None:
    """Accumulate the checkpoints of each series in place."""
    if len(counts) and (counts == counts[0]).all():  # all series at once
        table = values.reshape(len(counts), -1)
        reduce.accumulate(table, axis=1, out=table)
        return
    for begin, count in zip(first, counts, strict=True):
        part = values[begin : begin + count]
        reduce.accumulate(part, out=part)
