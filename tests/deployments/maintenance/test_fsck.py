"""`nightcast fsck` reports every planted corruption and nothing else, and `--repair` brings back what can be proved."""

import json
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import fsspec
import pytest
from typer.testing import CliRunner

from deployments.cli.main import app
from tasks.modeling.candidate import Candidate
from tasks.registry.inspection import read_registry
from tasks.storage.lease import LeaseSettings, hold_lease
from tasks.storage.process_identity import current_process
from tasks.storage.store import Store
from tests.deployments.maintenance.conftest import PIPELINE, bundle_of, tracking_of, write_night

ReadBytes = Callable[[Path], dict[str, bytes]]
VINTAGES = [f"vintage=2024-03-0{day}T000000Z" for day in (1, 2, 3)]
VINTAGE, OLD_VINTAGE = (
    f"forecasts/pipeline={PIPELINE}/{name}/forecasts.parquet" for name in (VINTAGES[2], VINTAGES[0])
)
LATEST_HISTORY = f"latest/pipeline={PIPELINE}/history.parquet"
LATEST_ERRORS = f"latest/pipeline={PIPELINE}/errors.parquet"
ANOMALIES = f"anomalies/pipeline={PIPELINE}/{VINTAGES[2]}/anomalies.parquet"
LATEST = f"latest/pipeline={PIPELINE}/forecasts.parquet"
DECISION, OLD_DECISION = (f"decisions/pipeline={PIPELINE}/{name}.json" for name in (VINTAGES[2], VINTAGES[0]))
SNAPSHOT = f"snapshots/pipeline={PIPELINE}/{VINTAGES[1]}.json"
MANIFEST, OLD_MANIFEST = (f"runs/pipeline={PIPELINE}/{number:016x}.json" for number in (2, 0))


def leave_half_written(root: Path) -> None:
    """Leave what a process that was killed two days ago left."""
    path = root / f"artifacts/raw/.{'0' * 32}.part"
    path.write_bytes(b"PAR1")
    then = time.time() - 2 * 86400
    os.utime(path, (then, then))


def fsck(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, ["fsck", *arguments, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)


def bad(facts: dict[str, Any]) -> list[str]:
    return [finding["file"] for finding in facts["findings"] if finding["state"] == "bad"]


def flip(path: Path, offset: int = -20) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(bytes(data))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def swap(first: Path, second: Path) -> None:
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)


