"""A backtest gives the forecasts that nights gave, as known at each origin, and leaves no trace of its own."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.backtest import backtest
from flows.forecast import forecast
from flows.nightly import nightly
from tasks.results.backtest import BacktestOutcome

NIGHTS = ("2024-02-08", "2024-02-09", "2024-02-10")
TODAY = "2024-02-11"
QUANTILES = ["q10", "q50", "q90"]
VERSIONED = {
    "columns": {"unique_id": "port", "ds": "hour_utc", "y": "late", "known_at": "known_at"},
    "training": {"max_epochs": 4, "windows_per_epoch": 1024, "learning_rate": 0.01},
}


def with_versions(panel: pd.DataFrame) -> pd.DataFrame:
    """Three versions of each hour: a plan two days ahead, a first count after it, the final count a day later."""
    draw, hour = np.random.default_rng(3), pd.Timedelta("1h")
    ds = panel["hour_utc"]
    expected = panel["planned"] + draw.integers(-1, 2, len(panel))
    plan = panel.assign(late=np.nan, wind=np.nan, planned=expected, known_at=ds - 48 * hour)
    first = panel.assign(late=np.floor(0.8 * panel["late"]), known_at=ds + hour * 0.9)
    final = panel.assign(known_at=ds + 26 * hour)
    return pd.concat([plan, first, final], ignore_index=True)


def run(folder: Path, **options: object) -> BacktestOutcome:
    settings = {"start": NIGHTS[0], "end": NIGHTS[-1], "as_of": TODAY} | options
    return backtest.fn(str(folder / "ports.yaml"), **settings)


def forecasts_of(folder: Path, outcome: BacktestOutcome) -> pd.DataFrame:
    table = pd.read_parquet(folder / "store" / outcome.forecasts.uri)
    return table.sort_values(["model_name", "as_of", "unique_id", "ds"], ignore_index=True)


def published(folder: Path) -> pd.DataFrame:
    """The vintages of NIGHTS."""
    stamps = [f"{night}T000000Z" for night in NIGHTS]
    parts = [
        pd.read_parquet(folder / "store" / "forecasts" / "pipeline=ports" / f"vintage={stamp}" / "forecasts.parquet")
        for stamp in stamps
    ]
    return pd.concat(parts).sort_values(["as_of", "unique_id", "ds"], ignore_index=True)


@pytest.fixture(scope="module")
def versioned(tmp_path_factory, panel, build):
    """(folder, outcome) of a backtest over nights that the same champion forecast, on a source with row versions."""
    with pytest.MonkeyPatch.context() as patch:
        folder = build(tmp_path_factory.mktemp("versioned"), with_versions(panel), patch, **VERSIONED)
        champion = nightly.fn(str(folder / "ports.yaml"), "2024-02-07").champion
        assert champion
        for night in NIGHTS:
            assert forecast.fn(str(folder / "ports.yaml"), night).champion == champion
        yield folder, run(folder)


def test_backtest_equals_the_forecasts_of_the_nights_byte_for_byte(versioned):
    folder, outcome = versioned
    nights, again = published(folder), forecasts_of(folder, outcome)
    assert set(nights["source"]) == {"champion"}
    again = again[again["model_name"].str.startswith("gru")].reset_index(drop=True)
    assert len(nights) == len(again) == 3 * 2 * 24
    keys = ["unique_id", "as_of", "cutoff", "ds", "step"]
    pd.testing.assert_frame_equal(nights[keys], again[keys])
    for name in ("y_hat", *QUANTILES):
        assert nights[name].to_numpy().tobytes() == again[name].to_numpy().tobytes(), name
    assert outcome.known == {"known_at": 3}
    assert set(again["known"]) == {"known_at"}


def test_actuals_are_those_known_now(versioned, panel):
    folder, outcome = versioned
    again = forecasts_of(folder, outcome)
    final = panel.set_index(["port", "hour_utc"])["late"]
    rows = again[again["as_of"] == pd.Timestamp(NIGHTS[0], tz="UTC")]
    truth = final.reindex(pd.MultiIndex.from_frame(rows[["unique_id", "ds"]])).to_numpy()
    assert (rows["y"] == truth).all()
