"""`nightcast gc`: frees the space of old nights, and leaves everything that a kept night or a reader needs."""

import json
import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from typer.testing import CliRunner

from data_contracts.artifact import iterate_artifacts
from deployments.cli.main import app
from deployments.maintenance.gc_plan import plan_collection
from deployments.maintenance.store_index import StoreIndex
from tasks.modeling.candidate import Candidate
from tasks.registry.inspection import read_registry
from tasks.storage import vintages
from tasks.storage.layout import cache_uri
from tasks.storage.lease import LeaseSettings, hold_lease
from tasks.storage.process_identity import current_process
from tasks.storage.store import Store
from tests.deployments.maintenance.conftest import (
    PIPELINE,
    bundle_of,
    forecasts_of,
    night_of,
    register,
    tracking_of,
    write_night,
)

ReadBytes = Callable[[Path], dict[str, bytes]]
NIGHTS, KEPT_NIGHTS = 100, 20
KEPT_FOR_EVER = ("forecasts/", "actuals/", "latest/", "decisions/", "runs/", "contracts/", "artifacts/forecasts/")


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)


def age_files(root: Path, since: float, moment: datetime) -> None:
    """Give every file that was written since a time the time of its night."""
    for path in root.rglob("*"):
        if path.is_file() and path.stat().st_mtime >= since and path.suffix != ".db":
            os.utime(path, (moment.timestamp(), moment.timestamp()))


@pytest.fixture(scope="module")
def first_night() -> datetime:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=NIGHTS - 1)


@pytest.fixture(scope="module")
def hundred_nights(tmp_path_factory: pytest.TempPathFactory, first_night: datetime) -> Path:
    """A hundred nights up to this one; every tenth promotes a model, every tenth plus five rejects a model."""
    root = tmp_path_factory.mktemp("nights") / "store"
    store = Store(root=str(root))
    champion: Candidate | None = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        for number in range(NIGHTS):
            previous, moment = champion, night_of(number, first_night)
            if number % 5 == 0:
                version = register(root, bundle_of(number), number)
                if number % 10 == 0:
                    artifact = store.put_bytes(bundle_of(number).to_bytes(), "bundle", "safetensors")
                    champion = Candidate(name="gru", role="champion", bundle=artifact, version=version)
            assert champion
            write_night(store, number, champion, previous, first_night)
            age_files(root, first_night.timestamp() + NIGHTS * 86400 - 86400, moment)
    with sqlite3.connect(root / "mlflow/mlflow.db") as db:
        start = int(first_night.timestamp() * 1000)
        runs = db.execute("SELECT version, run_id FROM model_versions").fetchall()
        db.executemany(
            "UPDATE runs SET start_time = ? WHERE run_uuid = ?",
            [(start + (version - 1) * 5 * 86_400_000, name) for version, name in runs],
        )
        db.execute("UPDATE registered_model_aliases SET version = 19")
    return root


