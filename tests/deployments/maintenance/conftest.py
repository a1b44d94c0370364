"""A store of a few nights, written by the functions of the steps in tenths of a second, with a real registry."""

import json
import os
import shutil
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.artifact import Artifact
from data_contracts.odcs_compiler import builtin_contract
from models.bundle import BaselineSettings, Bundle
from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from tasks.modeling.candidate import Candidate
from tasks.registry import champions
from tasks.registry.mlflow_registry import LoggedModel, ModelRegistry, TrackingSettings
from tasks.storage import vintages
from tasks.storage.layout import (
    cache_uri,
    contracts_dir,
    manifest_uri,
    quarantine_dir,
    record_uri,
    report_dir,
    vintage_uri,
)
from tasks.storage.snapshots import Snapshot, record_snapshot
from tasks.storage.store import Store

FIRST_NIGHT = datetime(2024, 3, 1, tzinfo=UTC)
PIPELINE, HORIZON = "shop", 3
VIEW = InputSpec(features=FeatureSpec(known=()), freq="h", zone="UTC", lookback=24, horizon=HORIZON)


def night_of(number: int, first: datetime = FIRST_NIGHT) -> datetime:
    return first + timedelta(days=number)


def run_id(number: int) -> str:
    return f"{number:016x}"


def bundle_of(number: int) -> Bundle:
    levels = (0.1, 0.5, 0.9)
    settings = {"view": VIEW.model_dump(mode="json"), "quantiles": list(levels), "ids": ["a", "b"]}
    errors = np.full((2, HORIZON, len(levels)), float(number)) + np.array(levels) - 0.5
    tensors = {"errors.series": errors, "errors.pooled": errors[0]}
    return Bundle("gru", "seasonal_naive", BaselineSettings(**settings, season=24, whole=False), tensors)


def dump(artifact: Artifact) -> dict[str, Any]:
    return artifact.model_dump(mode="json")


def forecasts_of(number: int, night: datetime) -> pd.DataFrame:
    cutoff = pd.Timestamp(night).as_unit("us")
    rows = [
        {
            "unique_id": name,
            "ds": cutoff + pd.Timedelta(hours=step),
            "as_of": cutoff,
            "cutoff": cutoff,
            "step": step,
            "y_hat": 1.0 + number,
        }
        for name in "ab"
        for step in range(1, HORIZON + 1)
    ]
    texts = {"model_name": "gru", "model_version": "1", "run_id": run_id(number), "source": "champion"}
    frame = pd.DataFrame(rows).assign(**texts, degraded_reason=None, q50=lambda table: table["y_hat"])
    return frame.astype({"step": "int16", "degraded_reason": "str"})


