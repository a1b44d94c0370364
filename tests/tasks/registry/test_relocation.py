"""A registry that is copied or moved: its models lie in the copy, and the original stays as it is."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from flows.settings import Settings
from tasks.registry.mlflow_registry import LoggedModel, ModelRegistry, TrackingSettings
from tasks.registry.relocation import LOCATIONS, relocate_artifacts

SCHEMA = """
CREATE TABLE experiments (artifact_location TEXT);
CREATE TABLE runs (artifact_uri TEXT);
CREATE TABLE model_versions (source TEXT, storage_location TEXT);
INSERT INTO experiments VALUES ('file:///old/store/mlflow/artifacts'), ('/cwd/mlruns/0'), ('s3://bucket/mlflow/artifacts'),
 ('file:///home/me/artifacts');
INSERT INTO runs VALUES ('file:///old/store/mlflow/artifacts/r1/artifacts'), ('s3://bucket/r2'),
 ('file:///old/store/mlflow/artifacts-of-me/r3'), (NULL);
INSERT INTO model_versions VALUES ('file:///old/store/mlflow/artifacts/r1/artifacts/model', NULL), ('models:/m-1', 'x');
"""


def logged(digest: str) -> LoggedModel:
    return LoggedModel(
        name="gru", digest=digest, settings={}, metrics={}, curve=(), weights=digest.encode(), settings_json="{}"
    )


def tracking_in(store: Path) -> TrackingSettings:
    home = store / "mlflow"
    artifacts = (home / "artifacts").as_uri()
    return TrackingSettings(uri=f"sqlite:///{home}/mlflow.db", artifacts=artifacts, in_store=True)


def register(store: Path, digest: str) -> str:
    registry = ModelRegistry(tracking_in(store), "shop")
    return registry.register_version(digest, registry.log_model(logged(digest), "night"), "night")


def locations(database: Path) -> set[str]:
    queries = [f"SELECT {column} FROM {table}" for table, column in LOCATIONS]  # noqa: S608
    with sqlite3.connect(database) as db:
        rows = [value for query in queries for (value,) in db.execute(query)]
    return {value for value in rows if value and value.startswith("file:")}


def test_only_locations_of_the_moved_store_change(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    with sqlite3.connect(database) as db:
        db.executescript(SCHEMA)
    assert relocate_artifacts(database, "file:///new/mlflow/artifacts", 2) == 3
    with sqlite3.connect(database) as db:
        queries = ("SELECT * FROM experiments", "SELECT * FROM runs", "SELECT * FROM model_versions")
        rows = [db.execute(query).fetchall() for query in queries]
    assert rows == [
        [("file:///new/mlflow/artifacts",), ("/cwd/mlruns/0",), ("s3://bucket/mlflow/artifacts",),
         ("file:///home/me/artifacts",)],
        [("file:///new/mlflow/artifacts/r1/artifacts",), ("s3://bucket/r2",),
         ("file:///old/store/mlflow/artifacts-of-me/r3",), (None,)],
        [("file:///new/mlflow/artifacts/r1/artifacts/model", None), ("models:/m-1", "x")],
    ]  # fmt: skip
    assert relocate_artifacts(database, "file:///new/mlflow/artifacts", 2) == 0


def test_same_folder_under_another_path_is_not_a_move(tmp_path: Path) -> None:
    (tmp_path / "store/mlflow").mkdir(parents=True)
    (tmp_path / "mount").symlink_to(tmp_path / "store")
    database = tmp_path / "store/mlflow/mlflow.db"
    with sqlite3.connect(database) as db:
        db.executescript(SCHEMA.replace("file:///old/store/", f"{(tmp_path / 'store').as_uri()}/"))
    assert relocate_artifacts(database, (tmp_path / "mount/mlflow/artifacts").as_uri(), 2) == 0


def test_copied_and_moved_registries_write_only_into_their_own_store(tmp_path: Path) -> None:
    original, copy = tmp_path / "a b" / "store", tmp_path / "copy"  # a space is escaped in a URI
    assert register(original, "d1") == "1"
    shutil.copytree(original, copy)
    before = {path: path.stat().st_mtime_ns for path in original.rglob("*")}
    assert register(copy, "d2") == "2"
    assert ModelRegistry(tracking_in(copy), "shop").read_weights("d1") == b"d1"
    assert {path: path.stat().st_mtime_ns for path in original.rglob("*")} == before
    assert register(original, "d3") == "2"
    shutil.rmtree(original)
    shutil.move(copy, tmp_path / "moved")
    assert register(tmp_path / "moved", "d4") == "3"
    home = (tmp_path / "moved/mlflow/artifacts").as_uri()
    assert {uri[: len(home)] for uri in locations(tmp_path / "moved/mlflow/mlflow.db")} == {home}
    assert not copy.exists()
    assert not original.exists()


def test_files_of_a_database_outside_the_store_lie_next_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setenv("NIGHTCAST_STORE", "s3://bucket/nights")
    monkeypatch.setenv("NIGHTCAST_MLFLOW_URI", f"sqlite:///{tmp_path}/x.db")
    tracking = Settings().tracking
    registry = ModelRegistry(tracking, "shop")
    registry.register_version("d1", registry.log_model(logged("d1"), "night"), "night")
    assert not list((tmp_path / "cwd").iterdir())
    assert [path.read_bytes() for path in (tmp_path / "x-artifacts").rglob("weights.safetensors")] == [b"d1"]
    assert tracking.artifacts == (tmp_path / "x-artifacts").as_uri()
    assert not tracking.in_store


def test_files_that_stayed_where_the_database_says_are_left_there(tmp_path: Path) -> None:
    old, new = tmp_path / "old/mlflow", tmp_path / "new/mlflow"
    (old / "artifacts").mkdir(parents=True)
    new.mkdir(parents=True)
    with sqlite3.connect(new / "mlflow.db") as db:
        db.executescript(SCHEMA.replace("/old/store/mlflow", str(old)))
    assert relocate_artifacts(new / "mlflow.db", (new / "artifacts").as_uri(), 2) == 0
    with sqlite3.connect(new / "mlflow.db") as db:
        recorded = [location for (location,) in db.execute("SELECT artifact_location FROM experiments")]
    assert (old / "artifacts").as_uri() in recorded
