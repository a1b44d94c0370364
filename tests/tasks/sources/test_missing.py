"""A source that does not exist or does not answer is named as such: where it was looked for, and the nearest name."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from data_contracts.errors import ContractBroken, NightcastError, SourceUnreadable
from tasks.sources.missing import SourceMissing, SourceUnreachable
from tasks.sources.read import read_source
from tasks.sources.spec import SourceSpec


class Refusing(BaseHTTPRequestHandler):
    """Answers /404, /403 and /503 with that status."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 - the names of http.server

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sales.csv").write_text("day,sold\n2024-01-01,1\n", encoding="utf-8")
    (tmp_path / "data" / "sales.yaml").write_text("name: sales\n", encoding="utf-8")
    return tmp_path


def refusal(source: SourceSpec) -> NightcastError:
    with pytest.raises(NightcastError) as refused:
        read_source(source)
    return refused.value


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("data/sale.csv", "the nearest name is {folder}/data/sales.csv"),
        ("data/sales.parquet", "the nearest name is {folder}/data/sales.csv"),
        ("dat/sales.csv", "the nearest name is {folder}/data"),
        ("data/of/last/year/x.csv", "the folder {folder}/data exists and holds sales.csv"),
        ("data/*.json", "the folder {folder}/data exists and holds sales.csv"),
    ],
)
def test_missing_file_is_named_with_its_absolute_path_and_the_nearest_name(folder: Path, path: str, near: str) -> None:
    error = refusal(SourceSpec(kind="csv", path=path))
    assert isinstance(error, SourceMissing)
    assert not isinstance(error, ContractBroken)
    assert error.exit_code == 2
    assert f"Looked for {folder}/{path} " in str(error)
    assert near.format(folder=folder) in str(error)
    assert "sales.yaml" not in str(error)


def test_folder_without_a_table_is_named(folder: Path) -> None:
    (folder / "empty").mkdir()
    error = refusal(SourceSpec(kind="parquet", path="empty"))
    assert isinstance(error, SourceMissing)
    assert f"{folder}/empty is a folder without a file that is read" in str(error)


def test_missing_file_of_a_function_is_an_error_of_the_function(folder: Path) -> None:
    (folder / "opens.py").write_text("def table():\n    return open('gone.csv')\n", encoding="utf-8")
    source = SourceSpec(kind="python", callable="opens:table")
    source._folder = str(folder)
    error = refusal(source)
    assert isinstance(error, SourceUnreadable)
    assert "gone.csv" in str(error)


def test_missing_database_file_is_a_missing_source(folder: Path) -> None:
    error = refusal(SourceSpec(kind="sql", url="sqlite:///data/sale.db", table="t"))
    assert isinstance(error, SourceMissing)
    assert f"Looked for {folder}/data/sale.db" in str(error)
    assert "correct source.url" in str(error)


@pytest.mark.parametrize(
    ("status", "expected"), [(404, SourceMissing), (403, SourceUnreachable), (503, SourceUnreachable)]
)
def test_server_that_refuses_is_not_a_missing_file(server: str, status: int, expected: type[NightcastError]) -> None:
    source = SourceSpec(kind="csv", path=f"{server}/{status}/sales.csv").permit_private_addresses(True)
    error = refusal(source)
    assert type(error) is expected
    assert ("does not exist" in str(error)) == (expected is SourceMissing)


def test_server_that_does_not_answer_is_unreachable_with_its_own_exit_code() -> None:
    source = SourceSpec(kind="parquet", path="http://127.0.0.1:9/x.parquet").permit_private_addresses(True)
    error = refusal(source)
    assert isinstance(error, SourceUnreachable)
    assert isinstance(error, SourceUnreadable)
    assert error.exit_code == 1
    assert "cannot be reached. Check its server, the network and the credentials, then run" in str(error)
    assert "broke its contract" not in str(error)
