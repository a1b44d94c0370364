"""Atomic writes: complete or absent whenever the process dies, with one winner of a race."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks.storage import files

ROOT = Path(__file__).parents[3]

# Dies at the `place`-th call of any of the three system calls between the first byte and the visible file.
DIES = """
import os, sys
root, uri, place, absent = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "absent"
calls = 0
def dying(name):
    real = getattr(os, name)
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == place:
            os._exit(9)
        return real(*args, **kwargs)
    setattr(os, name, call)
for name in ("fsync", "replace", "link", "rename"):
    dying(name)
from tasks.storage import files
files.write(root, uri, b"new" * 1000, only_if_absent=absent)
"""

FAILS = """
import errno, os, sys
root, uri, place = sys.argv[1], sys.argv[2], int(sys.argv[3])
calls = 0
def failing(name):
    real = getattr(os, name)
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == place:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args, **kwargs)
    setattr(os, name, call)
for name in ("fsync", "replace", "rename"):
    failing(name)
from tasks.storage import files
try:
    files.write(root, uri, b"new" * 1000)
except OSError as full:
    sys.exit(28 if full.errno == errno.ENOSPC else 1)
"""


def child(code: str, *arguments: str) -> int:
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, check=False).returncode


def visible(root: Path) -> list[str]:
    return files.list_files(str(root), "folder")


@pytest.mark.parametrize("mode", ["replace", "absent"])
def test_process_that_dies_before_rename_leaves_no_visible_file(tmp_path: Path, mode: str) -> None:
    for place in (1, 2):  # fsync of the file, then rename or link
        assert child(DIES, str(tmp_path), "folder/a.json", str(place), mode) == 9
        assert visible(tmp_path) == []


@pytest.mark.parametrize("mode", ["replace", "absent"])
def test_process_that_dies_after_rename_leaves_a_complete_file(tmp_path: Path, mode: str) -> None:
    assert child(DIES, str(tmp_path), "folder/a.json", "3", mode) == 9
    assert visible(tmp_path) == ["folder/a.json"]
    assert files.read(str(tmp_path), "folder/a.json") == b"new" * 1000


def test_process_that_dies_while_replacing_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    for place, left in ((1, b"old"), (2, b"old"), (3, b"new" * 1000)):
        files.write(str(tmp_path), "folder/a.json", b"old")
        assert child(DIES, str(tmp_path), "folder/a.json", str(place), "replace") == 9
        assert files.read(str(tmp_path), "folder/a.json") == left


def test_failed_write_raises_and_leaves_no_file(tmp_path: Path) -> None:
    for place in (1, 2):
        assert child(FAILS, str(tmp_path), "folder/a.json", str(place)) == 28
        assert list((tmp_path / "folder").iterdir()) == []


RACER = """
import sys, time
from tasks.storage import files
root, me, start = sys.argv[1], sys.argv[2], float(sys.argv[3])
time.sleep(max(0, start - time.time()))
won = files.write(root, "runs/one.json", me.encode() * 10_000, only_if_absent=True)
print(me if won else "", end="")
"""


def test_exactly_one_of_several_processes_creates_a_file(tmp_path: Path) -> None:
    start = str(time.time() + 2.5)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), letter, start], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for letter in "abcdef"
    ]
    winners = [answer for answer, _ in (racer.communicate() for racer in racers) if answer]
    assert len(winners) == 1
    assert files.read(str(tmp_path), "runs/one.json") == winners[0].encode() * 10_000


def test_exactly_one_of_many_threads_creates_a_file(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda n: files.write(str(tmp_path), "a", str(n).encode(), only_if_absent=True), range(64)))
    assert sum(won) == 1
    assert files.read(str(tmp_path), "a") == str(won.index(True)).encode()


@pytest.fixture(params=["disk", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A local folder and an in-memory file system, as examples of fsspec URLs."""
    return str(tmp_path) if request.param == "disk" else f"memory://{tmp_path.name}"


def test_written_file_can_be_read_listed_and_removed(root: str) -> None:
    assert files.write(root, "a/b/c.bin", b"\x00\xff")
    assert files.write(root, "a/d.bin", b"")
    assert files.read(root, "a/b/c.bin") == b"\x00\xff"
    assert files.list_files(root, "a") == ["a/b/c.bin", "a/d.bin"]
    assert files.exists(root, "a/d.bin")
    files.remove(root, "a/d.bin")
    files.remove(root, "a/d.bin")
    assert not files.exists(root, "a/d.bin")
    with pytest.raises(FileNotFoundError):
        files.read(root, "a/d.bin")
    assert files.list_files(root, "nowhere") == []


def test_second_writer_replaces_the_file_unless_it_must_be_absent(root: str) -> None:
    assert files.write(root, "a", b"1", only_if_absent=True)
    assert not files.write(root, "a", b"2", only_if_absent=True)
    assert files.read(root, "a") == b"1"
    assert files.write(root, "a", b"3")
    assert files.read(root, "a") == b"3"


def test_listing_excludes_pipelines_with_the_same_prefix(root: str) -> None:
    files.write(root, "runs/pipeline=ports/1.json", b"")
    files.write(root, "runs/pipeline=ports-two/2.json", b"")
    assert files.list_files(root, "runs/pipeline=ports") == ["runs/pipeline=ports/1.json"]


def test_temporary_file_of_a_dead_writer_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".0123.part").write_bytes(b"torn")
    assert files.list_files(str(tmp_path), "a") == []
