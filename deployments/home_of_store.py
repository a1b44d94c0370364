"""Which Prefect home belongs to which store: two stores in one folder never share a server, a key or a history.

<home>/store    the name of the store, written by the first run or `up` that uses the home
"""

import contextlib
import hashlib
import os
import re
from pathlib import Path

from data_contracts.errors import redact

DEFAULT_HOME, MARKER = ".prefect", "store"
MAX_MARKER_BYTES = 4096


def store_name(store: str) -> str:
    """Return what identifies a store in its folder: the folder's name, so that both may be moved; or its URL."""
    return redact(store.rstrip("/")) if "://" in store else Path(store).resolve().name


def choose_home(folder: Path, name: str) -> Path:
    """Return the home of a store in `folder`; of a home that no store has claimed, any store is the owner."""
    home = folder / DEFAULT_HOME
    if read_owner(home) in (None, name):
        return home
    digest = f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}" if "://" in name else ""
    return folder / f"{DEFAULT_HOME}-{re.sub(r'[^A-Za-z0-9._-]+', '-', name.rpartition('/')[2])}{digest}"


def claim_home(home: Path, name: str) -> bool:
    """Let a home belong to a store, unless it belongs to one. Returns False if it belongs to another store."""
    with contextlib.suppress(OSError):  # without the marker, the home is as that of earlier releases
        descriptor = os.open(home / MARKER, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{name}\n")
    return read_owner(home) in (None, name)


def read_owner(home: Path) -> str | None:
    """Return the name of the store that a home belongs to; None if it has no owner."""
    try:
        with (home / MARKER).open("rb") as file:
            return file.read(MAX_MARKER_BYTES).decode("utf-8", "replace").strip() or None
    except OSError:
        return None
