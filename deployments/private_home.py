"""Prefect's home of one store: closed to other users, with the key of the API that `nightcast up` serves.

<home>/api-key     user:password, mode 0600, made at the first start. The server refuses requests without it.
"""

import contextlib
import os
import stat
from pathlib import Path

from data_contracts.errors import NightcastError

OPEN_TO_OTHERS = 0o077
KEY_BYTES = 24
MAX_KEY_CHARACTERS = 4096


class HomeNotPrivate(NightcastError):
    """Prefect's home belongs to another user, or its file system keeps no access rights."""


def close_home(home: Path) -> None:
    """Create Prefect's home if it is missing, and take away the rights of other users on it and on its files.

    Raises:
        HomeNotPrivate: other users can still read it.
    """
    with contextlib.suppress(OSError):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (home, *home.iterdir()):
            mode = path.lstat().st_mode
            if mode & OPEN_TO_OTHERS and not stat.S_ISLNK(mode):
                path.chmod(stat.S_IMODE(mode) & ~OPEN_TO_OTHERS)
    facts = home.stat()
    if facts.st_mode & OPEN_TO_OTHERS or facts.st_uid not in (os.geteuid(), 0):
        raise HomeNotPrivate(
            f"{home} can be read by other users (owner {facts.st_uid}, mode {stat.S_IMODE(facts.st_mode):04o}), and it "
            f"holds Prefect's database and the key of its API. Run: chmod 700 {home}. If it belongs to another user, "
            "or its disk keeps no modes, set PREFECT_HOME to a folder of your own."
        )


def api_key(home: Path, given: str = "") -> str:
    """Return the key of the API, `user:password`, and keep it in `home`. Without `given`, a stored key stays."""
    stored = read_api_key(home)
    if stored and stored == (given or stored):
        return stored
    import secrets

    key = given or f"nightcast:{secrets.token_urlsafe(KEY_BYTES)}"
    write_private(key_path(home), f"{key}\n")
    return key


def write_private(file: Path, text: str) -> None:
    """Write a file that only this user can read (0600), whole or not at all."""
    scratch = file.with_name(f".{file.name}-{os.getpid()}")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    scratch.replace(file)


def read_api_key(home: Path) -> str:
    """Return the stored key; empty if this user has none, or if other users could have read it."""
    try:
        descriptor = os.open(key_path(home), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        facts = os.fstat(descriptor)
        is_private = stat.S_ISREG(facts.st_mode) and not facts.st_mode & OPEN_TO_OTHERS
        if not is_private or facts.st_uid not in (os.geteuid(), 0):
            return ""
        return file.read(MAX_KEY_CHARACTERS).strip()


def key_path(home: Path) -> Path:
    """Return the file with the key of the API."""
    return home / "api-key"
