"""`nightcast doctor` on growth: size by kind, bytes of a run, and when the disk is full."""

import os
import shutil
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployments.doctor import growth_checks
from deployments.doctor.finding import CheckContext, Finding
from flows.settings import Settings

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MIB = 2**20
Usage = namedtuple("Usage", "total used free")


def findings(root: Path, monkeypatch: pytest.MonkeyPatch, free: int = 2**40) -> list[Finding]:
    monkeypatch.setenv("NIGHTCAST_STORE", str(root))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**41, 0, free))
    return list(growth_checks.check(CheckContext({}, Settings(), timedelta(hours=26), NOW)))


def write(path: Path, size: int, age_days: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
    moment = (NOW - timedelta(days=age_days)).timestamp()
    os.utime(path, (moment, moment))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten runs in ten days, of 3 MiB each, and an old table."""
    store = tmp_path / "store"
    for day in range(1, 11):
        write(store / f"runs/pipeline=shop/r{day}.json", 0, day)
        write(store / f"artifacts/raw/{day:064x}.parquet", 2 * MIB, day)
        write(store / f"reports/pipeline=shop/r{day}/drift.html", MIB, day)
    write(store / f"artifacts/clean/{0:064x}.parquet", 5 * MIB, 100)
    return store


@pytest.mark.parametrize(
    ("free", "state", "days"), [(2**40, "good", "349,525"), (150 * MIB, "watch", "50"), (15 * MIB, "bad", "5")]
)
def test_growth_is_bytes_per_run_and_days_until_the_disk_is_full(
    root: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str, days: str
) -> None:
    (finding,) = findings(root, monkeypatch, free)
    assert finding.state == state
    assert finding.message == (
        "the store has 35.0 MiB (raw 20.0 MiB, reports 10.0 MiB, clean 5.0 MiB, runs 0.0 MiB); "
        f"a run adds 3.0 MiB; the disk is full in {days} days"
    )
    assert "nightcast gc" in finding.step


def test_store_without_recent_runs_has_only_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "store/artifacts/clean" / f"{0:064x}.parquet", MIB, 100)
    (finding,) = findings(tmp_path / "store", monkeypatch)
    assert (finding.state, finding.message) == (
        "good",
        "the store has 1.0 MiB (clean 1.0 MiB); no run wrote to it in the last 14 days",
    )


def test_large_databases_are_reported(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / "mlflow/mlflow.db", 2**31, 100)
    write(root.parent / ".prefect/prefect.db", 2**31, 100)
    assert ", prefect.db has 2,048.0 MiB;" in findings(root, monkeypatch)[0].message
    states = {finding.message.split()[0]: finding.step for finding in findings(root, monkeypatch)[1:]}
    assert list(states) == [str(root / "mlflow/mlflow.db"), str(root.parent / ".prefect/prefect.db")]


def test_missing_store_has_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert findings(tmp_path / "none", monkeypatch) == []
