"""Find a pipeline by name, and the local files that it names."""

import re
from pathlib import Path

from data_contracts.errors import SpecError

ROOT = Path(__file__).parents[2]
CONTRACT = re.compile(rb"^kind: *[\"']?DataContract\b", re.MULTILINE)
HEAD = 65_536


def find_pipeline(pipeline: str, folder: Path | None = None) -> Path:
    """Return the file of a pipeline, given by path or by name.

    Args:
        pipeline: The path of a YAML file, or the name of a file in a folder of pipelines.
        folder: Folder of pipelines, besides deployments/pipelines.

    Returns:
        The file.

    Raises:
        SpecError: No pipeline has this name, or its file is a link to a file outside its folder.
    """
    if pipeline.endswith((".yaml", ".yml")) or "/" in pipeline:
        return Path(pipeline)
    known = list_pipelines(folder)
    if pipeline in known:
        return _without_link_to_outside(known[pipeline])
    names = ", ".join(sorted(known)) or "none"
    raise SpecError(
        f"unknown pipeline {pipeline!r}. Known pipelines: {names}. Give one of them or the path of a YAML file, or set "
        "NIGHTCAST_PIPELINES to the folder of your pipelines."
    )


def _without_link_to_outside(file: Path) -> Path:
    """Return `file`. Raises SpecError if it is a symbolic link that leaves its folder, which the name stands for."""
    target = file.resolve()
    if target.is_relative_to(file.parent.resolve()):
        return file
    raise SpecError(
        f"the pipeline {file.stem!r} is a link from {file} to {target}, which is outside the folder of pipelines. Copy "
        "the file into the folder, or give its path."
    )


def list_pipelines(folder: Path | None = None) -> dict[str, Path]:
    """Return name and file of every known pipeline. Those of `folder` win over those of deployments/pipelines.

    Contracts, which `nightcast init` writes to the same folder, are left out.
    """
    folders = (folder, Path("deployments/pipelines"), ROOT / "deployments/pipelines")
    suffixes = (".yml", ".yaml")  # if two files share a name, the last one wins
    existing = [path for path in reversed(folders) if path]
    files = [file for path in existing for suffix in suffixes for file in sorted(path.glob(f"*{suffix}"))]
    return {file.stem: file for file in files if not _is_contract(file)}


def _is_contract(file: Path) -> bool:
    """Return whether the document is a data contract. A file that cannot be read is not: who opens it says why."""
    try:
        if not file.is_file():  # opening a named pipe waits for its writer
            return False
        with file.open("rb") as document:
            return CONTRACT.search(document.read(HEAD)) is not None
    except OSError:
        return False


def resolve_paths(path: str, document: Path) -> str:
    """Resolve a path of a YAML file: relative to the current folder, that file or the repository, whichever exists."""
    from tasks.sources.files.local_files import has_match  # imports SQLAlchemy, which a reader of tables does not need
    from tasks.sources.limits import UnsuitablePath

    if "://" in path or Path(path).is_absolute():
        return path

    candidates = (Path(path), document.parent / path, ROOT / path)
    try:
        return next((str(file) for file in candidates if file.exists() or has_match(str(file))), path)
    except (OSError, ValueError):  # links that loop, a name that is too long, a NUL: reported when the file is opened
        return path
    except UnsuitablePath as too_many:
        raise SpecError(f"{document}: the path {path!r} cannot be resolved: {too_many}.") from too_many