def write_night(
    store: Store, number: int, champion: Candidate, previous: Candidate | None, first: datetime = FIRST_NIGHT
) -> None:
    """Write everything that a night leaves, except what it tells MLflow."""
    night, run, size = night_of(number, first), run_id(number), 50
    times = pd.date_range(night - timedelta(hours=size), periods=size, freq="h").as_unit("us")
    history = pd.DataFrame({"unique_id": "a", "ds": times, "y": np.arange(size) + float(number)})
    raw = store.put(history.assign(row=np.arange(size)), "raw")
    clean = store.put(history, "clean")
    index = pd.DataFrame({"series": [0], "first": [number], "last": [number], "stride": [1]}, dtype="int32")
    windows = store.put(index.assign(split="train"), "windows")
    rejected = pd.DataFrame({"row": [number], "unique_id": ["a"], "ds": ["x"], "rule": ["type"], "reason": ["no time"]})
    quarantine = store.put(rejected, "quarantine", quarantine_dir(PIPELINE))
    scores = store.put(
        pd.DataFrame({"model_name": ["gru"], "role": ["challenger"], "bundle": ["x"], "origins": [number]})
        .assign(**dict.fromkeys(("mase", "wql", "mae", "rmse", "smape", "coverage"), 1.0)),
        "scores",
    )  # fmt: skip
    loser = Candidate(
        name="lstm",
        role="challenger",
        bundle=store.put_bytes(bundle_of(1000 + number).to_bytes(), "bundle", "safetensors"),
    )
    table = store.put(forecasts_of(number, night), "forecasts")
    published = vintages.publish(table, PIPELINE, night, store)
    vintages.publish_latest_history(clean, PIPELINE, night, store)
    record = {
        "pipeline": PIPELINE, "run_id": run, "as_of": night.isoformat(), "moved": previous is None, "reason": "better",
        "champion": champion.model_dump(mode="json"), "scores": dump(scores), "p_value": None,
        "previous": previous.model_dump(mode="json") if previous else None,
    }  # fmt: skip
    data = json.dumps(record, indent=1, sort_keys=True).encode() + b"\n"
    decision = champions.record_decision(PIPELINE, night, store.put_bytes(data, "decision", "json"), store)
    actual = pd.DataFrame({"unique_id": ["a"], "ds": [pd.Timestamp(night).as_unit("us")], "y": [float(number)]})
    actual["as_of"] = actual["ds"]
    actuals = store.publish(store.put(actual, "actuals"), vintage_uri("actuals", PIPELINE, night))
    compared = actual.assign(
        y_hat=0.0, cutoff=actual["ds"], step=1, model_name="gru", scaled_error=float(number), p_value=0.5,
        series_p_value=0.5, is_anomaly=False,
    )  # fmt: skip
    anomalies = store.publish(store.put(compared, "anomalies"), vintage_uri("anomalies", PIPELINE, night))
    sample = pd.DataFrame({"model_name": "gru", "model_version": "1", "step": [1], "scaled_error": [float(number)]})
    errors = store.put(sample, "errors")
    vintages.publish_latest_errors(errors, PIPELINE, night, store)
    folder = report_dir(PIPELINE, run)
    page = store.put_at(b"<html>page %d</html>" % number, "page", f"{folder}/index.html")
    drift = store.put_at(b"<html>drift %d</html>" % number * 20, "page", f"{folder}/drift.html")
    cutoff = night - timedelta(hours=1)
    record_snapshot(Snapshot(as_of=night, reading="r", raw=raw, clean=clean, cutoff=cutoff), PIPELINE, store)
    if number == 0:
        contract = json.loads(builtin_contract("raw").model_dump_json())
        store.write_json(record_uri(contracts_dir(PIPELINE), night), contract)
    results = {
        "ingest": dump(raw), "validate": {"clean": dump(clean), "quarantine": dump(quarantine)},
        "cut_windows": dump(windows), "train": loser.model_dump(mode="json"),
        "register": {"decision": dump(decision)}, "report": {"page": dump(page)},
        "forecast": {"table": dump(table), "published": dump(published)}, "watch_drift": {"page": dump(drift)},
    }  # fmt: skip
    for step, result in results.items():
        store.write_json(cache_uri(step, f"{number:032x}"), {"result": result})
    story = {
        "night": {"pipeline": PIPELINE, "run_id": run, "as_of": night.isoformat()}, "raw": dump(raw),
        "validated": {"clean": dump(clean), "quarantine": dump(quarantine), "cutoff": cutoff.isoformat()},
        "windows": dump(windows), "trained": [{"candidate": loser.model_dump(mode="json")}],
        "registered": {"decision": dump(decision)}, "drifted": {"page": dump(drift)},
        "forecasted": {"table": dump(table), "published": dump(published)}, "realised": {"actuals": dump(actuals)},
        "anomalies": {"table": dump(anomalies), "errors": dump(errors)},
    }  # fmt: skip
    manifest = {
        "pipeline": PIPELINE, "flow": "nightly", "run_id": run, "as_of": night.isoformat(), "outcome": "done",
        "started": night.isoformat(), "finished": (night + timedelta(minutes=5)).isoformat(), "page": page.uri,
        "published": published.uri, "manifest": manifest_uri(PIPELINE, run), "story": story, "verdict": "good",
    }  # fmt: skip
    store.write_json(manifest_uri(PIPELINE, run), manifest, only_if_absent=True)


def tracking_of(root: Path) -> TrackingSettings:
    home = root.resolve() / "mlflow"
    return TrackingSettings(uri=f"sqlite:///{home}/mlflow.db", artifacts=(home / "artifacts").as_uri(), in_store=True)


def register(root: Path, bundle: Bundle, number: int) -> str:
    registry = ModelRegistry(tracking_of(root), PIPELINE)
    artifact = Store(root=str(root)).put_bytes(bundle.to_bytes(), "bundle", "safetensors")
    model = LoggedModel(
        name="gru",
        digest=artifact.digest,
        settings={},
        metrics={},
        curve=(),
        weights=bundle.to_bytes(),
        settings_json="{}",
    )
    version = registry.register_version(artifact.digest, registry.log_model(model, run_id(number)), run_id(number))
    registry.set_alias("champion", version)
    return version


@pytest.fixture(scope="session")
def built_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three nights: the first crowns version 1, the second rejects version 2, the third crowns version 3."""
    root = tmp_path_factory.mktemp("built") / "store"
    store = Store(root=str(root))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        champion = None
        for number, wins in enumerate((True, False, True)):
            version, previous = register(root, bundle_of(number), number), champion
            if wins:
                artifact = store.put_bytes(bundle_of(number).to_bytes(), "bundle", "safetensors")
                champion = Candidate(name="gru", role="champion", bundle=artifact, version=version)
            assert champion
            ModelRegistry(tracking_of(root), PIPELINE).set_alias("champion", champion.version)
            write_night(store, number, champion, previous)
    return root


@pytest.fixture
def store(built_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A copy of the three nights, which a test may damage: the store of NIGHTCAST_STORE."""
    root = tmp_path / "store"
    shutil.copytree(built_store, root)
    for path in [root, *root.rglob("*")]:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o022)
    ModelRegistry(tracking_of(root), PIPELINE).locate_artifacts()
    monkeypatch.setenv("NIGHTCAST_STORE", str(root))
    monkeypatch.setenv("NIGHTCAST_PIPELINES", str(tmp_path))
    monkeypatch.delenv("NIGHTCAST_MLFLOW_URI", raising=False)
    return Store(root=str(root))


@pytest.fixture
def bytes_of() -> Callable[[Path], dict[str, bytes]]:
    """All files of a folder with their bytes, without lock files."""

    def read(root: Path) -> dict[str, bytes]:
        files = (path for path in sorted(root.rglob("*")) if path.is_file() and path.name != ".door")
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}

    return read
