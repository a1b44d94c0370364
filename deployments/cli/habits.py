"""What a user expects of any command: its version, and names that the shell completes."""

from pathlib import Path
from typing import Annotated

import typer

from deployments.process_environment import variable

SUFFIXES = (".yaml", ".yml")
CONTRACT_SUFFIX = ".odcs"
ROOT = Path(__file__).parents[2]


def print_version(wanted: bool) -> None:
    """Print `nightcast VERSION` and exit, if `--version` is given."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"nightcast {version('nightcast')}")
        raise typer.Exit


def complete_pipelines(incomplete: str) -> list[str]:
    """Return the names of pipelines, and the YAML files and folders, that begin with what is typed."""
    folders = (variable("NIGHTCAST_PIPELINES"), "deployments/pipelines", str(ROOT / "deployments/pipelines"))
    names = {file.stem for folder in folders if folder for file in _documents(Path(folder))}
    folder_part, slash, _ = incomplete.rpartition("/")
    parent = Path(f"{folder_part}{slash}")
    files = {f"{folder_part}{slash}{file.name}" for file in _documents(parent)}
    return sorted(name for name in names | files if name.startswith(incomplete))


def _documents(folder: Path) -> list[Path]:
    try:
        entries = list(folder.iterdir())
    except OSError:
        return []
    return [entry for entry in entries if entry.suffix in SUFFIXES and not entry.stem.endswith(CONTRACT_SUFFIX)]


Pipeline = Annotated[
    str,
    typer.Argument(help="A pipeline YAML, or a name in NIGHTCAST_PIPELINES.", autocompletion=complete_pipelines),
]
