"""Fixtures: a shop with hourly sales, its contract and dataset, and ten clean days in a temporary store."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from data_contracts.artifact import Artifact
from data_contracts.contract import Contract
from data_contracts.odcs_compiler import read_contract
from models.bundle import BaselineSettings, Bundle
from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from models.data.windows import WindowSpec
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import EvaluationSpec, ForecastSetup, OutputSpec
from tasks.results.steps import RunContext
from tasks.sources.dataset import DatasetSpec
from tasks.storage.store import Store
from tasks.windowing import cut_windows

COLUMNS = [
    {"name": "sku", "logicalType": "string", "required": True, "primaryKey": True},
    {"name": "hour", "logicalType": "timestamp", "required": True, "primaryKey": True},
    {"name": "sold", "logicalType": "number"},
    {"name": "price", "logicalType": "number"},
    {"name": "visits", "logicalType": "integer"},
    {"name": "town", "logicalType": "string"},
    {"name": "returned", "logicalType": "integer"},
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=str(tmp_path / "store"))


def sales_of(hours: int = 30, ahead: int = 3, start: str = "2024-03-01", freq: str = "h") -> pd.DataFrame:
    """Two series, `hours` of history and `ahead` hours of prices; every column that the contract knows."""
    times = pd.date_range(start, periods=hours + ahead, freq=freq, tz="UTC").as_unit("us")
    parts = []
    for number, sku in enumerate(("apple", "pear")):
        count = np.arange(len(times), dtype=float) % 7 + number
        known = np.arange(len(times)) < hours
        parts.append(
            pd.DataFrame(
                {
                    "sku": sku,
                    "hour": times,
                    "sold": np.where(known, count, np.nan),
                    "price": 1.5 + number,
                    "visits": np.where(known, 10.0 + count, np.nan),
                    "town": "Bonn",
                    "returned": np.where(known, 0.0, np.nan),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def sales() -> Callable[..., pd.DataFrame]:
    return sales_of


@pytest.fixture
def promise(tmp_path: Path) -> Callable[..., Contract]:
    """promise(rule, …, at="sold", row_faults="error"): the contract of the shop with rules at a column or its table."""

    def written(*rules: dict[str, Any], at: str = "sold", row_faults: str = "error", **more: Any) -> Contract:
        columns = [dict(column) | ({"quality": list(rules)} if column["name"] == at else {}) for column in COLUMNS]
        table: dict[str, Any] = {"name": "sales", "properties": columns}
        table["customProperties"] = [{"property": "rowFaults", "value": row_faults}]
        if at == "table":
            table["quality"] = list(rules)
        document = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "sales", "version": "1.0.0"}
        path = tmp_path / "sales.yaml"
        path.write_text(yaml.safe_dump(document | {"status": "active", "schema": [table]} | more), encoding="utf-8")
        return read_contract(path)

    return written


@pytest.fixture
def reading(tmp_path: Path) -> Callable[..., DatasetSpec]:
    """reading(contract=…, freq=…): how the shop's table is read; the source is sales.parquet in tmp_path."""

    def told(**changes: Any) -> DatasetSpec:
        spec = {
            "pipeline": "shop",
            "source": {"kind": "parquet", "path": str(tmp_path / "sales.parquet")},
            "columns": {"unique_id": "sku", "ds": "hour", "y": "sold"},
            "features": {"known": ["price"], "observed": ["visits"], "static": ["town"]},
            "freq": "h",
            "zone": "UTC",
            "horizon": 3,
        }
        return DatasetSpec.model_validate(spec | changes)

    return told


LEVELS = (0.1, 0.5, 0.9)
PLAIN = InputSpec(features=FeatureSpec(known=()), freq="h", zone="UTC", lookback=24, horizon=3)


def waves_of(days: int = 10) -> pd.DataFrame:
    """Return two hourly series with a daily cycle and noise from fixed seeds, as a clean table.

    Each hour has a level of its own, so that a seasonal mean beats the linear baseline, which would find a sine wave.
    """
    draw, hours = np.random.default_rng(3), 24 * days
    times = pd.date_range("2024-03-01", periods=hours, freq="h", tz="UTC").as_unit("us")
    levels = 5 * np.sin(2 * np.pi * np.arange(24) / 24) + np.random.default_rng(4).normal(0, 1.5, 24)
    wave = np.tile(10 + levels - levels.mean(), days)
    parts = [
        pd.DataFrame({"unique_id": name, "ds": times, "y": wave * size + draw.normal(0, 0.5, hours)})
        for name, size in (("a", 1.0), ("b", 3.0))
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def waves() -> Callable[..., pd.DataFrame]:
    return waves_of


@pytest.fixture
def view() -> InputSpec:
    return PLAIN


@pytest.fixture
def forecast_setup() -> ForecastSetup:
    return ForecastSetup(view=PLAIN, bounds=OutputSpec(quantiles=LEVELS), evaluation=EvaluationSpec(windows=6))


@dataclass(frozen=True)
class PreparedNight:
    """Ten clean days in a store and their windows: the inputs of training, evaluation and forecasting."""

    store: Store
    clean: Artifact
    windows: Artifact
    cutoff: datetime


@pytest.fixture
def prepared(store: Store) -> PreparedNight:
    frame = waves_of()
    clean, cutoff = store.put(frame, "clean"), frame["ds"].max().to_pydatetime()
    spec, evaluation = WindowSpec(horizon=3, validation="2d", test="3d"), EvaluationSpec(windows=6)
    return PreparedNight(store, clean, cut_windows.fn(clean, cutoff, PLAIN, spec, evaluation, store), cutoff)


@pytest.fixture
def model(store: Store) -> Callable[..., Candidate]:
    """model("gru", 0.5): a stored challenger that forecasts yesterday's value plus 0.5."""

    def stored(name: str, wrong: float, role: str = "challenger", version: str = "", **changes: Any) -> Candidate:
        view, levels = changes.get("view", PLAIN), changes.get("levels", LEVELS)
        settings = {"view": view.model_dump(mode="json"), "quantiles": list(levels), "ids": ["a", "b"]}
        errors = np.full((2, view.horizon, len(levels)), float(wrong)) + np.array(levels) - 0.5
        tensors = {"errors.series": errors, "errors.pooled": errors[0]}
        kind = changes.get("kind", "seasonal_naive")  # seasonal_mean: mean of the last days, beats every baseline
        bundle = Bundle(name, kind, BaselineSettings(**settings, season=24, whole=False), tensors)
        claim = store.put_bytes(bundle.to_bytes(), "bundle", "safetensors")
        return Candidate(name=name, role=role, bundle=claim, version=version)

    return stored


@pytest.fixture
def run_context() -> Callable[..., RunContext]:
    """run_context("2024-03-11"): pipeline, run id and as-of of that night."""

    def build(day: str, pipeline: str = "shop") -> RunContext:
        return RunContext(pipeline=pipeline, run_id=f"run-{day}", as_of=datetime.fromisoformat(day).replace(tzinfo=UTC))

    return build
