"""A column of numbers that grows part by part: in memory, and in a temporary file once it is large.

part 0 ──> memory    part 1 ──> memory ── more than the limit ──> file    part 2 ──> file    build ──> mapped, read-only
"""

import contextlib
import sys
import tempfile
from typing import IO

import numpy as np

from models.data.panel_parts import ColumnInMemory
from tasks.engine.mapped_memory import log_no_file, map_numbers, write_numbers


class GrowingColumn:
    """A column for `PanelTableBuilder`. If a temporary file cannot be written, all numbers stay in memory."""

    def __init__(self, max_bytes: int) -> None:
        """Begin without a number.

        Args:
            max_bytes: Size up to which the column stays in memory.
        """
        self._max_bytes, self._bytes = max_bytes, 0
        self._memory = ColumnInMemory()
        self._file: IO[bytes] | None = None

    def append(self, values: np.ndarray) -> None:
        """Append numbers, (n,) float64."""
        before, self._bytes = self._bytes, self._bytes + values.nbytes
        if self._file is None:
            self._memory.append(values)
            if self._bytes > self._max_bytes:
                self._move_to_file()
            return
        try:
            write_numbers(values, self._file)
        except OSError as error:
            log_no_file(self._bytes, error)
            self._return_to_memory(self._file, before)
            self._memory.append(values)

    def build(self) -> np.ndarray:
        """Return all numbers, (R,) float64; those in a file are read-only. The column is not used afterwards."""
        if self._file is None:
            return self._memory.build()
        with self._file as file:
            return map_numbers(file, np.dtype(np.float64))

    def _move_to_file(self) -> None:
        with contextlib.ExitStack() as opened:
            try:
                file = opened.enter_context(tempfile.TemporaryFile())
                write_numbers(self._memory.build(), file)
            except OSError as error:
                log_no_file(self._bytes, error)
                self._max_bytes = sys.maxsize
                return
            opened.pop_all()  # `build` closes the file
        self._file, self._memory = file, ColumnInMemory()

    def _return_to_memory(self, file: IO[bytes], written: int) -> None:
        """Read the bytes that were written before the file could not take more."""
        with file:
            file.seek(0)
            self._memory.append(np.fromfile(file, np.float64, written // np.dtype(np.float64).itemsize))
        self._file, self._max_bytes = None, sys.maxsize
