"""A source never opens a FIFO, a socket or a device, and a listing ends after a number of entries."""

import os
import socket
import time
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.errors import SourceUnreadable, SpecError
from flows.pipeline.files import resolve_paths
from tasks.profiling.inference import CannotInferPipeline
from tasks.profiling.open_source import infer_source
from tasks.sources.files import local_files
from tasks.sources.read import fingerprint, read_source
from tasks.sources.spec import SourceSpec


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # a socket has a short path
    os.mkfifo("pipe.csv")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.csv")
    Path("loop.csv").symlink_to("loop.csv")
    Path("link.csv").symlink_to("pipe.csv")
    for name in ("mixed", "tables"):
        Path(name).mkdir()
        pd.DataFrame({"ds": [1], "y": [2.0]}).to_csv(f"{name}/a.csv", index=False)
    os.mkfifo("mixed/b.csv")
    Path("tables/again").symlink_to(tmp_path / "tables", target_is_directory=True)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("pipe.csv", r"pipe\.csv is a FIFO, not a file"),
        ("link.csv", r"link\.csv is a FIFO, not a file"),
        ("socket.csv", r"socket\.csv is a socket, not a file"),
        ("/dev/zero", "/dev/zero is a device, not a file"),
        ("file:///dev/zero", "/dev/zero is a device, not a file"),
        ("zip://*.csv::pipe.csv", r"pipe\.csv is a FIFO, not a file"),
        ("simplecache::file:///dev/urandom", "/dev/urandom is a device"),
        ("loop.csv", r"loop\.csv cannot be read \(Too many levels of symbolic links\)"),
        ("mixed", r"mixed/b\.csv is a FIFO, not a file; name a file, or remove it from the folder"),
        ("mixed/*.csv", r"mixed/b\.csv is a FIFO"),
        ("mixed/**", r"mixed/b\.csv is a FIFO"),
        ("x" * 300, "cannot be read .File name too long"),
        ("a\0b.csv", "cannot be read .embedded null byte"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.usefixtures("folder")
def test_special_file_is_refused_at_once(path: str, reason: str, kind: str) -> None:
    source, begun = SourceSpec.model_validate({"kind": kind, "path": path, "timeout": "5s"}), time.monotonic()
    for read in (read_source, fingerprint):
        with pytest.raises(SourceUnreadable, match=reason):
            read(source)
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("path", ["tables/a.csv", "tables/*.csv", "tables/**/*.csv"])
@pytest.mark.usefixtures("folder")
def test_folder_that_links_to_itself_is_read_once(path: str) -> None:
    assert read_source(SourceSpec(kind="csv", path=path)).num_rows == 1


@pytest.mark.parametrize("path", ["", "/", "/*", "/**", "/**/*.csv"])
def test_listing_ends_after_a_number_of_entries(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_files, "MAX_LISTED_FILES", 10)
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in ("a.csv", "b.csv", "c.csv"):
            (folder / name).write_text("ds,y\n1,2\n", encoding="utf-8")
    pattern = f"{tmp_path}{path}"
    if path == "/*":
        pattern = f"{tmp_path}/*/*"
    with pytest.raises(SourceUnreadable, match=r"more than 10 files and folders lie below its path, .* name a folder"):
        read_source(SourceSpec(kind="csv", path=pattern))
    assert read_source(SourceSpec(kind="csv", path=f"{tmp_path}/1/*.csv")).num_rows == 3


def test_root_folder_is_refused_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_files, "MAX_LISTED_FILES", 2000)
    begun = time.monotonic()
    for path in ("/", "/**", "/**/*.csv"):
        with pytest.raises(SourceUnreadable, match="more than 2,000 files and folders lie below its path"):
            read_source(SourceSpec(kind="csv", path=path))
    with pytest.raises(CannotInferPipeline, match="more than 2,000 files and folders"):
        infer_source("/")
    assert time.monotonic() - begun < 5


@pytest.mark.usefixtures("folder")
def test_init_refuses_a_special_file() -> None:
    with pytest.raises(CannotInferPipeline, match=r"pipe\.csv is a FIFO, not a file"):
        infer_source("pipe.csv")
    with pytest.raises(CannotInferPipeline, match=r"mixed: .*b\.csv is a FIFO"):
        infer_source("mixed")


def test_path_of_a_pipeline_is_resolved_within_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(20):
        Path(f"{number}.csv").touch()
    document = tmp_path / "elsewhere" / "p.yaml"
    assert resolve_paths("1?.csv", document) == "1?.csv"
    assert resolve_paths("loop", document) == "loop"
    assert resolve_paths("a\0b", document) == "a\0b"
    monkeypatch.setattr(local_files, "MAX_LISTED_FILES", 10)
    with pytest.raises(SpecError, match=r"p\.yaml: the path '\*\*/gone\.csv' cannot be resolved: more than 10 files"):
        resolve_paths("**/gone.csv", document)
