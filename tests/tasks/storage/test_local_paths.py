"""Doors: links in the store that lead out of it, and files that a group may write."""

import os
import stat

import pytest

from data_contracts.errors import StoreDamaged
from tasks.storage import files
from tasks.storage.failures import StoreUnusable
from tasks.storage.local_paths import LinkOutside, NotInStore
from tasks.storage.store import Store

SECRET = b"of another user"


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "index.html").write_bytes(SECRET)
    (folder / "record.json").write_text('{"moved": true}')
    return folder


@pytest.fixture
def root(tmp_path):
    (tmp_path / "store/reports").mkdir(parents=True)
    return tmp_path / "store"


def test_file_that_is_a_link_out_of_the_store_is_not_read(root, outside):
    store = Store(root=str(root))
    (root / "reports/index.html").symlink_to(outside / "index.html")
    (root / "reports/relative.html").symlink_to("../../outside/index.html")
    (root / "record.json").symlink_to(outside / "record.json")
    for name in ("index", "relative"):
        with pytest.raises(StoreDamaged, match=r"symbolic link to .*outside the store"):
            store.artifact_at(f"reports/{name}.html")
    assert store.read_json("record.json") is None
    with pytest.raises(LinkOutside):
        files.exists(str(root), "record.json")


def test_folder_that_is_a_link_out_of_the_store_is_neither_read_nor_written(root, outside):
    (root / "reports").rmdir()
    (root / "reports").symlink_to(outside)
    store = Store(root=str(root))
    with pytest.raises(StoreDamaged, match="outside the store"):
        store.artifact_at("reports/index.html")
    with pytest.raises(StoreUnusable, match="remove the link, or mount that folder at its path"):
        store.put_at(b"new", "page", "reports/index.html")
    with pytest.raises(LinkOutside):
        files.remove(str(root), "reports/index.html")
    with pytest.raises(LinkOutside), files.locked(str(root), "reports/.door", 1):
        pass
    assert [path.read_bytes() for path in outside.glob("*.html")] == [SECRET]
    assert not (outside / ".door").exists()


def test_write_replaces_a_link_and_leaves_its_target(root, outside):
    (root / "reports/index.html").symlink_to(outside / "index.html")
    Store(root=str(root)).put_at(b"new", "page", "reports/index.html")
    assert ((root / "reports/index.html").read_bytes(), (outside / "index.html").read_bytes()) == (b"new", SECRET)
    assert not (root / "reports/index.html").is_symlink()


def test_uri_with_dots_does_not_leave_the_store(root, outside):
    with pytest.raises(LinkOutside):
        files.read(str(root), "../outside/index.html")


def test_links_inside_the_store_and_a_store_that_is_a_link_are_followed(root, outside, tmp_path):
    (tmp_path / "linked").symlink_to(root)
    files.write(str(tmp_path / "linked"), "a/file", b"x")
    (root / "b").symlink_to("a")
    assert files.read(str(tmp_path / "linked"), "b/file") == b"x"
    dry_run = Store(root=str(root)).overlay("dry-runs/x")
    assert dry_run.artifact_at("a/file").uri == "a/file"


def test_no_file_or_folder_of_the_store_is_written_by_a_group_whatever_the_umask(tmp_path):
    former = os.umask(0o000)
    try:
        files.write(str(tmp_path / "store"), "runs/pipeline=a/run.json", b"{}")
        files.write(str(tmp_path / "store"), "runs/pipeline=a/new.json", b"{}", only_if_absent=True)
        with files.locked(str(tmp_path / "store"), "leases/pipeline=a/.door", 1):
            pass
    finally:
        os.umask(former)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "store").rglob("*")}
    assert [(name, oct(mode)) for name, mode in modes.items() if mode & 0o022] == []
    assert (modes["run.json"], modes["runs"]) == (0o644, 0o755)


@pytest.mark.timeout(20)
def test_pipe_in_the_store_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    store = Store(root=str(tmp_path))
    for read in (files.read, files.digest):
        with pytest.raises(NotInStore, match="is a pipe, a device or a socket"):
            read(str(tmp_path), "a.json")
    assert store.read_json("a.json") is None
    with pytest.raises(StoreDamaged, match="is not a file of the store"):
        store.artifact_at("a.json")
