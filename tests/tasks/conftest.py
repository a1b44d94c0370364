"""A shop whose hourly sales are read, validated and stored: small tables, a store in a temporary folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from data_contracts.artifact import Artifact
from data_contracts.contract import Contract, read_contract
from models.bundle import Bundle
from models.features import FeatureSpec
from models.panel import View
from tasks._store import Store
from tasks.ingestion import Reading

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
def reading(tmp_path: Path) -> Callable[..., Reading]:
    """reading(contract=…, freq=…): how the shop's table is read; the source is sales.parquet in tmp_path."""

    def told(**changes: Any) -> Reading:
        spec = {
            "pipeline": "shop",
            "source": {"kind": "parquet", "path": str(tmp_path / "sales.parquet")},
            "columns": {"unique_id": "sku", "ds": "hour", "y": "sold"},
            "features": {"known": ["price"], "observed": ["visits"], "static": ["town"]},
            "freq": "h",
            "zone": "UTC",
            "horizon": 3,
        }
        return Reading.model_validate(spec | changes)

    return told


PLAIN = View(features=FeatureSpec(known=()), freq="h", zone="UTC", lookback=24, horizon=3)


@pytest.fixture
def clean_table() -> pd.DataFrame:
    """Ten days of two hourly series that repeat by the day, with noise from a fixed seed."""
    draw, times = np.random.default_rng(3), pd.date_range("2024-03-01", periods=240, freq="h", tz="UTC").as_unit("us")
    wave = 10 + 5 * np.sin(2 * np.pi * np.arange(240) / 24)
    parts = [
        pd.DataFrame({"unique_id": name, "ds": times, "y": wave * size + draw.normal(0, 0.5, 240)})
        for name, size in (("a", 1.0), ("b", 3.0))
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def view() -> View:
    return PLAIN


@pytest.fixture
def baseline(store: Store) -> Callable[..., Artifact]:
    """baseline(name, level): the claim check of a stored model that answers `level` for every quantile and step."""

    def stored(name: str, level: float, view: View = PLAIN, levels: tuple[float, ...] = (0.1, 0.5, 0.9)) -> Artifact:
        settings = {
            "view": view.model_dump(mode="json"),
            "quantiles": list(levels),
            "ids": [],
            "season": 1,
            "whole": False,
        }
        flat = np.zeros((view.horizon, len(levels)))
        tensors = {"weights": np.zeros((view.lookback + 1, view.horizon)) + 0.0}
        tensors |= {"errors.series": np.zeros((1, *flat.shape)), "errors.pooled": flat + level}
        bundle = Bundle(name, "linear", settings, tensors)
        return store.put_bytes(bundle.to_bytes(), "bundle", "safetensors")

    return stored
