"""`.env` and Prefect's settings in the current folder: the environment wins, and others can change none of them."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from data_contracts.errors import SpecError
from deployments.environment_file import EnvironmentFile, check_prefect_files, read_environment_file
from deployments.process_environment import configure
from tests.deployments.conftest import NIGHTCAST


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


@pytest.mark.parametrize("name", [".env", "prefect.toml", "pyproject.toml"])
@pytest.mark.parametrize("mode", [0o646, 0o666])
def test_settings_of_prefect_that_others_can_write_are_refused(tmp_path: Path, name: str, mode: int) -> None:
    file = tmp_path / name
    file.write_text("")
    file.chmod(mode)
    with pytest.raises(SpecError) as refused:
        check_prefect_files(tmp_path)
    assert str(refused.value) == (
        f"Prefect takes settings that can run code from {file}, but other users can write it (mode {mode:04o}). "
        f"Run: chmod go-w {file}, or start nightcast in another folder."
    )
    file.chmod(mode & ~0o022)
    check_prefect_files(tmp_path)


def test_project_that_a_group_can_write_is_refused_only_with_settings_of_prefect(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(
        "[project]\nname = 'shop'\ndependencies = ['prefect>=3']\n[tool.ruff]\n"
    )  # of a clone with umask 002
    file.chmod(0o664)
    check_prefect_files(tmp_path)
    file.write_text("[tool.prefect.logging]\nconfig_path = 'logging.yml'\n")
    with pytest.raises(SpecError, match=r"pyproject.toml, but other users can write it \(mode 0664\)"):
        check_prefect_files(tmp_path)


@pytest.mark.parametrize("name", ["prefect.toml", "pyproject.toml"])
def test_pipe_in_place_of_the_settings_of_prefect_is_refused(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(SpecError, match=r"it is not a regular file\. Remove"):
        check_prefect_files(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_settings_of_prefect_of_another_user_are_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    os.chown(tmp_path / "elsewhere", 12345, -1)
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")  # Prefect follows links
    with pytest.raises(SpecError, match=r"it belongs to another user \(uid 12345\)"):
        check_prefect_files(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", "PREFECT_LOGGING_SETTINGS_PATH={logging}\n"),
        ("prefect.toml", "[logging]\nconfig_path = '{logging}'\n"),
        ("pyproject.toml", "[tool.prefect.logging]\nconfig_path = '{logging}'\n"),
    ],
)
def test_no_code_of_another_user_is_run_through_the_settings_of_prefect(tmp_path: Path, name: str, text: str) -> None:
    handler = {"()": "os.system", "command": f"touch {tmp_path / 'mark'}"}
    logging = {"version": 1, "disable_existing_loggers": False, "handlers": {"x": handler}}
    (tmp_path / "logging.yml").write_text(yaml.safe_dump(logging))
    (tmp_path / name).write_text(text.format(logging=tmp_path / "logging.yml"))
    (tmp_path / name).chmod(0o666)
    pipeline = {"name": "x", "source": {"kind": "csv", "path": "x.csv"}, "columns": {"ds": "t", "y": "x"}, "freq": "h"}
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(pipeline | {"windowing": {"horizon": 2}}))
    (tmp_path / "x.csv").write_text("t,x\n2024-01-01T00:00Z,1\n")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "NIGHTCAST_"))}
    command = [str(NIGHTCAST), "nightly", "x.yaml"]
    ended = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, (tmp_path / "mark").exists()) == (2, False), ended.stderr
    assert f"chmod go-w {tmp_path / name}" in ended.stderr
