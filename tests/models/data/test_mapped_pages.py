"""A pass over columns that lie in files takes the memory of one block at a time."""

import mmap
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.data.mapped_pages import release_pages
from models.data.panel_table import PanelTable

SERIES, STEPS = 20_000, 1_000
STATM = Path("/proc/self/statm")
needs_linux = pytest.mark.skipif(not STATM.exists(), reason="the pages of files are counted on Linux only")


@pytest.fixture(scope="module")
def column() -> Iterator[np.ndarray]:
    """A column of 160 MB in a file: 0, 1, 2, …"""
    with tempfile.TemporaryFile() as file:
        file.write(np.arange(SERIES * STEPS, dtype=float).data)
        file.flush()
        yield np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def file_pages() -> int:
    """Return the bytes of files that this process has mapped and in memory."""
    return int(STATM.read_text(encoding="ascii").split()[2]) * mmap.PAGESIZE


@needs_linux
def test_released_pages_take_no_memory_and_are_read_again(column: np.ndarray) -> None:
    assert column.sum() == 199_999_990_000_000.0
    before = file_pages()
    release_pages(column)
    assert before - file_pages() > 150_000_000
    assert column[-1] == 19_999_999.0


@needs_linux
def test_only_the_pages_of_the_part_are_released(column: np.ndarray) -> None:
    assert column.max() == 19_999_999.0
    before = file_pages()
    release_pages(column[10_000_001:])
    assert 70_000_000 < before - file_pages() < 90_000_000


@pytest.mark.parametrize("values", [np.arange(4.0), np.empty(0), np.arange(4.0)[1:3], np.frombuffer(bytes(16))])
def test_array_in_memory_stays_as_it_is(values: np.ndarray) -> None:
    before = values.tolist()
    release_pages(values)
    assert values.tolist() == before


@needs_linux
def test_pass_over_a_table_holds_one_part_at_a_time(column: np.ndarray) -> None:
    release_pages(column)
    table = PanelTable(
        ids=pd.Index([f"series-{number:05}" for number in range(SERIES)], dtype="str"),
        times=pd.date_range("2024-01-01", periods=STEPS, freq="h", tz="UTC", unit="us"),
        first=np.zeros(SERIES, dtype=np.int64),
        lengths=np.full(SERIES, STEPS),
        numbers={"y": column},
        texts=pd.DataFrame(index=range(SERIES)),
    )
    before, largest, sums = file_pages(), 0, list[float]()
    for part in table.partitions(1_000_000):
        sums.append(part.numbers["y"].sum())
        largest = max(largest, file_pages() - before)
    assert sum(sums) == 199_999_990_000_000.0
    assert largest < 20_000_000
    sampled = table.take(np.arange(0, SERIES, 2))
    assert sampled.numbers["y"][1_000] == 2_000.0
    assert file_pages() - before < 20_000_000
