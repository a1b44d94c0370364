"""Digest of the source code that decides a step's result; part of every cache key."""

import functools
import hashlib
from pathlib import Path


@functools.cache
def code_digest() -> str:
    """Return the digest of the source of data_contracts, models and tasks: a new release computes everything again."""
    root = Path(__file__).parents[2]
    packages = ("data_contracts", "models", "tasks")
    sources = sorted(path for package in packages for path in (root / package).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
