"""The next night in a store that an earlier version left: champion kept, vintages scored, page written."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from tasks.history.reader import PublishedReader
from tasks.registry.champions import champion_at
from tasks.storage.store import Store

FORMATS = Path(__file__).parent
STORES = {  # the stores of the last two versions, with the digest of their champion
    "night_store": "843fa029f1460dbf6b4f25d6f5a48d6e3259c6cdcaa6a9b4956fb86c0e4a4f15",
    "night_store_2": "4747c62faec3e9ff2c5eaa02a0002a075890d926150cdd0612ad484b5a148546",
}


@pytest.fixture(params=STORES)
def earlier(request: pytest.FixtureRequest) -> str:
    """The folder of an earlier store."""
    return str(request.param)


@pytest.fixture
def shop(earlier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the pipeline, its source and its store."""
    shutil.copytree(FORMATS / "pipelines", tmp_path / "pipelines")
    shutil.copytree(FORMATS / earlier, tmp_path / "store")
    shutil.copy(FORMATS / "sales.parquet", tmp_path)
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    return tmp_path


def test_next_night_continues_the_store(shop: Path, earlier: str) -> None:
    from flows.nightly import nightly

    outcome = nightly.fn(str(shop / "pipelines/shop.yaml"), "2024-03-01")
    store = Store(root=str(shop / "store"))
    champion = champion_at("shop", datetime(2024, 3, 1, tzinfo=UTC), store)
    assert champion is not None
    assert champion.bundle.digest == STORES[earlier] or "New champion" in " ".join(outcome.lines)
    assert "there was no champion" not in " ".join(outcome.lines)
    accuracy = pd.read_parquet(shop / "store/accuracy/pipeline=shop/vintage=2024-03-01T000000Z/accuracy.parquet")
    assert accuracy["forecast_vintage"].dt.strftime("%m-%d").unique().tolist() == ["02-29"]  # what is new
    reader = PublishedReader(pipeline="shop", store=store)
    scores = reader.accuracy().to_pandas()  # of both releases
    assert scores["forecast_vintage"].dt.strftime("%m-%d").unique().tolist() == ["02-28", "02-29"]
    assert not scores.duplicated(["forecast_vintage", "unique_id", "model_name"]).any()
    assert [str(moment)[5:10] for moment in reader.all_forecasts()["as_of"].unique().to_pylist()] == [
        "02-28",
        "02-29",
        "03-01",
    ]
    assert not reader.actuals().to_pandas().duplicated(["unique_id", "ds"]).any()
    assert reader.history().num_rows == pd.read_parquet(shop / "store/latest/pipeline=shop/history.parquet").shape[0]
    compared = reader.anomalies().to_pandas()  # only what is new this night, beside a forecast of the earlier release
    assert compared["as_of"].dt.strftime("%m-%d").unique().tolist() == ["03-01"]
    assert compared["series_p_value"].between(0, 1).all()
    assert (shop / "store/latest/pipeline=shop/errors.parquet").exists()
    assert (shop / "store" / outcome.page).stat().st_size > 10_000
    vintages = sorted(path.name for path in (shop / "store/forecasts/pipeline=shop").iterdir())
    assert vintages == [f"vintage=2024-{day}T000000Z" for day in ("02-28", "02-29", "03-01")]