def link_out(path: Path) -> None:
    outside = next(folder for folder in path.parents if folder.name == "store").with_name(f"outside-{path.name}")
    shutil.move(path, outside)
    path.symlink_to(outside)


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def change_json(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def file_of(root: Path, pattern: str, number: int = 0) -> Path:
    return sorted(root.glob(pattern))[number]


def champion_bundle(root: Path) -> Path:
    return root / json.loads((root / DECISION).read_text())["champion"]["bundle"]["uri"]


def champion_weights(root: Path) -> Path:
    weights = bundle_of(2).to_bytes()
    return next(path for path in root.glob("mlflow/artifacts/*/artifacts/model/*") if path.read_bytes() == weights)


def set_alias(root: Path) -> None:
    with sqlite3.connect(root / "mlflow/mlflow.db") as db:
        db.execute("UPDATE registered_model_aliases SET version = 2 WHERE alias = 'champion'")


def drop_version(root: Path) -> None:
    with sqlite3.connect(root / "mlflow/mlflow.db") as db:
        db.execute("DELETE FROM registered_model_aliases")
        db.execute("DELETE FROM model_version_tags WHERE version = 1")
        db.execute("DELETE FROM model_versions WHERE version = 1")


class Corruption(NamedTuple):
    """What is done to a store, the file that is reported, and whether `--repair` gives the same bytes again."""

    plant: Callable[[Path], object]
    reported: str
    outcome: str = "same bytes"


PUBLISHED_ARTIFACT = "artifacts/forecasts/"
CORRUPTIONS = {
    "artifact with a copy: bit": Corruption(
        lambda root: flip(file_of(root, "artifacts/forecasts/*")), PUBLISHED_ARTIFACT
    ),
    "artifact with a copy: truncated": Corruption(
        lambda root: truncate(file_of(root, "artifacts/forecasts/*")), PUBLISHED_ARTIFACT
    ),
    "artifact with a copy: deleted": Corruption(
        lambda root: file_of(root, "artifacts/forecasts/*").unlink(), PUBLISHED_ARTIFACT
    ),
    "artifacts swapped": Corruption(
        lambda root: swap(file_of(root, "artifacts/raw/*"), file_of(root, "artifacts/raw/*", 1)), "artifacts/raw/"
    ),
    "artifact: link out": Corruption(lambda root: link_out(file_of(root, "artifacts/forecasts/*")), PUBLISHED_ARTIFACT),
    "artifact without a copy: bit": Corruption(
        lambda root: flip(file_of(root, "artifacts/windows/*")), "artifacts/windows/", "named"
    ),
    "artifact without a copy: deleted": Corruption(
        lambda root: file_of(root, "artifacts/raw/*").unlink(), "artifacts/raw/", "named"
    ),
    "champion bundle: bit": Corruption(lambda root: flip(champion_bundle(root)), "artifacts/bundle/"),
    "champion bundle: deleted": Corruption(lambda root: champion_bundle(root).unlink(), "artifacts/bundle/"),
    "published vintage: bit": Corruption(lambda root: flip(root / VINTAGE), VINTAGE),
    "published vintage: truncated": Corruption(lambda root: truncate(root / VINTAGE), VINTAGE),
    "published vintage: deleted": Corruption(lambda root: (root / VINTAGE).unlink(), VINTAGE),
    "published vintages swapped": Corruption(lambda root: swap(root / VINTAGE, root / OLD_VINTAGE), VINTAGE),
    "latest: bit": Corruption(lambda root: flip(root / LATEST), LATEST),
    "latest: stale": Corruption(lambda root: shutil.copy(root / OLD_VINTAGE, root / LATEST), LATEST),
    "latest: deleted": Corruption(lambda root: (root / LATEST).unlink(), LATEST),
    "latest history: bit": Corruption(lambda root: flip(root / LATEST_HISTORY), LATEST_HISTORY),
    "latest history: deleted": Corruption(lambda root: (root / LATEST_HISTORY).unlink(), LATEST_HISTORY),
    "latest errors: bit": Corruption(lambda root: flip(root / LATEST_ERRORS), LATEST_ERRORS),
    "latest errors: deleted": Corruption(lambda root: (root / LATEST_ERRORS).unlink(), LATEST_ERRORS),
    "anomalies: bit": Corruption(lambda root: flip(root / ANOMALIES), ANOMALIES),
    "anomalies: deleted": Corruption(lambda root: (root / ANOMALIES).unlink(), ANOMALIES),
    "decision: bit": Corruption(lambda root: change_json(root / DECISION, '"3"', '"2"'), DECISION),
    "decision: torn": Corruption(lambda root: truncate(root / DECISION), DECISION),
    "decision: deleted": Corruption(lambda root: (root / DECISION).unlink(), DECISION),
    "decisions swapped": Corruption(lambda root: swap(root / DECISION, root / OLD_DECISION), DECISION),
    "second copy of a decision: deleted": Corruption(
        lambda root: file_of(root, "artifacts/decision/*").unlink(), "artifacts/decision/"
    ),
    "second copy of actuals: deleted": Corruption(
        lambda root: file_of(root, "artifacts/actuals/*").unlink(), "artifacts/actuals/"
    ),
    "snapshot: torn": Corruption(lambda root: truncate(root / SNAPSHOT), SNAPSHOT, "repaired"),
    "snapshot: bit": Corruption(lambda root: change_json(root / SNAPSHOT, '"r"', '"s"'), SNAPSHOT, "repaired"),
    "snapshot: deleted": Corruption(lambda root: (root / SNAPSHOT).unlink(), SNAPSHOT, "repaired"),
    "manifest: torn": Corruption(lambda root: truncate(root / MANIFEST), MANIFEST, "moved away"),
    "manifest: bit": Corruption(lambda root: change_json(root / MANIFEST, '"good"', '"gooe"'), MANIFEST, "moved away"),
    "manifests swapped": Corruption(lambda root: swap(root / MANIFEST, root / OLD_MANIFEST), MANIFEST),
    "cache: torn": Corruption(lambda root: truncate(file_of(root, "cache/train/*")), "cache/train/", "repaired"),
    "cache: bit": Corruption(
        lambda root: change_json(file_of(root, "cache/train/*"), "lstm", "lstn"), "cache/train/", "repaired"
    ),
    "quarantine: bit": Corruption(lambda root: flip(file_of(root, "quarantine/*/*")), "quarantine/", "named"),
    "page: bit": Corruption(lambda root: flip(file_of(root, "reports/*/*/index.html"), 9), "reports/", "named"),
    "database deleted": Corruption(lambda root: (root / "mlflow/mlflow.db").unlink(), "mlflow/mlflow.db", "repaired"),
    "database garbage": Corruption(
        lambda root: (root / "mlflow/mlflow.db").write_bytes(b"garbage" * 99), "mlflow/mlflow.db", "repaired"
    ),
    "database empty": Corruption(
        lambda root: (root / "mlflow/mlflow.db").write_bytes(b""), "mlflow/mlflow.db", "repaired"
    ),
    "database truncated": Corruption(lambda root: truncate(root / "mlflow/mlflow.db"), "mlflow/mlflow.db", "repaired"),
    "database without a version": Corruption(drop_version, "mlflow/mlflow.db", "repaired"),
    "weights in MLflow: bit": Corruption(lambda root: flip(champion_weights(root)), "mlflow/artifacts/"),
    "weights in MLflow: deleted": Corruption(lambda root: champion_weights(root).unlink(), "mlflow/artifacts/"),
    "alias moved": Corruption(set_alias, "mlflow/mlflow.db", "repaired"),
    "half-written file": Corruption(leave_half_written, "artifacts/raw/.0000"),
    "artifact replaced by a pipe": Corruption(
        lambda root: replace_by_pipe(file_of(root, "artifacts/forecasts/*")), PUBLISHED_ARTIFACT
    ),
    "file writable by others": Corruption(lambda root: (root / VINTAGE).chmod(0o666), VINTAGE),
}


def test_healthy_store_has_no_finding_and_is_not_touched(store: Store, bytes_of: ReadBytes) -> None:
    before = bytes_of(Path(store.root))
    for arguments in ((), ("--repair",), (PIPELINE,)):
        code, facts = fsck(*arguments)
        assert (code, facts["findings"], facts["repaired"]) == (0, [], [])
    assert bytes_of(Path(store.root)) == before


# The others take a second each; those of the database create one, which takes ten.
SAMPLE = {
    "artifact with a copy: bit",
    "artifact without a copy: bit",
    "champion bundle: bit",
    "published vintage: truncated",
    "latest: stale",
    "latest history: bit",
    "latest errors: bit",
    "decision: bit",
    "manifest: torn",
    "cache: bit",
    "weights in MLflow: bit",
    "alias moved",
}
MARKED = [name if name in SAMPLE else pytest.param(name, marks=pytest.mark.slow) for name in CORRUPTIONS]


@pytest.mark.parametrize("name", MARKED)
def test_planted_corruption_is_reported_and_repaired(store: Store, bytes_of: ReadBytes, name: str) -> None:
    root, corruption = Path(store.root), CORRUPTIONS[name]
    before = bytes_of(root)
    corruption.plant(root)
    damaged = bytes_of(root)
    code, facts = fsck()
    assert code == 1
    assert any(uri.startswith(corruption.reported) for uri in bad(facts)), facts["findings"]
    assert all(finding["message"] and finding["step"] for finding in facts["findings"] if finding["state"] == "bad")
    assert bytes_of(root) == damaged  # nothing is changed without --repair
    code, facts = fsck("--repair")
    if corruption.outcome == "named":
        assert code == 1
        assert any("--as-of 2024-03-0" in finding["step"] for finding in facts["findings"])
        return
    assert facts.get("repaired"), facts
    if corruption.outcome == "moved away":
        assert bad(facts) == [corruption.reported]  # until its night runs again
    else:
        assert (code, bad(facts)) == (0, []), facts["findings"]
    after = bytes_of(root)
    if corruption.outcome == "same bytes":
        assert after == before
    published = [uri for uri in before if uri.startswith(("forecasts/", "latest/", "decisions/", "artifacts/"))]
    assert {uri: after[uri] for uri in published} == {uri: before[uri] for uri in published}
    registry = read_registry(tracking_of(root), PIPELINE)
    assert registry.aliases["champion"] == "3"
    assert registry.versions["3"].digest == champion_bundle(root).stem
    code, again = fsck("--repair")
    assert (again["repaired"], bytes_of(root)) == ([], after)  # nothing is left to do


@pytest.mark.slow
def test_random_bit_flips_are_reported(store: Store) -> None:
    """In every file from which anything is computed or read; not in drawings and settings that MLflow shows."""
    root, draw = Path(store.root), random.Random(14)  # noqa: S311 - a seed, not a secret
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.name not in {".door", "mlflow.db"})
    files = [path for path in files if path.stat().st_size and path.name != "settings.json"]
    missed = []
    for _ in range(60):
        path = draw.choice(files)
        data = bytearray(path.read_bytes())
        before, index = bytes(data), draw.randrange(len(data))
        data[index] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(data))
        if path.relative_to(root).as_posix() not in bad(fsck()[1]):
            missed.append((path, index))
        path.write_bytes(before)
    assert missed == []


