"""Digest of the source code that decides a step's result; part of every cache key."""

import functools
import hashlib
from pathlib import Path


@functools.cache
def code_digest() -> str:
    """Digest of the rooms' source: a new release computes again, the same release remembers."""
    rooms = Path(__file__).parents[2]
    sources = sorted(p for room in ("data_contracts", "models", "tasks") for p in (rooms / room).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
