"""Which files may bring code into a run: those of the pipeline's owner that no other user can change.

A pipeline names code by `kind: python`, and a contract by `row_condition`, which Great Expectations evaluates.
"""

import os
import stat
import sys
import threading
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from data_contracts.contract import Contract
from data_contracts.errors import SpecError

OTHERS_WRITE = 0o022
ROOT_USER = 0


def check_trusted(file: Path, document: Path | None) -> None:
    """Check who can change a file with code, or replace it in one of the folders above it.

    Args:
        file: The file; links are followed.
        document: The YAML of the pipeline. The owner of its folder, root and the user of this process may own the code.

    Raises:
        SpecError: Other users can change or replace the file, or it belongs to one.
    """
    facts = file.stat()
    if facts.st_mode & OTHERS_WRITE:
        raise SpecError(
            f"{file} brings code into this pipeline, but its mode is {stat.S_IMODE(facts.st_mode):04o}: other users "
            f"can change it. Read it, then run: chmod go-w {file}"
        )
    owners = {ROOT_USER, os.geteuid(), *([document.parent.stat().st_uid] if document else [])}
    if facts.st_uid not in owners:
        raise SpecError(
            f"{file} brings code into this pipeline, but belongs to user {facts.st_uid}, who is neither the owner "
            f"of the folder of the pipeline nor of this process. Read it, then run as root: chown {os.geteuid()} {file}"
        )
    for folder in file.resolve().parents:
        _check_folder(folder, file, owners)


def _check_folder(folder: Path, file: Path, owners: set[int]) -> None:
    """Check that other users cannot replace what leads to a file. With the sticky bit, they cannot."""
    facts = folder.stat()
    if facts.st_mode & OTHERS_WRITE and not facts.st_mode & stat.S_ISVTX:
        raise SpecError(
            f"{folder} has mode {stat.S_IMODE(facts.st_mode):04o}: other users can put files into it, and {file} "
            f"brings code into this pipeline. Read the files in it, then run: chmod go-w {folder}"
        )
    if facts.st_uid not in owners:
        raise SpecError(
            f"{folder} belongs to user {facts.st_uid}, who can replace {file}, which brings code into this pipeline. "
            "Move the pipeline to a folder of yours."
        )


def check_document(document: Path | None) -> None:
    """Check the YAML of a pipeline that names code, and its folders. Raises SpecError if other users can change it."""
    if document and document.is_file():
        check_trusted(document, document)


def check_contract_code(contract: Contract, path: Path, document: Path | None) -> None:
    """Check the file of a contract whose rules are evaluated as code. Raises SpecError if other users can change it."""
    if any(rule.arguments.get("row_condition") for rule in contract.rules):
        check_trusted(path, document)


class TrustedImports:
    """A finder that refuses an import of a file that is not trusted, and leaves all others to Python.

    Files of the Python environment are not checked: who can change them has changed Nightcast itself. What a thread
    reads for another pipeline is left to the finder of that thread: a source that hangs leaves its own behind.
    """

    def __init__(self, document: Path | None) -> None:
        self.document, self.thread = document, threading.get_ident()
        self._environment = tuple(
            f"{Path(prefix).resolve()}{os.sep}" for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix)
        )

    def find_spec(self, name: str, path: Any = None, _target: Any = None) -> ModuleSpec | None:
        """Return None, so that the next finder imports the module. Raises SpecError if its file is not trusted."""
        others = {finder.thread for finder in sys.meta_path if isinstance(finder, TrustedImports)} - {self.thread}
        if threading.get_ident() in others:
            return None
        module = PathFinder.find_spec(name, path)
        if module and module.origin and module.has_location:
            self.check(Path(module.origin))
        return None

    def check(self, file: Path) -> None:
        """Raise SpecError if this file outside the Python environment is not trusted."""
        if not str(file.resolve()).startswith(self._environment):
            check_trusted(file, self.document)
