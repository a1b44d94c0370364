"""The memory of the machine: the smallest of its own, its container's and that of ulimit."""

import platform
from pathlib import Path

import pytest

from tasks.engine.machine_memory import (
    _cgroup_limits,
    format_bytes,
    memory_limit,
    release_unused_memory,
    resident_memory,
)


@pytest.mark.parametrize(
    ("cgroups", "files", "limits"),
    [
        ("0::/\n", {"memory.max": "2147483648\n"}, [2147483648]),
        ("0::/\n", {"memory.max": "max\n"}, []),
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": "100", "memory.max": "900"}, [100, 900]),
        ("12:cpu,cpuacct:/\n7:memory:/job\n", {"memory/job/memory.limit_in_bytes": "4096"}, [4096]),
        ("7:memory:/job\n0::/\n", {"memory/memory.limit_in_bytes": "8192"}, [8192]),
        ("0::/gone\n", {}, []),
    ],
)
def test_limits_of_cgroups(tmp_path: Path, cgroups: str, files: dict[str, str], limits: list[int]) -> None:
    (tmp_path / "self").write_text(cgroups, encoding="utf-8")
    for name, text in files.items():
        file = tmp_path / "root" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert list(_cgroup_limits(tmp_path / "root", tmp_path / "self")) == limits


def test_process_without_cgroups_has_no_such_limit(tmp_path: Path) -> None:
    assert list(_cgroup_limits(tmp_path, tmp_path / "gone")) == []


def test_limit_is_more_than_this_process_occupies() -> None:
    assert 10_000_000 < resident_memory() < memory_limit()


@pytest.mark.parametrize(
    ("count", "text"), [(12, "12 bytes"), (2_500, "2.5 kB"), (25_300_000_000, "25.3 GB"), (2.5e16, "25,000.0 TB")]
)
def test_bytes_in_a_message(count: float, text: str) -> None:
    assert format_bytes(count) == text


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc returns freed memory on request")
def test_memory_that_was_freed_is_given_back() -> None:
    blocks = [bytearray(100_000) for _ in range(2_000)]
    held = blocks[-1]  # at the end of the heap, so that what is freed below it is not returned without a trim
    before = resident_memory()
    del blocks[:-1]
    release_unused_memory()
    assert before - resident_memory() > 150_000_000
    assert len(held) == 100_000
