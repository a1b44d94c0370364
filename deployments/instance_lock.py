"""One `nightcast up` for a store: a lock that ends with its process, however that ends, and a note of who has it."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data_contracts.errors import NightcastError


class AlreadyUp(NightcastError):
    """One `nightcast up` a store."""


@contextlib.contextmanager
def single_instance(home: Path, addresses: dict[str, str]) -> Iterator[None]:
    """Be the only one in a Prefect home, and say so there. Raises AlreadyUp."""
    home.mkdir(parents=True, exist_ok=True)
    with _lock(home).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = running_instance(home) or {}
            raise AlreadyUp(
                f"nightcast up is running on this store already: process {told.get('pid', '?')} since "
                f"{told.get('since', '?')}, Prefect at {told.get('prefect', '?')}, MLflow at {told.get('mlflow')}. "
                "Use that one, or stop it with Ctrl-C where it runs."
            ) from None
        told = {"pid": os.getpid(), "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", **addresses}
        _note(home).write_text(json.dumps(told), encoding="utf-8")
        try:
            yield
        finally:
            _note(home).unlink(missing_ok=True)


def running_instance(home: Path) -> dict[str, Any] | None:
    """What the `up` of this Prefect home says of itself, while it lives; None where there is none."""
    with contextlib.suppress(OSError, json.JSONDecodeError), _lock(home).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            found: dict[str, Any] = json.loads(_note(home).read_text(encoding="utf-8"))
            return found
    return None


def was_interrupted(home: Path) -> bool:
    """Whether an `up` of this home ended without having been told to: its note is there, and nobody has the lock."""
    return _note(home).exists() and running_instance(home) is None


def _lock(home: Path) -> Path:
    return home / "up.lock"


def _note(home: Path) -> Path:
    return home / "up.json"
