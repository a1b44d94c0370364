"""A file that its owner writes is stored under its digest; what cannot be written leaves nothing behind."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tasks.storage.failures import StoreFull, StoreUnusable
from tasks.storage.kinds import kind_of
from tasks.storage.store import Store
from tasks.storage.written_files import put_written


def test_file_is_stored_as_its_bytes_would_be(tmp_path):
    store = Store(root=str(tmp_path))
    written = put_written(lambda path: path.write_bytes(b"abc"), "states", "safetensors", store)
    assert written == store.put_bytes(b"abc", "states", "safetensors")
    assert store.get_bytes(written) == b"abc"
    assert put_written(lambda path: path.write_bytes(b"abc"), "states", "safetensors", store) == written
    assert [path.name for path in tmp_path.glob("artifacts/states/*")] == [Path(written.uri).name]


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_file_can_be_read_by_those_who_read_other_files(tmp_path, mask):
    store, before = Store(root=str(tmp_path)), os.umask(mask)
    try:
        written = put_written(lambda path: save_file({"y": np.zeros(3)}, path), "states", "safetensors", store)
        other = store.put_bytes(b"abc", "states", "safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / written.uri).stat().st_mode == (tmp_path / other.uri).stat().st_mode


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, StoreFull), (errno.EIO, StoreUnusable)])
def test_file_that_cannot_be_written_leaves_nothing(tmp_path, number, kind):
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(number, "the disk says no")

    with pytest.raises(kind, match="the disk says no"):
        put_written(fail, "states", "safetensors", Store(root=str(tmp_path)))
    assert list(tmp_path.glob("artifacts/states/*")) == []


def test_file_that_safetensors_left_half_written_is_known_as_such():
    assert kind_of("artifacts/states/.tmpqk05E7").name == "half-written"
    assert kind_of("artifacts/states/.tmp").name == kind_of("artifacts/states/tmpqk05E7").name == "unknown"


def test_file_goes_to_an_object_store():
    store = Store(root="memory://written-files")
    assert store.get_bytes(put_written(lambda path: path.write_bytes(b"abc"), "states", "bin", store)) == b"abc"