@pytest.mark.slow
def test_rebuilt_registry_continues_the_numbers_and_keeps_the_damaged_database(store: Store) -> None:
    from tests.deployments.maintenance.conftest import register

    root = Path(store.root)
    garbage = b"garbage" * 99
    (root / "mlflow/mlflow.db").write_bytes(garbage)
    assert fsck("--repair")[0] == 0
    assert [path.read_bytes() for path in (root / "lost+found/mlflow").iterdir()] == [garbage]
    assert sorted(read_registry(tracking_of(root), PIPELINE).versions) == ["1", "3"]
    assert register(root, bundle_of(7), 7) == "4"


def test_latest_of_the_future_is_replaced_by_the_newest_vintage(store: Store) -> None:
    root = Path(store.root)
    future = root / f"forecasts/pipeline={PIPELINE}/vintage=2924-03-01T000000Z/forecasts.parquet"
    future.parent.mkdir()
    shutil.copy(root / OLD_VINTAGE, future)
    shutil.copy(future, root / LATEST)
    code, facts = fsck()
    assert (code, LATEST in bad(facts)) == (1, True)
    fsck("--repair")
    assert (root / LATEST).read_bytes() == (root / VINTAGE).read_bytes()


def test_link_of_a_folder_and_rights_of_a_folder_are_reported(store: Store, tmp_path: Path) -> None:
    root = Path(store.root)
    shutil.move(root / "actuals", tmp_path / "outside")
    (root / "actuals").symlink_to(tmp_path / "outside")
    (root / "cache").chmod(0o777)
    messages = {finding["file"]: finding["message"] for finding in fsck()[1]["findings"]}
    assert messages["actuals"] == f"is a symbolic link to {tmp_path / 'outside'}, outside the store"
    assert messages["cache"] == "is a folder that other users may write to"


