"""Files that are never held in memory: complete or absent, on local disk and in an object store."""

from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest

from data_contracts.errors import StoreDamaged
from tasks.storage import large_files
from tasks.storage.failures import StoreFull
from tasks.storage.local_paths import LinkOutside
from tasks.storage.store import Store

FOLDER = "artifacts/clean"
DAYS = pd.date_range("2024-03-01", periods=2, tz="UTC")


def parts(*names: str) -> list[pd.DataFrame]:
    return [pd.DataFrame({"unique_id": name, "ds": DAYS, "y": [1.0, 2.0]}) for name in names]


def test_scratch_file_becomes_a_file_of_the_store(store: Store) -> None:
    with large_files.scratch_file(store.root, FOLDER) as scratch:
        scratch.write_bytes(b"table")
        large_files.move_into_store(scratch, store.root, f"{FOLDER}/a.parquet")
    assert store.list_files("") == [f"{FOLDER}/a.parquet"]
    assert store.bytes_at(f"{FOLDER}/a.parquet") == b"table"


def test_scratch_file_that_was_not_moved_is_deleted(store: Store) -> None:
    with large_files.scratch_file(store.root, FOLDER) as scratch:
        scratch.write_bytes(b"half a table")
    assert list((Path(store.root) / FOLDER).iterdir()) == []


def test_link_out_of_the_store_is_not_followed(store: Store, tmp_path: Path) -> None:
    Path(store.root).mkdir()
    (Path(store.root) / "artifacts").symlink_to(tmp_path)
    with pytest.raises(LinkOutside), large_files.scratch_file(store.root, FOLDER):
        pass


def test_local_file_is_given_without_a_copy(store: Store) -> None:
    stored = store.put_parts(parts("a"), "clean")
    with store.local_file(stored) as path:
        assert path == Path(store.root) / stored.uri


def test_damaged_file_is_not_given(store: Store) -> None:
    stored = store.put_parts(parts("a"), "clean")
    path = Path(store.root) / stored.uri
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreDamaged, match="has digest"), store.local_file(stored):
        pass
    path.unlink()
    with pytest.raises(StoreDamaged, match="is missing"), store.local_file(stored):
        pass


def test_full_disk_is_named_and_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tasks.storage.large_files.move_into_store", refuse)
    with pytest.raises(StoreFull, match=r"cannot write artifacts/clean/.*No space left on device.*nightcast gc"):
        store.put_parts(parts("a", "b"), "clean")
    assert list((Path(store.root) / FOLDER).iterdir()) == []


def test_full_disk_at_the_end_of_a_file_is_named_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tasks.storage.parquet.PartWriter.close", refuse)
    with pytest.raises(StoreFull, match=r"cannot write artifacts/clean to the store .*nightcast gc"):
        store.put_parts(parts("a"), "clean")


def test_parts_in_an_object_store_read_back_one_at_a_time() -> None:
    store = Store(root="memory://large-files")
    stored = store.put_parts(parts("a", "b"), "clean")
    assert [group["unique_id"].to_pylist() for group in store.row_groups(stored)] == [["a", "a"], ["b", "b"]]
    assert fsspec.filesystem("memory").exists(f"/large-files/{stored.uri}")
    assert store.put_parts(parts("a", "b"), "clean") == stored


def test_overlay_reads_the_file_of_its_base(store: Store) -> None:
    stored = store.put_parts(parts("a"), "clean")
    assert len(store.overlay("dry").get(stored)) == 2


@pytest.mark.parametrize("kind", ["folder", "object store"])
def test_published_copy_is_complete_and_leaves_the_artifact(kind: str, tmp_path: Path) -> None:
    store = Store(root=str(tmp_path / "store") if kind == "folder" else f"memory://{tmp_path.name}-published")
    stored = store.put_parts(parts("a", "b"), "clean")
    for _ in range(2):
        published = store.publish(stored, "latest/p/history.parquet")
        assert published == stored.model_copy(update={"uri": "latest/p/history.parquet"})
        assert store.bytes_at(published.uri) == store.bytes_at(stored.uri)
    assert store.list_files("") == [stored.uri, "latest/p/history.parquet"]
    if kind == "folder":
        assert [path.name for path in (tmp_path / "store/latest/p").iterdir()] == ["history.parquet"]


def test_published_file_is_replaced_as_a_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (store.put_parts(parts(name), "clean") for name in "ab")
    store.publish(first, "latest/p/history.parquet")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(large_files.shutil, "copyfile", fail)
    with pytest.raises(StoreFull):
        store.publish(second, "latest/p/history.parquet")
    assert store.bytes_at("latest/p/history.parquet") == store.bytes_at(first.uri)