@pytest.fixture
def nights(hundred_nights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NIGHTCAST_STORE", str(hundred_nights))
    monkeypatch.setenv("NIGHTCAST_PIPELINES", str(tmp_path))
    monkeypatch.delenv("NIGHTCAST_MLFLOW_URI", raising=False)
    return hundred_nights


@pytest.mark.slow  # builds a hundred nights, which takes half a minute
def test_hundred_nights_keep_what_is_referred_to(
    nights: Path, first_night: datetime, bytes_of: ReadBytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = f"{KEPT_NIGHTS - 1}d"
    store, before = Store(root=str(nights)), bytes_of(nights)
    code, planned = run("gc", "--keep", keep)
    assert (code, planned["applied"]) == (0, False)
    assert bytes_of(nights) == before  # a dry run by default

    monkeypatch.setenv("NIGHTCAST_LEASE_WAIT", "0.1")  # a night runs
    with hold_lease(store.root, PIPELINE, current_process("nightly shop"), LeaseSettings(seconds=60.0, wait=0.0)):
        code, refused = run("gc", "--keep", keep, "--apply")
    assert (code, refused["error"], bytes_of(nights)) == (1, "LeaseHeld", before)

    code, applied = run("gc", "--keep", keep, "--apply")
    after = bytes_of(nights)
    deleted = {uri: before[uri] for uri in set(before) - set(after)}
    assert (code, applied["files"], applied["bytes"]) == (0, len(deleted), sum(map(len, deleted.values())))
    for kind in ("raw", "clean", "windows"):
        assert applied["kinds"][kind]["files"] == NIGHTS - KEPT_NIGHTS
    assert not [uri for uri in deleted if uri.startswith(KEPT_FOR_EVER)]
    changed = {uri for uri in before if uri in after and after[uri] != before[uri]}
    assert changed == {"mlflow/mlflow.db"}

    for number in range(NIGHTS - KEPT_NIGHTS, NIGHTS):  # with the night before the first that is kept
        manifest = store.read_json(f"runs/pipeline={PIPELINE}/{number:016x}.json")
        assert manifest
        assert all(store.contains(artifact) for artifact in iterate_artifacts(manifest))
        assert Path(nights / manifest["page"]).exists()
    for uri in store.list_files(f"decisions/pipeline={PIPELINE}"):
        assert all(store.contains(artifact) for artifact in iterate_artifacts(store.read_json(uri)))
    versions = read_registry(tracking_of(nights), PIPELINE).versions
    champions = [str(version) for version in range(1, 20, 2)]
    assert sorted(versions, key=int) == sorted({*champions, "18", "20"}, key=int)  # rejected in a kept night: 18, 20
    code, checked = run("fsck")
    assert (code, [finding for finding in checked["findings"] if finding["state"] == "bad"]) == (0, [])
    assert run("gc", "--keep", keep, "--apply")[1]["files"] == 0


def test_files_of_a_running_night_are_kept(store: Store) -> None:
    """They are young, or a young cached result refers to them."""
    root = Path(store.root)
    old = store.put_bytes(b"<svg/>", "drawing", "svg")
    used = store.put_bytes(b"<svg></svg>", "drawing", "svg")
    young = store.put_bytes(b"<svg> </svg>", "drawing", "svg")
    store.write_json(f"cache/draw_memory/{'0' * 32}.json", {"result": used.model_dump(mode="json")})
    for artifact in (old, used):
        os.utime(root / artifact.uri, (0, 0))
    code, facts = run("gc", "--keep", "90d", "--apply")
    assert (code, facts["kinds"]["drawing"]["files"]) == (0, 1)
    assert [store.contains(artifact) for artifact in (old, used, young)] == [False, True, True]


def test_collection_of_an_object_store(first_night: datetime) -> None:
    store = Store(root="memory://bucket/nights")
    champion = Candidate(name="gru", role="champion", bundle=store.put_bytes(b"weights", "bundle", "bin"), version="1")
    for number in range(3):
        write_night(store, number, champion, None, first_night)
    for file in fsspec.filesystem("memory").store.values():
        file.created = first_night
    plan = plan_collection(StoreIndex(store), timedelta(days=NIGHTS - 2), None)
    assert {garbage.kind for garbage in plan.files} == {
        "raw", "clean", "windows", "quarantine", "bundle", "errors", "reports", "snapshots", "cache",
    }  # fmt: skip
    assert sum(garbage.kind == "raw" for garbage in plan.files) == 1
    assert plan.before == {PIPELINE: night_of(1, first_night)}


@pytest.mark.parametrize("keep", ["ninety", "-1d"])
def test_wrong_duration_has_exit_code_2(store: Store, keep: str) -> None:
    code, facts = run("gc", f"--keep={keep}")
    assert (code, facts["error"]) == (2, "SpecError")


@pytest.fixture
def aged(store: Store) -> Store:
    """Three nights of which every file is two days old."""
    then = datetime.now(UTC) - timedelta(days=2)
    for path in Path(store.root).rglob("*"):
        os.utime(path, (then.timestamp(), then.timestamp()))
    return store


@pytest.mark.parametrize("folder", ["decisions", "runs", "snapshots"])
def test_nothing_is_deleted_while_a_record_cannot_be_read(aged: Store, folder: str, bytes_of: ReadBytes) -> None:
    root = Path(aged.root)
    path = sorted((root / folder / f"pipeline={PIPELINE}").iterdir())[0]
    path.write_bytes(path.read_bytes()[:40])
    before = bytes_of(root)
    code, facts = run("gc", "--keep", "1d", "--apply")
    assert (code, facts["error"]) == (1, "RecordsUnreadable")
    assert f"{path.relative_to(root)} cannot be read" in facts["message"]
    assert "nightcast fsck --repair" in facts["message"]
    assert bytes_of(root) == before


def test_failed_night_is_not_the_night_that_the_next_compares_with(aged: Store) -> None:
    later = night_of(5).isoformat()
    failed = {"pipeline": PIPELINE, "flow": "nightly", "as_of": later, "started": later, "outcome": "refused"}
    aged.write_json(f"runs/pipeline={PIPELINE}/refused-nightly-2024-03-06T000000Z.json", failed)
    assert run("gc", "--keep", "1d", "--apply")[0] == 0
    assert [path.name for path in Path(aged.root).glob("snapshots/*/*")] == ["vintage=2024-03-03T000000Z.json"]
    for artifact in iterate_artifacts(aged.read_json(f"snapshots/pipeline={PIPELINE}/vintage=2024-03-03T000000Z.json")):
        aged.get(artifact)


def test_runs_and_aliases_of_people_are_kept(aged: Store) -> None:
    from tasks.registry.mlflow_registry import ModelRegistry

    registry = ModelRegistry(tracking_of(Path(aged.root)), PIPELINE)
    experiment = registry.client.get_experiment_by_name(PIPELINE)
    mine = registry.client.create_run(experiment.experiment_id, start_time=1).info.run_id
    registry.client.set_registered_model_alias(PIPELINE, "production", "2")  # no decision names version 2
    index, month = StoreIndex(aged), timedelta(days=30)
    plan = plan_collection(index, month, tracking_of(Path(aged.root)))
    expired = [run for runs in plan.runs.values() for run in runs]
    assert mine not in [run.run for run in expired]
    assert "2" not in [run.version for run in expired]


def test_file_that_is_stored_again_counts_as_young(aged: Store) -> None:
    data = b"<svg>drawn again</svg>"
    stored = aged.put_bytes(data, "drawing", "svg")
    path = Path(aged.root) / stored.uri
    os.utime(path, (0, 0))
    assert aged.put_bytes(data, "drawing", "svg") == stored
    assert path.stat().st_mtime > datetime.now(UTC).timestamp() - 60


def test_table_of_a_night_that_ran_again_stays_known(store: Store) -> None:
    """The manifest stays that of the first run, so only a cached result names the table of the second."""
    newest, root = night_of(2), Path(store.root)
    table = store.put(forecasts_of(7, newest), "forecasts")
    published = vintages.publish(table, PIPELINE, newest, store)
    result = {"table": table.model_dump(mode="json"), "published": published.model_dump(mode="json")}
    store.write_json(cache_uri("forecast", f"{99:032x}"), {"result": result})
    for path in root.rglob("*"):
        os.utime(path, (0, 0))
    assert run("gc", "--keep", "1d", "--apply")[0] == 0
    code, checked = run("fsck")
    assert (code, [finding for finding in checked["findings"] if finding["state"] == "bad"]) == (0, [])
