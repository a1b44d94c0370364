"""A backtest gives the forecasts that nights gave, as known at each origin, and leaves no trace of its own."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import NoChampion, SpecError
from flows.backtest import backtest
from flows.forecast import forecast
from flows.nightly import nightly
from tasks.backtest.settings import BacktestSpec
from tasks.results.backtest import BacktestOutcome

NIGHTS = ("2024-02-08", "2024-02-09", "2024-02-10")
TRAINED, TODAY = "2024-02-07", "2024-02-11"
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
        rows = with_versions(panel)
        folder = build(tmp_path_factory.mktemp("versioned"), rows, patch, **VERSIONED)
        champions = set()
        for night, flow in zip((TRAINED, *NIGHTS), (nightly, forecast, forecast, forecast), strict=True):
            arrived = rows["known_at"] < pd.Timestamp(night, tz="UTC")  # the source had no later rows that night
            rows[arrived].to_parquet(folder / "ports.parquet", index=False)
            champions.add(flow.fn(str(folder / "ports.yaml"), night).champion)
        assert len(champions) == 1
        rows.to_parquet(folder / "ports.parquet", index=False)
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


def test_values_as_they_are_now_would_give_other_forecasts(versioned, monkeypatch):
    folder, outcome = versioned
    monkeypatch.setenv("NIGHTCAST_STORE", str(folder / "store"))
    source = (folder / "ports.parquet").read_bytes()
    rows = pd.read_parquet(folder / "ports.parquet").sort_values("known_at", kind="stable")
    revised = rows[rows["late"].notna()].drop_duplicates(["port", "hour_utc"], keep="last")
    late = rows.merge(revised[["port", "hour_utc", "late"]], "left", ["port", "hour_utc"])["late_y"].to_numpy()
    rows.assign(late=np.where(rows["late"].notna(), late, np.nan)).to_parquet(folder / "ports.parquet", index=False)
    try:
        other = forecasts_of(folder, run(folder))
    finally:
        (folder / "ports.parquet").write_bytes(source)
    assert not (other["y_hat"] == forecasts_of(folder, outcome)["y_hat"]).all()


def test_backtest_is_cached_and_leaves_only_artifacts(versioned, monkeypatch):
    folder, outcome = versioned
    monkeypatch.setenv("NIGHTCAST_STORE", str(folder / "store"))
    before = sorted((folder / "store").rglob("*.*"))
    assert run(folder) == outcome
    assert sorted((folder / "store").rglob("*.*")) == before
    assert len(list((folder / "store" / "runs" / "pipeline=ports").iterdir())) == 4  # of the nights


def test_origin_without_a_champion_or_history_is_refused(versioned, monkeypatch, tmp_path):
    folder, _ = versioned
    monkeypatch.setenv("NIGHTCAST_STORE", str(folder / "store"))
    with pytest.raises(SpecError, match=r"--from .* has 24 steps of history, and a model reads 48 .* Give --from 2024"):
        run(folder, start="2024-01-02")
    with pytest.raises(SpecError, match=r"no version '7' .* it has: 1"):
        run(folder, options=BacktestSpec(models=("7",)))
    with pytest.raises(SpecError, match=r"--model 'gru' is not a model .* Give champion, baseline"):
        run(folder, options=BacktestSpec(models=("gru",)))
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "empty"))
    with pytest.raises(NoChampion, match="no night has promoted a model"):
        run(folder)


@pytest.fixture(scope="module")
def current(tmp_path_factory, panel, build):
    """A folder after one night, on a source without row versions."""
    with pytest.MonkeyPatch.context() as patch:
        folder = build(tmp_path_factory.mktemp("current"), panel, patch, training=VERSIONED["training"])
        nightly.fn(str(folder / "ports.yaml"), TRAINED)
        yield folder


def test_origin_of_a_night_uses_its_snapshot_and_others_the_values_of_now(current, panel):
    outcome = run(current, start=TRAINED, options=BacktestSpec(models=("champion", "baseline")))
    assert outcome.known == {"snapshot": 1, "current": 3}
    assert outcome.notes[0].startswith("3 of 4 origins used the values of now: ")
    assert {row["model_name"] for row in outcome.leaderboard} == {
        "gru-16-s12 v1", "naive", "seasonal_naive_24", "seasonal_naive_168", "seasonal_mean_168", "linear",
    }  # fmt: skip
    table = forecasts_of(current, outcome)
    naive = table[table["model_name"] == "seasonal_naive_24"]
    yesterday = panel.assign(ds=panel["hour_utc"] + pd.Timedelta("1D")).set_index(["port", "ds"])["late"]
    expected = yesterday.reindex(pd.MultiIndex.from_frame(naive[["unique_id", "ds"]])).to_numpy()
    assert (naive["y_hat"] == expected).all()
    reference = next(row for row in outcome.leaderboard if row["model_name"] == "seasonal_naive_24")
    assert reference["owa"] == 1.0


def test_snapshot_keeps_a_value_that_was_corrected_later(current, panel):
    before = forecasts_of(current, run(current, start=TRAINED, end=TRAINED))
    corrected = panel.assign(late=panel["late"].where(panel["hour_utc"] < "2024-02-06", panel["late"] + 40))
    try:
        corrected.to_parquet(current / "ports.parquet", index=False)
        again = forecasts_of(current, run(current, start=TRAINED, end=TRAINED))
    finally:
        panel.to_parquet(current / "ports.parquet", index=False)
    network = before["model_name"].str.startswith("gru")
    assert (again["y_hat"] == before["y_hat"])[network].all()
    assert (again["y"] == before["y"] + 40).all()


def test_refit_trains_on_what_was_known_at_its_origin(current, panel):
    options = BacktestSpec(refit=2)
    outcome = run(current, start="2024-02-06", end="2024-02-09", options=options)
    assert [row["model_name"] for row in outcome.leaderboard] == ["gru-16-s12 (refit)", "seasonal_naive_24"]
    assert outcome.in_sample == {}
    poisoned = panel.assign(late=panel["late"].where(panel["hour_utc"] < "2024-02-08", 1000.0))
    try:
        poisoned.to_parquet(current / "ports.parquet", index=False)
        again = run(current, start="2024-02-06", end="2024-02-09", options=options)
    finally:
        panel.to_parquet(current / "ports.parquet", index=False)
    first, second = forecasts_of(current, outcome), forecasts_of(current, again)
    early = first["as_of"] < pd.Timestamp("2024-02-08", tz="UTC")
    assert (first["y_hat"] == second["y_hat"])[early].all()
    assert not (first["y_hat"] == second["y_hat"])[~early].all()


def test_origins_in_the_training_data_are_counted(current):
    outcome = run(current, start="2024-01-20", end="2024-01-22")
    assert outcome.in_sample == {"gru-16-s12 v1": 3}
    assert "3 of 3 origins lie in the data that gru-16-s12 v1 was trained on" in outcome.notes[1]