def test_night_that_ran_again_makes_up_for_what_its_first_run_has_lost(store: Store) -> None:
    root, record = Path(store.root), store.read_json(OLD_MANIFEST)
    assert record
    lost = record["story"]["windows"]["uri"]
    (root / lost).unlink()
    code, facts = fsck("--repair")  # deletes the cached result
    assert (code, bad(facts)) == (1, [lost])
    again = record | {"run_id": "again", "manifest": f"runs/pipeline={PIPELINE}/again.json"}
    again |= {"story": record["story"] | {"windows": record["story"]["raw"]}, "finished": "2025-01-01T00:00:00+00:00"}
    store.write_json(again["manifest"], again)
    assert fsck()[0] == 0


def test_unknown_files_and_orphans_are_notes(store: Store) -> None:
    (Path(store.root) / "notes.txt").write_text("mine")
    orphan = store.put_bytes(b"<svg/>", "drawing", "svg")
    code, facts = fsck()
    assert code == 0
    assert sorted((finding["file"], finding["state"]) for finding in facts["findings"]) == [
        (orphan.uri, "note"),
        ("notes.txt", "note"),
    ]


def test_what_a_running_night_is_about_to_write_is_not_damage(store: Store) -> None:
    root = Path(store.root)
    (root / f"artifacts/raw/.{'0' * 32}.part").write_bytes(b"PAR1")
    shutil.copy(root / OLD_VINTAGE, root / LATEST)
    settings = LeaseSettings(seconds=60.0, wait=0.0)
    with hold_lease(store.root, PIPELINE, current_process("nightly shop"), settings):
        code, facts = fsck()
    assert (code, bad(facts)) == (0, [])
    assert "a run is writing to shop now" in facts["findings"][0]["message"]


