"""A column grows in memory or in a file, and has all numbers whatever happens to the disk."""

import errno
import os
import tempfile
from typing import IO

import numpy as np
import pytest

from models.data.mapped_pages import mapping_of
from tasks.engine import mapped_memory
from tasks.intake import growing_column
from tasks.intake.growing_column import GrowingColumn

PARTS = [np.array([1.0, np.nan]), np.array([-0.0]), np.array([]), np.array([3.0, np.inf, 5.0])]
ALL = [1.0, np.nan, -0.0, 3.0, np.inf, 5.0]


def grown(max_bytes: int) -> np.ndarray:
    column = GrowingColumn(max_bytes)
    for part in PARTS:
        column.append(part)
    return column.build()


def disk_full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(("max_bytes", "is_mapped"), [(0, True), (16, True), (47, True), (48, False), (1000, False)])
def test_column_beyond_its_limit_lies_in_a_file(max_bytes: int, is_mapped: bool) -> None:
    values = grown(max_bytes)
    np.testing.assert_array_equal(values, ALL)
    assert (mapping_of(values) is not None) == is_mapped


def test_column_without_a_number_is_empty() -> None:
    assert GrowingColumn(0).build().tolist() == []


def test_column_stays_in_memory_if_no_file_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", disk_full)
    values = grown(0)
    np.testing.assert_array_equal(values, ALL)
    assert mapping_of(values) is None


@pytest.mark.parametrize("calls", [0, 1, 2, 3])
def test_disk_that_fills_up_midway_loses_no_number(calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    writes = []

    def write(values: np.ndarray, file: IO[bytes]) -> None:
        writes.append(len(values))
        if len(writes) > calls:
            file.write(b"torn")
            disk_full()
        mapped_memory.write_numbers(values, file)

    monkeypatch.setattr(growing_column, "write_numbers", write)
    values = grown(0)
    np.testing.assert_array_equal(values, ALL)
    assert mapping_of(values) is None
