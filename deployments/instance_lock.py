"""Allows one `nightcast up` per store: a kernel lock, and a note that names the process that holds it.

The kernel releases the lock when the process ends, however it ends. The note is then left behind.
"""

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
    """Another `nightcast up` runs on this store."""


@contextlib.contextmanager
def single_instance(home: Path, addresses: dict[str, str]) -> Iterator[None]:
    """Hold the lock of a Prefect home and leave a note with `addresses` there.

    Raises:
        AlreadyUp: another process holds the lock.
    """
    home.mkdir(parents=True, exist_ok=True)
    with _lock_path(home).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = running_instance(home) or {}
            raise AlreadyUp(
                f"nightcast up is already running on this store: process {owner.get('pid', '?')} since "
                f"{owner.get('since', '?')}, Prefect at {owner.get('prefect', '?')}, MLflow at {owner.get('mlflow')}. "
                "Use that instance, or stop it with Ctrl-C in its terminal."
            ) from None
        note = {"pid": os.getpid(), "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", **addresses}
        _note_path(home).write_text(json.dumps(note), encoding="utf-8")
        try:
            yield
        finally:
            _note_path(home).unlink(missing_ok=True)


def running_instance(home: Path) -> dict[str, Any] | None:
    """Return the note of the `up` that runs on this Prefect home (pid, since, addresses), or None if none runs."""
    with contextlib.suppress(OSError, json.JSONDecodeError), _lock_path(home).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: commands that ask at once do not see each other
        except BlockingIOError:
            note: dict[str, Any] = json.loads(_note_path(home).read_text(encoding="utf-8"))
            return note
    return None


def was_interrupted(home: Path) -> bool:
    """Return whether an `up` of this home was killed: its note exists, but no process holds the lock."""
    return _note_path(home).exists() and running_instance(home) is None


def _lock_path(home: Path) -> Path:
    return home / "up.lock"


def _note_path(home: Path) -> Path:
    return home / "up.json"
