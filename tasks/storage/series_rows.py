"""Rows of some series of stored tables: row groups that have none of them are not read.

file     a a a b │ b c c │ d d d          rows of b and c: the first two row groups, without a
"""

import bisect
import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_contracts.artifact import Artifact
from tasks.storage.parquet import open_parquet
from tasks.storage.store import Store

ID, TIME = "unique_id", "ds"
BLOCK_ROWS = 1_000_000  # of all files together, that are read at once


class SeriesFile:
    """A Parquet file with a column unique_id, which stays open."""

    def __init__(self, file: pq.ParquetFile) -> None:
        self._file = file
        self.columns: list[str] = file.schema_arrow.names
        self.rows: int = file.metadata.num_rows
        self._ranges = [self._range_of(number, ID) for number in range(file.num_row_groups)]

    @property
    def group_ends(self) -> list[str]:
        """The largest name of each row group, as far as the file says."""
        return [known[1] for known in self._ranges if known]

    def names(self) -> pa.Array:
        """Return the names of the series, text (S,), in the order of the file."""
        groups = range(self._file.num_row_groups)
        return _distinct(self._file.read_row_group(number, columns=[ID])[ID] for number in groups)

    def time_range(self) -> tuple[datetime, datetime] | None:
        """Return the smallest and largest ds; None without a row."""
        ranges = [
            self._range_of(number, TIME) or self._read_range(number, TIME)
            for number in range(self._file.num_row_groups)
            if self._file.metadata.row_group(number).num_rows
        ]
        return (min(first for first, _ in ranges), max(last for _, last in ranges)) if ranges else None

    def between(self, first: str, last: str, columns: Sequence[str]) -> pa.Table:
        """Return the rows with first <= unique_id <= last, in the order of the file; columns it lacks are left out."""
        overlapping = [not known or (known[0] <= last and first <= known[1]) for known in self._ranges]
        return self._read(
            overlapping, columns, lambda ids: pc.and_(pc.greater_equal(ids, first), pc.less_equal(ids, last))
        )

    def select(self, names: Collection[str], columns: Sequence[str]) -> pa.Table:
        """Return the rows of these series, in the order of the file; columns it lacks are left out."""
        wanted = np.array(sorted(names), dtype=object)
        overlapping = [
            not known or bool(np.searchsorted(wanted, known[0], "left") < np.searchsorted(wanted, known[1], "right"))
            for known in self._ranges
        ]
        values = pa.array(wanted, pa.string())
        return self._read(overlapping, columns, lambda ids: pc.is_in(ids, values))

    def _read(self, wanted: list[bool], columns: Sequence[str], is_wanted: Any) -> pa.Table:
        read = [name for name in columns if name in self.columns]
        with_id = list(dict.fromkeys([*read, ID]))
        parts = []
        for number in np.flatnonzero(wanted):
            group = self._file.read_row_group(int(number), columns=with_id)
            parts.append(group.filter(is_wanted(group[ID].cast(pa.string()))).select(read))
        schema = pa.schema([self._file.schema_arrow.field(name) for name in read])
        return pa.concat_tables(parts) if parts else schema.empty_table()

    def _read_range(self, group: int, column: str) -> tuple[Any, Any]:
        known = pc.min_max(self._file.read_row_group(group, columns=[column])[column])
        return known["min"].as_py(), known["max"].as_py()

    def _range_of(self, group: int, column: str) -> tuple[Any, Any] | None:
        """Return the smallest and largest value of a column of a row group; None if the file does not say."""
        metadata = self._file.metadata.row_group(group)
        for number in range(metadata.num_columns):
            chunk = metadata.column(number)
            if chunk.path_in_schema == column and chunk.statistics is not None and chunk.statistics.has_min_max:
                return chunk.statistics.min, chunk.statistics.max
        return None


@contextlib.contextmanager
def open_series_files(artifacts: Sequence[Artifact], store: Store) -> Iterator[list[SeriesFile]]:
    """Open stored tables, each with a column unique_id.

    Args:
        artifacts: The tables.
        store: The store that holds them.

    Yields:
        The files, in this order, valid inside the block.

    Raises:
        StoreDamaged: A file is missing or its digest differs.
    """
    with contextlib.ExitStack() as stack:
        files = []
        for artifact in artifacts:
            path = stack.enter_context(store.local_file(artifact))
            files.append(SeriesFile(stack.enter_context(open_parquet(path))))
        yield files


def _distinct(parts: Iterable[pa.Array | pa.ChunkedArray]) -> pa.Array:
    """Return each text of the parts once, in the order of first occurrence; a part may equal the one before."""
    kept: list[pa.Array] = []
    for part in parts:
        texts = pc.unique(part).cast(pa.string())
        if not (kept and texts.equals(kept[-1])):
            kept.append(texts)
    return pc.unique(pa.chunked_array(kept, pa.string()))


def blocks_of_series(files: Sequence[SeriesFile], rows: int | None = None) -> Iterator[tuple[str, str]]:
    """Divide the series of all files into blocks of at most about `rows` rows.

    A block ends with a row group of the newest file where one ends near, so that few row groups are read twice.

    Args:
        files: Open files, the newest last.
        rows: Rows of a block, of all files together; a block has at least one series. None: BLOCK_ROWS.

    Yields:
        The first and the last name of each block, in order.
    """
    names: list[str] = sorted(_distinct(file.names() for file in files).to_pylist())
    count = max(1, (rows or BLOCK_ROWS) * len(names) // max(1, sum(file.rows for file in files)))
    ends = sorted(bisect.bisect_right(names, last) for last in (files[-1].group_ends if files else ()))
    begin = 0
    while begin < len(names):
        end = begin + count
        near = ends[bisect.bisect_right(ends, end) - 1] if ends else end
        end = near if begin + count // 2 < near <= end else end
        yield names[begin], names[min(end, len(names)) - 1]
        begin = end
