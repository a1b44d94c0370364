"""The arguments of `nightcast init`, checked before the table is read and before any large library is imported."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from data_contracts.errors import SpecError, redact

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
GLOB_CHARACTERS = re.compile(r"[*?\[]")


class InitRequest(NamedTuple):
    """Which table to profile, and where to write the pipeline. `table` is the table of a database."""

    address: str
    table: str | None
    folder: str
    name: str | None
    overwrite: bool

    @property
    def label(self) -> str:
        """The table in a message, without credentials."""
        return redact(self.address).split("?", 1)[0] + (f" ({self.table})" if self.table else "")


def check_request(request: InitRequest) -> None:
    """Check the arguments that do not depend on the table.

    Args:
        request: the table, and where to write.

    Raises:
        SpecError: the name is not one of a pipeline, the folder cannot be written to, or a file exists already.
    """
    if request.name is not None and not NAME.fullmatch(request.name):
        raise SpecError(
            f"--name {request.name!r} is not a name of a pipeline. Use a-z, 0-9 and -, at most 63 characters, "
            "beginning with a letter or digit."
        )
    folder = Path(request.folder)
    existing = next((path for path in (folder, *folder.absolute().parents) if path.exists()), folder)
    if not existing.is_dir():
        raise SpecError(f"--out {request.folder}: {existing} is a file. Name a folder.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise SpecError(f"--out {request.folder}: this user cannot write to {existing}. Name another folder.")
    if request.name is not None:
        refuse_existing(request, request.name)


def refuse_existing(request: InitRequest, name: str) -> tuple[Path, Path]:
    """Return the paths of the pipeline and its contract.

    Args:
        request: where to write, and whether files may be overwritten.
        name: the pipeline's name.

    Returns:
        NAME.yaml and NAME.odcs.yaml in the folder.

    Raises:
        SpecError: one of them exists, and may not be overwritten.
    """
    targets = (Path(request.folder) / f"{name}.yaml", Path(request.folder) / f"{name}.odcs.yaml")
    for path in targets:
        if path.exists() and not request.overwrite:
            raise SpecError(already_exists(path))
    return targets


def already_exists(path: Path) -> str:
    """Return the message for a file that `init` would overwrite."""
    return f"{path} already exists and was not changed. Choose another --name, or overwrite it with --force."


def pipeline_name_from(path: str) -> str:
    """Derive a pipeline's name from the path of its table: `Sales 2024.csv.gz` becomes sales-2024.

    Args:
        path: path, glob or URL of the table.

    Returns:
        The name: a-z, 0-9 and -, at most 63 characters.

    Raises:
        SpecError: no letter or digit is left.
    """
    parts = [part for part in path.split("/") if part and not GLOB_CHARACTERS.search(part)]
    stem = parts[-1].split(".")[0].lower() if parts else ""
    name = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:63].rstrip("-")
    if not name:
        raise SpecError(f"cannot derive a pipeline name from {path!r}. Choose one of a-z, 0-9 and - with --name.")
    return name