def test_repair_waits_for_a_running_night(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTCAST_LEASE_WAIT", "0.1")
    root = Path(store.root)
    flip(champion_bundle(root))
    with hold_lease(store.root, PIPELINE, current_process("nightly shop"), LeaseSettings(seconds=60.0, wait=0.0)):
        code, facts = fsck("--repair")
    assert (code, facts["error"]) == (1, "LeaseHeld")


def test_damaged_file_without_references_is_moved_away(store: Store) -> None:
    drawing = Path(store.root) / store.put_bytes(b"<svg/>", "drawing", "svg").uri
    drawing.write_bytes(b"<svg>")
    assert bad(fsck()[1]) == [drawing.relative_to(store.root).as_posix()]
    code, facts = fsck("--repair")
    assert (code, drawing.exists()) == (0, False)
    (lost,) = (finding["file"] for finding in facts["findings"])
    assert (Path(store.root) / lost).read_bytes() == b"<svg>"


def test_object_store_is_checked_and_repaired(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store = Store(root="memory://checked/nights")
    bundle = store.put_bytes(bundle_of(0).to_bytes(), "bundle", "safetensors")
    write_night(store, 0, Candidate(name="gru", role="champion", bundle=bundle, version="1"), None)
    monkeypatch.setenv("NIGHTCAST_STORE", store.root)
    monkeypatch.setenv("NIGHTCAST_PIPELINES", str(tmp_path))
    monkeypatch.delenv("NIGHTCAST_MLFLOW_URI", raising=False)
    assert fsck("--repair")[1]["findings"] == []
    memory = fsspec.filesystem("memory")
    data = memory.cat_file(f"/checked/nights/{OLD_VINTAGE}")
    memory.pipe_file(f"/checked/nights/{OLD_VINTAGE}", data[:100])
    memory.rm_file(f"/checked/nights/{LATEST}")
    assert sorted(bad(fsck()[1])) == [OLD_VINTAGE, LATEST]
    code, facts = fsck("--repair")
    assert (code, len(facts["repaired"])) == (0, 2)
    assert memory.cat_file(f"/checked/nights/{LATEST}") == data


@pytest.mark.timeout(60)
def test_pipes_in_any_folder_are_reported_and_not_opened(store: Store) -> None:
    names = (f"runs/pipeline={PIPELINE}/x.json", "cache/train/00.json", "notes", LATEST)
    for name in names:
        (Path(store.root) / name).unlink(missing_ok=True)
        os.mkfifo(Path(store.root) / name)
    assert sorted(bad(fsck()[1])) == sorted(names)


def test_store_without_files_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "typo"))
    code, facts = fsck()
    assert (code, facts["error"]) == (1, "StoreUnusable")


def test_unknown_pipeline_has_exit_code_2(store: Store) -> None:
    code, facts = fsck("shopp")
    assert (code, facts["error"]) == (2, "SpecError")


def test_half_written_file_of_the_last_day_may_belong_to_a_run(store: Store) -> None:
    path = Path(store.root) / f"artifacts/raw/.{'0' * 32}.part"
    path.write_bytes(b"PAR1")
    assert fsck("--repair")[0] == 0
    assert path.exists()


def test_torn_record_of_gc_is_named_with_the_way_out(store: Store) -> None:
    uri = f"retention/pipeline={PIPELINE}.json"
    store.write_json(uri, {"pipeline": PIPELINE, "before": "2024-03-02T00:00:00+00:00"})
    truncate(Path(store.root) / uri)
    code, facts = fsck()
    (finding,) = [finding for finding in facts["findings"] if finding["file"] == uri]
    assert (code, finding["state"], finding["repairable"]) == (1, "bad", False)
    assert "nightcast gc --apply" in finding["step"]


def test_locked_registry_is_not_moved_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.registry.database.LOCK_TIMEOUT_S", 0.1)
    path = Path(store.root) / "mlflow/mlflow.db"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    before = path.read_bytes()
    code, facts = fsck("--repair")
    assert code == 1
    assert [finding["message"] for finding in facts["findings"] if finding["state"] == "bad"] == ["cannot be read now"]
    assert path.read_bytes() == before
    writer.close()


def test_registry_that_does_not_answer_is_named_with_the_next_step(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTCAST_MLFLOW_URI", "http://me:hunter2@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    code, facts = fsck()
    (finding,) = [finding for finding in facts["findings"] if finding["state"] == "bad"]
    assert (code, finding["file"], finding["message"]) == (1, "http://…@127.0.0.1:9", "does not answer")
    assert finding["step"] == "Start it, or correct NIGHTCAST_MLFLOW_URI."


def test_one_repair_that_fails_does_not_stop_the_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(store.root)
    (root / "mlflow/mlflow.db").write_bytes(b"")
    (root / LATEST).unlink()

    def refuse(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deployments.maintenance.repair.restore_versions", refuse)
    code, facts = fsck("--repair")
    assert code == 1
    assert (root / LATEST).exists()
    assert any("No space left" in finding["message"] for finding in facts["findings"])
