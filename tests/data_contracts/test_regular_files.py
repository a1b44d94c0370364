"""Paths whose read would wait for ever or never end are named before they are opened."""

import os
import socket
from pathlib import Path

import pytest

from data_contracts.regular_files import describe_obstacle, open_without_waiting


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # a socket has a short path
    os.mkfifo("fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    Path("file").write_text("a", encoding="utf-8")
    Path("loop").symlink_to("loop")
    Path("to-fifo").symlink_to("fifo")
    Path("to-file").symlink_to("file")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "obstacle"),
    [
        ("fifo", "is a FIFO, not a file"),
        ("to-fifo", "is a FIFO, not a file"),
        ("socket", "is a socket, not a file"),
        ("/dev/zero", "is a device, not a file"),
        ("loop", "cannot be read (Too many levels of symbolic links)"),
        ("a\0b", "cannot be read (embedded null byte)"),
        ("x" * 300, "cannot be read (File name too long)"),
        ("file", ""),
        ("to-file", ""),
        (".", ""),
        ("gone", ""),
        ("file/below", ""),
    ],
)
@pytest.mark.usefixtures("folder")
def test_obstacle_of_a_path(path: str, obstacle: str) -> None:
    assert describe_obstacle(path) == obstacle


@pytest.mark.usefixtures("folder")
def test_device_may_be_opened_without_waiting() -> None:
    assert describe_obstacle("/dev/zero", allow_devices=True) == ""
    assert describe_obstacle("fifo", allow_devices=True) == "is a FIFO, not a file"
    with open("fifo", "rb", opener=open_without_waiting) as file:  # returns though nobody writes
        assert file.read(1) == b""
