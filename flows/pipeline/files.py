"""Find a pipeline by name, and the local files that it names."""

import glob
from pathlib import Path

from data_contracts.errors import SpecError

ROOT = Path(__file__).parents[2]


def find_pipeline(pipeline: str, folder: Path | None = None) -> Path:
    """Return the file of a pipeline, given by path or by name. Raises SpecError if no pipeline has this name."""
    if pipeline.endswith((".yaml", ".yml")) or "/" in pipeline:
        return Path(pipeline)
    known = list_pipelines(folder)
    if pipeline in known:
        return known[pipeline]
    names = ", ".join(sorted(known)) or "none"
    raise SpecError(
        f"unknown pipeline {pipeline!r}. Known pipelines: {names}. Give one of them, or the path of a YAML file."
    )


def list_pipelines(folder: Path | None = None) -> dict[str, Path]:
    """Return name and file of every known pipeline. Those of `folder` win over those of deployments/pipelines."""
    folders = (folder, Path("deployments/pipelines"), ROOT / "deployments/pipelines")
    suffixes = (".yml", ".yaml")  # if two files share a name, the last one wins
    existing = [path for path in reversed(folders) if path]
    files = [file for path in existing for suffix in suffixes for file in sorted(path.glob(f"*{suffix}"))]
    return {file.stem: file for file in files}


def resolve_paths(path: str, document: Path) -> str:
    """Resolve a path of a YAML file: relative to the current folder, that file or the repository, whichever exists."""
    if "://" in path or Path(path).is_absolute():
        return path
    candidates = (Path(path), document.parent / path, ROOT / path)
    existing = (str(file) for file in candidates if file.exists() or glob.glob(str(file), recursive=True))  # noqa: PTH207
    return next(existing, path)
