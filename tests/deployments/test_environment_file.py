"""`.env` in the current folder: the environment wins, and a file that others can write is not read."""

import os
from pathlib import Path

import pytest

from deployments.environment_file import EnvironmentFile, read_environment_file
from deployments.process_environment import configure


def write(folder: Path, text: str, mode: int = 0o644) -> Path:
    file = folder / ".env"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


def test_variables_are_read_as_they_are_written(tmp_path: Path) -> None:
    text = "# a comment\nexport NIGHTCAST_STORE=nights\nSHOP_PASSWORD=a$b#c\nQUOTED='two words'\nEMPTY=\n"
    write(tmp_path, f"{text}REFERENCE=${{SHOP_PASSWORD}}\nNO_VALUE\n")
    assert read_environment_file(tmp_path) == EnvironmentFile({
        "NIGHTCAST_STORE": "nights",
        "SHOP_PASSWORD": "a$b#c",
        "QUOTED": "two words",
        "EMPTY": "",
        "REFERENCE": "${SHOP_PASSWORD}",
    })  # fmt: skip


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restored_log: None) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", {**os.environ, "QUOTED": "given"})
    write(tmp_path, "QUOTED=file\nREFERENCE=file\n")
    configure(read_only=True)
    assert (os.environ["QUOTED"], os.environ["REFERENCE"]) == ("given", "file")


def test_folder_without_a_file_has_no_variables(tmp_path: Path) -> None:
    assert read_environment_file(tmp_path) == EnvironmentFile({})


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_file_that_others_can_write_is_not_read(tmp_path: Path, mode: int) -> None:
    file = write(tmp_path, "SHOP_PASSWORD=x\n", mode)
    warning = f"{file} is not read: other users can write it (mode {mode:04o}). Run: chmod go-w {file}"
    assert read_environment_file(tmp_path) == EnvironmentFile({}, (warning,))
    file.chmod(mode & ~0o022)
    assert list(read_environment_file(tmp_path).values) == ["SHOP_PASSWORD"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_file_of_another_user_is_not_read(tmp_path: Path) -> None:
    os.chown(write(tmp_path, "SHOP_PASSWORD=x\n"), 12345, -1)
    values, warnings = read_environment_file(tmp_path)
    assert values == {}
    assert "belongs to another user (uid 12345)" in warnings[0]


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo, lambda path: path.symlink_to("/etc/hostname")])
def test_link_folder_and_pipe_are_not_read(tmp_path: Path, make: object) -> None:
    make(tmp_path / ".env")
    values, warnings = read_environment_file(tmp_path)
    assert values == {}
    assert "is not read" in warnings[0]


@pytest.mark.parametrize("name", ["PATH", "PYTHONPATH", "LD_PRELOAD", "HOME", "PYTHONSTARTUP"])
def test_variables_of_loaders_are_named_and_not_taken(tmp_path: Path, name: str) -> None:
    file = write(tmp_path, f"{name}=/evil\nQUOTED=kept\n")
    warning = f"{file}: {name} is not taken from this file; set it in the environment."
    assert read_environment_file(tmp_path) == EnvironmentFile({"QUOTED": "kept"}, (warning,))
