"""Variables of a `.env` in the current folder, and the files there from which Prefect takes settings.

The environment wins; the file counts as code.

It may name a pipeline's folder or a source that runs Python, so it is read only if it belongs to this user or root and
no one else can write it. Variables of the shell and the loaders, such as PATH and PYTHONPATH, are never taken from it.
"""

import errno
import os
import stat
import tomllib
from pathlib import Path
from typing import NamedTuple

from data_contracts.errors import SpecError

FILE, PREFECT_TOML, PYPROJECT = ".env", "prefect.toml", "pyproject.toml"
WRITABLE_BY_OTHERS = 0o022
MAX_BYTES = 1 << 20
REFUSED_NAMES = ("PATH", "HOME", "USER", "SHELL", "ENV", "BASH_ENV", "IFS")
REFUSED_PREFIXES = ("LD_", "DYLD_", "PYTHON")


class EnvironmentFile(NamedTuple):
    """The variables of the file, and why it, or some of them, is not used."""

    values: dict[str, str]
    warnings: tuple[str, ...] = ()


def read_environment_file(folder: Path) -> EnvironmentFile:
    """Read the file of a folder; a folder without one gives an empty result.

    Args:
        folder: Where the file lies.

    Returns:
        The variables by name, and the warnings.
    """
    path = folder / FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return EnvironmentFile({})
    except OSError as error:
        reason = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
        warning = f"{path} is not read: {reason}. Make it a regular file that this user can read."
        return EnvironmentFile({}, (warning,))
    if problem := _refusal(path, os.fstat(descriptor)):
        os.close(descriptor)
        return EnvironmentFile({}, (problem,))
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        from dotenv import dotenv_values  # only where there is a file

        given = dotenv_values(stream=file, interpolate=False)
    refused = sorted(name for name in given if name in REFUSED_NAMES or name.startswith(REFUSED_PREFIXES))
    values = {name: value for name, value in given.items() if value is not None and name not in refused}
    warning = f"{path}: {', '.join(refused)} is not taken from this file; set it in the environment."
    return EnvironmentFile(values, (warning,) if refused else ())


def check_prefect_files(folder: Path) -> None:
    """Check the files of a folder that Prefect reads when it is imported: its settings can name code.

    A log handler is such code. A `pyproject.toml` that a group can write passes while it has none of them.

    Args:
        folder: The current folder of the process, in which Prefect looks for them.

    Raises:
        SpecError: Other users can change one of them, it belongs to one, or it is not a regular file.
    """
    for name in (FILE, PREFECT_TOML, PYPROJECT):
        path = folder / name
        try:
            facts = path.stat()  # Prefect follows links
        except OSError:
            continue
        problem, fix = _change_by_others(path, facts)
        if not stat.S_ISREG(facts.st_mode):
            if name == FILE:  # Prefect reads it only if it is a file; a virtual environment may have this name
                continue
            problem, fix = "it is not a regular file", f"Remove {path}"
        if problem and not (name == PYPROJECT and _has_no_settings(path, facts)):
            raise SpecError(
                f"Prefect takes settings that can run code from {path}, but {problem}. {fix}, or start nightcast in "
                "another folder."
            )


def _has_no_settings(path: Path, facts: os.stat_result) -> bool:
    """Whether only a group can write a `pyproject.toml`, and it has no table `tool.prefect`."""
    if not stat.S_ISREG(facts.st_mode) or facts.st_mode & stat.S_IWOTH or facts.st_uid not in (os.geteuid(), 0):
        return False
    try:
        return facts.st_size <= MAX_BYTES and "prefect" not in tomllib.loads(path.read_text("utf-8")).get("tool", {})
    except (OSError, ValueError):
        return False


def _refusal(path: Path, facts: os.stat_result) -> str:
    """Return why a file may not set variables of this process; empty if it may."""
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_BYTES:
        return f"{path} is not read: it is not a text file of at most {MAX_BYTES:,} bytes."
    problem, fix = _change_by_others(path, facts)
    return f"{path} is not read: {problem}. {fix}" if problem else ""


def _change_by_others(path: Path, facts: os.stat_result) -> tuple[str, str]:
    """Return why other users can change a file, and what to do; both empty if they cannot."""
    if facts.st_uid not in (os.geteuid(), 0):
        return f"it belongs to another user (uid {facts.st_uid})", f"Copy it, or run: chown {os.geteuid()} {path}"
    if facts.st_mode & WRITABLE_BY_OTHERS:
        mode = f"{stat.S_IMODE(facts.st_mode):04o}"
        return f"other users can write it (mode {mode})", f"Run: chmod go-w {path}"
    return "", ""
