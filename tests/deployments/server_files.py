"""Reads compose.yaml and the systemd units for the tests."""

import configparser
import re
import shlex
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deployments"


def compose(**values: str) -> dict[str, Any]:
    """Return compose.yaml with its variables substituted as by Docker. Raises KeyError for a missing variable."""
    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    filled = re.sub(r"\$\{(\w+)(:\?[^}]*)?\}", lambda match: values[match.group(1)], text)
    document: dict[str, Any] = yaml.safe_load(filled)
    return document


def unit(name: str) -> dict[str, dict[str, str]]:
    """Return a systemd unit by section."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(FOLDER / "systemd" / f"nightcast-{name}.service", encoding="utf-8")
    return {section: dict(parser[section]) for section in parser.sections()}


def command_of(name: str) -> list[str]:
    """Return the command of a unit without the installation folder."""
    words = shlex.split(unit(name)["Service"]["ExecStart"])
    return [Path(words[0]).name, *words[1:]]


def environment_file() -> dict[str, str]:
    lines = (FOLDER / "systemd/nightcast.env.example").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    return dict(pairs)
