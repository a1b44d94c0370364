"""A large array lies in a temporary file: the same numbers, and no memory after a release."""

import errno
import gc
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from models.data.mapped_pages import mapping_of
from tasks.engine import mapped_memory
from tasks.engine.machine_memory import release_unused_memory, resident_memory
from tasks.engine.mapped_memory import move_to_file


@pytest.mark.parametrize("shape", [(6,), (2, 3)])
def test_numbers_are_the_same_and_read_only(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_memory, "WRITTEN_NUMBERS", 4)  # fewer than the array has
    values = np.array([1.5, np.nan, -0.0, np.inf, 2.0, 3.0]).reshape(shape)
    mapped = move_to_file(values)
    np.testing.assert_array_equal(mapped, values)
    assert (mapped.dtype, mapping_of(values)) == ("float64", None)
    assert mapping_of(mapped) is mapping_of(mapped[1:]) is not None
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 0.0


def test_array_without_a_number_stays_as_it_is() -> None:
    values = np.empty(0)
    assert move_to_file(values) is values


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the resident memory is measured on Linux only")
def test_released_pages_take_no_memory_and_are_read_again() -> None:
    values = np.arange(20_000_000.0)
    mapped = move_to_file(values)
    del values
    assert mapped.sum() == 199_999_990_000_000.0
    before = resident_memory()
    release_unused_memory()
    assert before - resident_memory() > 150_000_000
    assert mapped[19_999_999] == 19_999_999.0


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed on Linux only")
def test_file_has_no_name_and_ends_with_the_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mapped = move_to_file(np.ones(1000))
    assert list(tmp_path.iterdir()) == []
    maps = Path("/proc/self/maps")
    assert str(tmp_path) in maps.read_text(encoding="utf-8")
    del mapped
    gc.collect()
    assert str(tmp_path) not in maps.read_text(encoding="utf-8")


def test_array_stays_in_memory_if_the_disk_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    values = np.ones(3)
    kept = move_to_file(values)
    assert (kept is values, kept.flags.writeable) == (True, False)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the resident memory is measured on Linux only")
def test_few_numbers_of_many_pages_take_little_memory() -> None:
    mapped = move_to_file(np.arange(20_000_000.0))
    every = np.arange(0, 20_000_000, 200_000)  # 1.6 MB apart
    assert mapped[every].sum() == 990_000_000.0
    release_unused_memory()
    before = resident_memory()
    assert mapped[every].sum() == 990_000_000.0
    assert resident_memory() - before < 40_000_000
