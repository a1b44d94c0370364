"""The registry's database: damage is told from a lock, and from a transaction that a killed process left."""

import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.registry import database
from tasks.registry.database import RegistryBusy, database_fault


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "mlflow.db"
    with sqlite3.connect(file) as db:
        db.executescript("CREATE TABLE registered_models (name TEXT); CREATE TABLE runs (uri TEXT);")
    return file


def test_intact_database_has_no_fault_and_keeps_its_bytes(path: Path) -> None:
    before = path.read_bytes()
    assert database_fault(path) == ""
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("data", "fault"),
    [(b"", "is empty"), (b"no database at all", "is not a SQLite database"), (None, "is missing")],
)
def test_damage_is_named(path: Path, data: bytes | None, fault: str) -> None:
    path.unlink() if data is None else path.write_bytes(data)
    assert database_fault(path) == fault


def test_created_database_is_whole_on_disk_and_only_it_was_written_without_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, create_tables: Callable[[Path], None]
) -> None:
    from sqlalchemy import create_engine

    synced = list[int]()
    monkeypatch.setattr(database, "_create_tables", create_tables)
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_ino))
    with database._written_at_the_end(tmp_path / "new.db"):
        for name, synchronous in (("new.db", 0), ("other.db", 2)):
            with create_engine(f"sqlite:///{tmp_path / name}").connect() as connection:
                assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == synchronous
    file = tmp_path / "mlflow.db"
    database.ensure_database(file)
    assert (database_fault(file), synced) == ("", [file.stat().st_ino])
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    with create_engine(f"sqlite:///{file}").connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_torn_pages_are_damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 4096)
    assert database_fault(path).startswith("is damaged")


def test_locked_database_is_busy_and_not_damaged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT_S", 0.1)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises(RegistryBusy, match=r"locked.*Run the command again"):
        database_fault(path)
    writer.rollback()
    writer.close()
    assert database_fault(path) == ""


def test_transaction_of_a_killed_process_is_rolled_back(path: Path) -> None:
    child = os.fork()
    if child == 0:
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA cache_size = 1")
        db.execute("BEGIN EXCLUSIVE")
        for number in range(3000):  # larger than the cache, so that the journal lies on disk
            db.execute("INSERT INTO runs VALUES (?)", (f"run {number} " * 20,))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert path.with_name("mlflow.db-journal").exists()
    assert database_fault(path) == ""
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (0,)
