"""Real nights after `nightcast gc`: a kept night gives the same bytes, a collected one is computed again."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployments.maintenance.fsck import check_store
from deployments.maintenance.gc import collect_garbage
from flows.nightly import nightly

COLLECTED = ("artifacts", "cache", "reports", "snapshots")
FIRST, THIRD = "2024-02-08", "2024-02-10"
NOON = datetime(2024, 2, 9, 12, tzinfo=UTC)  # the third night is kept, and the second, which it compares with


def files_of(folder: Path, *tops: str) -> dict[str, bytes]:
    paths = (path for top in tops for path in (folder / top).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.slow
def test_kept_night_has_the_same_bytes_and_a_collected_one_is_computed_again(
    two_nights: tuple[Path, list[object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, store = two_nights[0], tmp_path / "store"
    shutil.copytree(folder / "store", store)
    monkeypatch.setenv("NIGHTCAST_STORE", str(store))
    monkeypatch.setenv("NIGHTCAST_PIPELINES", str(tmp_path))
    pipeline = str(folder / "ports.yaml")
    nightly.fn(pipeline, THIRD)
    assert check_store([], False)[0]["findings"] == []
    for path in store.rglob("*"):
        os.utime(path, (0, 0))
    before = files_of(store, "forecasts", "latest", "decisions", "runs", "actuals", "accuracy", "anomalies")
    whole = files_of(store, *COLLECTED)
    facts, _ = collect_garbage(f"{(datetime.now(UTC) - NOON) // timedelta(hours=1)}h", True)
    assert facts["kinds"]["raw"]["files"] == facts["kinds"]["reports"]["files"] // 4 == 1
    assert check_store([], False)[0]["findings"] == []
    kept = files_of(store, *COLLECTED)
    nightly.fn(pipeline, THIRD)
    after = files_of(store, *COLLECTED)
    assert {uri: after[uri] for uri in kept} == kept
    assert {uri for uri in set(after) - set(kept) if not uri.startswith("cache/")} == set()
    assert {uri: whole[uri] for uri in after} == after  # the same bytes as before gc
    assert not nightly.fn(pipeline, FIRST).cached
    assert files_of(store, "forecasts", "latest", "decisions", "runs", "actuals", "accuracy", "anomalies") == before
    assert check_store([], False)[0]["findings"] == []
