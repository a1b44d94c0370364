"""What compose.yaml and the systemd units say, read so that a test can run it."""

import configparser
import re
import shlex
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deployments"


def compose(**values: str) -> dict[str, Any]:
    """compose.yaml with its variables filled in, as Docker would read it; KeyError for a missing one."""
    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    filled = re.sub(r"\$\{(\w+)(:\?[^}]*)?\}", lambda found: values[found.group(1)], text)
    read: dict[str, Any] = yaml.safe_load(filled)
    return read


def unit(name: str) -> dict[str, dict[str, str]]:
    """A systemd unit by section."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(FOLDER / "systemd" / f"nightcast-{name}.service", encoding="utf-8")
    return {section: dict(parser[section]) for section in parser.sections()}


def command_of(name: str) -> list[str]:
    """What a unit starts, without the folder of the installation."""
    words = shlex.split(unit(name)["Service"]["ExecStart"])
    return [Path(words[0]).name, *words[1:]]


def environment_file() -> dict[str, str]:
    lines = (FOLDER / "systemd/nightcast.env.example").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    return dict(pairs)
