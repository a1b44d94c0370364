"""The raw table in parts that each have all rows of their series: a table of any size is checked in little memory.

row groups of the raw table ── sorted by series? ──yes──> ranges of its rows
                                        └──────────no───> sorted into temporary files, one for each range of names
"""

import contextlib
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.artifact import Artifact
from tasks.intake.partition_size import partition_rows
from tasks.quality.series_scope import are_series_checked_alone
from tasks.sources.dataset import DatasetSpec
from tasks.sources.names import format_name
from tasks.sources.row_independence import are_series_independent
from tasks.storage.failures import translate_temporary_errors
from tasks.storage.parquet import open_parquet, read_row_groups
from tasks.storage.store import Store

EXPANSION = 4  # of the raw table, which is compressed, in temporary files, which are compressed less
NAMES = ["unique_id"]  # read as a dictionary: a name is not held once per row
ReadPart = Callable[[list[str] | None], pd.DataFrame]


class RawParts:
    """A raw table as parts, in the order of the names of their series. A part is read whenever it is asked for."""

    def __init__(self, parts: Sequence[ReadPart], whole: ReadPart) -> None:
        self._parts, self._whole = parts, whole

    def __len__(self) -> int:
        return len(self._parts)

    def read(self, number: int, columns: list[str] | None = None) -> pd.DataFrame:
        """Return the rows of a part in the order of the source, names of series as categories."""
        return self._parts[number](columns)

    def joined(self) -> "RawParts":
        """Return the table as one part."""
        return RawParts([self._whole], self._whole)


@contextlib.contextmanager
def open_raw_parts(raw: Artifact, reading: DatasetSpec, store: Store) -> Iterator[RawParts]:
    """Open the raw table in parts.

    Args:
        raw: The raw table of ingestion.
        reading: How the source is read.
        store: The store that holds it.

    Yields:
        The parts, valid inside the block: one if the table is small, or if a check needs rows of several series.

    Raises:
        StoreDamaged: The file is missing or its digest differs.
    """

    def read_whole(columns: list[str] | None) -> pd.DataFrame:
        return _to_frame(store.arrow(raw, columns, NAMES))

    if raw.rows <= partition_rows() or not are_series_checked_alone(reading):
        yield RawParts([read_whole], read_whole)
        return
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(store.local_file(raw))
        with open_parquet(path) as file:
            is_divisible = are_series_independent(file.schema_arrow, reading)
        yield RawParts(_divide(path, stack) if is_divisible else [read_whole], read_whole)


class SeriesRuns(NamedTuple):
    """Names of series, normalized, with their number of rows (S,); and the runs of rows of one series, if few."""

    names: list[str]
    rows: np.ndarray
    runs: list[tuple[int, int]] | None  # code, rows

    def is_sorted(self) -> bool:
        """Return whether the rows are sorted by name, and each has one."""
        if self.runs is None or any(code < 0 for code, _ in self.runs):
            return False
        names = [self.names[code] for code, _ in self.runs]
        return all(first < second for first, second in pairwise(names))

    def part_of_each(self) -> np.ndarray:
        """Return the part of each series, (S,): ranges of sorted names with `partition_rows` rows, or one series."""
        order = np.array(sorted(range(len(self.names)), key=self.names.__getitem__), dtype=np.int64)
        parts, part, held = np.zeros(len(order), dtype=np.int64), 0, 0
        for code in order:
            if held and held + self.rows[code] > partition_rows():
                part, held = part + 1, 0
            parts[code] = part
            held += self.rows[code]
        return parts


def _divide(path: Path, stack: contextlib.ExitStack) -> Sequence[ReadPart]:
    """Divide the rows of a file; `stack` closes what is opened for that."""
    series = _count_runs(path)
    parts = series.part_of_each()
    if not series.is_sorted():
        with translate_temporary_errors(tempfile.gettempdir(), EXPANSION * path.stat().st_size):
            return _sort_into_files(path, series, parts, stack)
    runs = np.array([[parts[code], rows] for code, rows in series.runs or []])
    ends = np.cumsum(np.bincount(runs[:, 0], runs[:, 1]).astype(np.int64))
    return [_RowRange(path, int(begin), int(end)) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]


def _count_runs(path: Path) -> SeriesRuns:
    """Read the names of all rows."""
    codes, counts = dict[str, int](), np.zeros(0, dtype=np.int64)
    runs: list[tuple[int, int]] | None = []
    for group in read_row_groups(path, NAMES, NAMES):
        rows = _encode(group, codes)
        counts = np.pad(counts, (0, len(codes) - len(counts)))
        counts += np.bincount(rows[rows >= 0], minlength=len(codes))
        begins = np.flatnonzero(np.diff(rows, prepend=-2))
        if runs is not None:
            lengths = np.diff(begins, append=len(rows))
            new = [(int(rows[begin]), int(length)) for begin, length in zip(begins, lengths, strict=True)]
            if runs and new and runs[-1][0] == new[0][0]:
                new[0] = (new[0][0], new[0][1] + runs.pop()[1])
            runs = None if len(runs) + len(new) > len(codes) + 1 else runs + new
    return SeriesRuns(list(codes), counts, runs)


def _sort_into_files(
    path: Path, series: SeriesRuns, parts: np.ndarray, stack: contextlib.ExitStack
) -> Sequence[ReadPart]:
    """Write the rows of each part to a file of its own; a row without a name is in the first part."""
    # The files have no name, so the system deletes them whenever the process ends, also if it is killed.
    codes, part_of = {name: code for code, name in enumerate(series.names)}, np.append(parts, 0)
    count = int(parts.max(initial=0)) + 1
    files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(count)]  # noqa: SIM115 - `stack` closes them
    with contextlib.ExitStack() as writing:
        writers: dict[int, pq.ParquetWriter] = {}
        for group in read_row_groups(path, None, NAMES):
            rows = part_of[_encode(group, codes)]
            for number in np.unique(rows):
                table = group.filter(pa.array(rows == number))
                if number not in writers:
                    writer = pq.ParquetWriter(files[number], table.schema, compression="lz4", use_dictionary=NAMES)
                    writers[number] = writing.enter_context(writer)
                writers[number].write_table(table)
    return [_RowRange(file, 0, np.iinfo(np.int64).max) for file in files]


def _encode(group: pa.Table, codes: dict[str, int]) -> np.ndarray:
    """Return the code of each row's series, (n,) int64, -1 without a name; new names get the next codes."""
    column = group["unique_id"].unify_dictionaries().combine_chunks()
    column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    names = (unicodedata.normalize("NFC", format_name(value) or "") for value in column.dictionary.to_pylist())
    index = np.array([*(codes.setdefault(name, len(codes)) for name in names), -1], dtype=np.int64)
    return index[column.indices.fill_null(len(index) - 1).to_numpy()]


@dataclass(frozen=True)
class _RowRange:
    """A range of rows of a Parquet file, given by its path or opened; a call reads it."""

    source: Path | IO[bytes]
    begin: int
    end: int

    def __call__(self, columns: list[str] | None) -> pd.DataFrame:
        tables, first = [], 0
        with open_parquet(self.source, NAMES) as file:
            for number in range(file.num_row_groups):
                rows = file.metadata.row_group(number).num_rows
                begin, end = max(self.begin - first, 0), min(self.end - first, rows)
                if begin < end:
                    tables.append(file.read_row_group(number, columns=columns).slice(begin, end - begin))
                first += rows
        return _to_frame(pa.concat_tables(tables))


def _to_frame(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas(split_blocks=True, self_destruct=True)
