"""Where a pipeline and what it names lie: beside each other, here, or in this repository."""

import glob
from pathlib import Path

from data_contracts.errors import SpecError

ROOT = Path(__file__).parents[2]


def find_pipeline(pipeline: str, folder: Path | None = None) -> Path:
    """The file of a pipeline by its path, or by its name under `folder` or deployments/pipelines. Raises SpecError."""
    if pipeline.endswith((".yaml", ".yml")) or "/" in pipeline:
        return Path(pipeline)
    known = list_pipelines(folder)
    if pipeline in known:
        return known[pipeline]
    names = ", ".join(sorted(known)) or "none"
    raise SpecError(f"there is no pipeline {pipeline!r}; known are {names}, or give the path of a YAML.")


def list_pipelines(folder: Path | None = None) -> dict[str, Path]:
    """Name and file of every pipeline that can be named: those of `folder` first, then of deployments/pipelines."""
    places = (folder, Path("deployments/pipelines"), ROOT / "deployments/pipelines")
    suffixes = (".yml", ".yaml")  # the last of two that share a name counts
    found = [path for place in reversed(places) if place for end in suffixes for path in sorted(place.glob(f"*{end}"))]
    return {path.stem: path for path in found}


def resolve_paths(path: str, document: Path) -> str:
    """A path that a YAML names: from here, beside that YAML, or in this repository; as it is where there is nothing."""
    if "://" in path or Path(path).is_absolute():
        return path
    places = (Path(path), document.parent / path, ROOT / path)
    found = (str(place) for place in places if place.exists() or glob.glob(str(place), recursive=True))  # noqa: PTH207
    return next(found, path)
