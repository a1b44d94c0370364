"""load_champion: the model of a pipeline from the store alone, by the name of its folder."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import NoChampion, SpecError
from flows.notebook.champion import load_champion
from models.bundle import BaselineSettings, Bundle
from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from tasks.modeling.candidate import Candidate
from tasks.modeling.serving import HistoryInvalid
from tasks.registry import champions
from tasks.storage.layout import manifest_uri
from tasks.storage.store import Store

VIEW = InputSpec(features=FeatureSpec(known=()), freq="h", zone="UTC", lookback=24, horizon=3)
LEVELS = (0.1, 0.5, 0.9)


def decide(store: Store, day: int, version: str, shift: float) -> None:
    """Record the decision of a night: a champion that forecasts the value of a day before plus `shift`."""
    settings = {"view": VIEW.model_dump(mode="json"), "quantiles": list(LEVELS), "ids": ["a"]}
    errors = np.full((1, 3, 3), shift) + np.array(LEVELS) - 0.5
    bundle = Bundle("gru", "seasonal_naive", BaselineSettings(**settings, season=24, whole=False),
                    {"errors.series": errors, "errors.pooled": errors[0]})  # fmt: skip
    artifact = store.put_bytes(bundle.to_bytes(), "bundle", "safetensors")
    champion = Candidate(name="gru", role="champion", bundle=artifact, version=version)
    record = {"pipeline": "shop", "champion": champion.model_dump(mode="json"), "reason": "better"}
    data = store.put_bytes(json.dumps(record).encode(), "decision", "json")
    champions.record_decision("shop", datetime(2024, 3, day, tzinfo=UTC), data, store)


@pytest.fixture
def root(tmp_path: Any) -> str:
    store = Store(root=str(tmp_path / "store"))
    decide(store, 1, "1", shift=0.0)
    decide(store, 2, "2", shift=100.0)
    manifest = {"as_of": "2024-03-02T00:00:00+00:00", "story": {"x": 1}, "spec": {"forecast": {"maximum": 105.0}}}
    store.write_json(manifest_uri("shop", "run"), manifest)
    return store.root


def history(hours: int = 48) -> pd.DataFrame:
    ds = pd.date_range("2024-03-01", periods=hours, freq="h")
    return pd.DataFrame({"unique_id": "a", "ds": ds, "y": np.arange(hours) % 24})


def test_champion_of_today_forecasts_within_the_bounds_of_its_pipeline(root: str) -> None:
    champion = load_champion("shop", store=root)
    assert (champion.name, champion.version, champion.horizon, champion.lookback) == ("gru", "2", 3, 24)
    assert (champion.levels, champion.columns) == (LEVELS, ("unique_id", "ds", "y"))
    assert repr(champion) == "<gru v2 of shop: 3 steps of h, levels 0.1, 0.5, 0.9>"
    assert champion.predict(history())["y_hat"].tolist() == [100.0, 101.0, 102.0]
    assert champion.predict(history(43))["y_hat"].tolist() == [105.0] * 3  # 19 + 100 and more


def test_forecast_has_the_columns_of_the_published_table_that_name_series_and_model(root: str) -> None:
    columns = {"unique_id": ["store", "item"], "ds": "t", "y": "v"}
    manifest = {"as_of": "2024-03-02T00:00:00+00:00", "story": {"x": 1}, "spec": {"columns": columns}}
    Store(root=root).write_json(manifest_uri("shop", "run"), manifest)
    table = load_champion("shop", store=root).predict(history().assign(unique_id="north/tea"))
    assert table.columns.tolist() == [
        "unique_id", "store", "item", "ds", "cutoff", "step", "y_hat", "q10", "q50", "q90", "model_name",
        "model_version",
    ]  # fmt: skip
    first = table.iloc[0]
    assert (first["store"], first["item"], first["model_name"], first["model_version"]) == ("north", "tea", "gru", "2")


def test_former_champion_is_loaded_by_version(root: str) -> None:
    assert load_champion("shop", store=root, version=1).predict(history())["y_hat"].tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(SpecError, match=r"version 7 of 'shop' is not and was not champion. Champions: 1, 2\."):
        load_champion("shop", store=root, version=7)


def test_store_without_a_champion_says_so(root: str) -> None:
    with pytest.raises(NoChampion, match="no night has promoted a model in the store"):
        load_champion("kiosk", store=root)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (history().drop(columns="y"), "column 'y' is missing"),
        (history().assign(y="many"), "column 'y' of row 0 .* is 'many'"),
        (pd.concat([history(), history().tail(1)]), "row 48 repeats series 'a'"),
    ],
)
def test_history_that_cannot_be_used_is_named(root: str, frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(HistoryInvalid, match=message):
        load_champion("shop", store=root).predict(frame)
