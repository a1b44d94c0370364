"""Join the tables of parts of a panel: each part was built from its rows alone, and its series come after those before.

part 0    a a a │ b b              joined    a a a │ b b │ c c c │ d
part 1    c c c │ d                times     those of all parts
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import pandas as pd

from models.data.panel_table import PanelTable


class NumberColumn(Protocol):
    """Numbers that are appended one part after the other."""

    def append(self, values: np.ndarray) -> None:
        """Append numbers, (n,) float64."""

    def build(self) -> np.ndarray:
        """Return all numbers, (R,) float64. The column is not used afterwards."""


class ColumnInMemory:
    """A column that grows in memory."""

    def __init__(self) -> None:
        self._values = np.empty(0)

    def append(self, values: np.ndarray) -> None:
        """Append numbers, (n,) float64."""
        begin = len(self._values)
        self._values.resize(begin + len(values), refcheck=False)  # a large array is moved by its page table, not copied
        self._values[begin:] = values

    def build(self) -> np.ndarray:
        """Return all numbers, (R,) float64."""
        return self._values


class PanelTableBuilder:
    """A table that grows by one part after the other: of their rows, only those of the newest part are held twice."""

    def __init__(self, make_column: Callable[[], NumberColumn] = ColumnInMemory) -> None:
        """Begin without a part.

        Args:
            make_column: Called once for each column of numbers; returns the empty column.
        """
        self._make_column = make_column
        self._columns: dict[str, NumberColumn] = {}
        self._parts: list[PanelTable] = []  # without their rows

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each series of all parts, (S,) int64."""
        return np.concatenate([part.lengths for part in self._parts])

    def append(self, part: PanelTable) -> None:
        """Append a part.

        Args:
            part: A table with the same columns as earlier parts, whose series sort after those of earlier parts.
        """
        self._parts.append(PanelTable(part.ids, part.times, part.first, part.lengths, {}, part.texts))
        for name, values in part.numbers.items():
            if name not in self._columns:
                self._columns[name] = self._make_column()
            self._columns[name].append(values)

    def build(self) -> PanelTable:
        """Return the table of all parts, of which there is at least one. The builder is not used afterwards."""
        times = self._parts[0].times
        for part in self._parts[1:]:
            times = times.union(part.times)
        begins = [np.asarray(times.get_indexer(part.times), dtype=np.int64) for part in self._parts]
        return PanelTable(
            ids=pd.Index(np.concatenate([part.ids.to_numpy() for part in self._parts]), dtype="str"),
            times=times,
            first=np.concatenate([begin[part.first] for begin, part in zip(begins, self._parts, strict=True)]),
            lengths=self.lengths,
            numbers={name: column.build() for name, column in self._columns.items()},
            texts=pd.concat([part.texts for part in self._parts], ignore_index=True),
        )
