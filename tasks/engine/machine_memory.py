"""The memory that this process may use: of the machine, of its container, or what `ulimit -v` leaves."""

import ctypes
import functools
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from tasks.engine.mapped_memory import release_all_pages

CGROUP_ROOT = Path("/sys/fs/cgroup")
CGROUPS_OF_PROCESS = Path("/proc/self/cgroup")


@functools.cache
def memory_limit() -> int:
    """Return the bytes that this process may use at most; computed once."""
    limits = [psutil.virtual_memory().total, *_cgroup_limits(CGROUP_ROOT, CGROUPS_OF_PROCESS)]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return min([*limits, *([soft] if soft != resource.RLIM_INFINITY else [])])


def resident_memory() -> int:
    """Return the bytes of memory that this process occupies now."""
    return int(psutil.Process().memory_info().rss)


def available_memory() -> int:
    """Return the bytes that are free on the machine and, below the limit of this process, not occupied by it."""
    return max(0, min(psutil.virtual_memory().available, memory_limit() - resident_memory()))


def release_unused_memory() -> None:
    """Give memory that was freed, but is kept by allocators, back to the system.

    Arrow's pool and the heap of glibc keep it for later arrays: hundreds of MB after a step of a large table, of no use
    to the next step (https://arrow.apache.org/docs/python/memory.html; man 3 malloc_trim). Pages of mapped arrays are
    released too.
    """
    release_all_pages()
    arrow = sys.modules.get("pyarrow")
    if arrow:
        arrow.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
    if trim:
        trim(0)


def format_bytes(count: float) -> str:
    """Return a number of bytes for a message, as in 23.4 GB."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:,.0f} bytes"


def _cgroup_limits(root: Path, cgroups: Path) -> Iterator[int]:
    """Yield the limits of the cgroup of this process and of those above it, as far as they can be read."""
    try:
        lines = cgroups.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            base, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        folder = base / path.strip("/")
        for parent in (folder, *folder.parents):
            if not parent.is_relative_to(base):
                break
            text = _read(parent / name)
            if text.isdecimal() and int(text):
                yield int(text)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
