"""Step 8: forecasts of earlier nights are scored against the actuals that have arrived."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models.data.panel_table import PanelTable
from tasks.accuracy import score_past, score_vintages
from tasks.forecasting import forecast
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.results.steps import AccuracyResult, ForecastOptions, RunContext
from tasks.storage import series_rows
from tasks.storage.store import Store
from tasks.storage.vintages import list_published_before

FIRST = pd.Timestamp("2024-03-08", tz="UTC")


def vintage(steps: list[str], names: str = "ab", y_hat: float = 4.0) -> pd.DataFrame:
    ds = pd.to_datetime(steps, utc=True)
    parts = [
        pd.DataFrame({"unique_id": name, "ds": ds, "y_hat": y_hat, "q10": 3.0, "q50": y_hat, "q90": 6.0})
        for name in names
    ]
    return pd.concat(parts).assign(model_name="gru", source="champion")


def clean(days: int = 9) -> pd.DataFrame:
    ds = pd.date_range("2024-03-01", periods=days, freq="D", tz="UTC")
    parts = [pd.DataFrame({"unique_id": name, "ds": ds, "y": [float(n % 4 + 3) for n in range(days)]}) for name in "ab"]
    return pd.concat(parts)


def test_forecast_is_scored_on_steps_that_have_actuals() -> None:
    scores = score_vintages({FIRST: vintage(["2024-03-09", "2024-03-10"])}, PanelTable.from_frame(clean()), season=1)
    assert scores["rows"].tolist() == [1, 1]
    assert scores["mae"].tolist() == [1.0, 1.0]  # 3 came on the ninth
    assert scores["mase"].tolist() == pytest.approx([1 / (9 / 7)] * 2)  # seven changes before it, six of 1 and one of 3
    assert scores["coverage"].tolist() == [1.0, 1.0]
    assert set(scores["forecast_vintage"]) == {FIRST}


def test_each_vintage_and_series_has_its_own_row() -> None:
    vintages = {FIRST: vintage(["2024-03-08"]), FIRST + pd.Timedelta(days=1): vintage(["2024-03-09"], names="b")}
    scores = score_vintages(vintages, PanelTable.from_frame(clean()), season=1)
    assert list(zip(scores["forecast_vintage"].dt.day, scores["unique_id"], strict=True)) == [
        (8, "a"),
        (8, "b"),
        (9, "b"),
    ]


def test_missing_actuals_are_not_scored() -> None:
    assert score_vintages({FIRST: vintage(["2024-04-01"])}, PanelTable.from_frame(clean()), season=1).empty
    assert score_vintages(
        {FIRST: vintage(["2024-03-08"])}, PanelTable.from_frame(clean().assign(y=float("nan"))), season=1
    ).empty
    assert score_vintages({FIRST: vintage(["2024-03-08"], names="z")}, PanelTable.from_frame(clean()), season=1).empty


def test_scale_does_not_use_values_after_the_forecast() -> None:
    wild = clean()
    wild.loc[wild["ds"] > "2024-03-08", "y"] = 1e9
    calm = score_vintages({FIRST: vintage(["2024-03-08"])}, PanelTable.from_frame(clean()), season=1)
    assert (
        score_vintages({FIRST: vintage(["2024-03-08"])}, PanelTable.from_frame(wild), season=1)["mase"].tolist()
        == calm["mase"].tolist()
    )


def test_first_night_has_no_scores(
    prepared: Any, forecast_setup: ForecastSetup, run_context: Callable[..., RunContext]
) -> None:
    done = score_past.fn(prepared.clean, (), run_context("2024-03-11"), forecast_setup, prepared.store)
    assert (done.actuals, done.accuracy, done.sentence) == (None, None, "no earlier forecast to score")


def test_actuals_and_accuracy_are_published(
    prepared: Any,
    forecast_setup: ForecastSetup,
    model: Callable[..., Candidate],
    run_context: Callable[..., RunContext],
    waves: Callable[..., pd.DataFrame],
) -> None:
    store: Store = prepared.store
    options = ForecastOptions(champion=model("gru", 0.1, "champion", "1"))
    forecast.fn(prepared.clean, prepared.windows, options, run_context("2024-03-11"), forecast_setup, store)
    later, context = store.put(waves(days=11), "clean"), run_context("2024-03-12")
    past = list_published_before("shop", context.as_of, 28, store)
    done = score_past.fn(later, past, context, forecast_setup, store)
    assert done.accuracy is not None
    assert done.accuracy.uri == "accuracy/pipeline=shop/vintage=2024-03-12T000000Z/accuracy.parquet"
    accuracy = pd.read_parquet(Path(store.root) / done.accuracy.uri)
    assert accuracy["rows"].tolist() == [3, 3]
    actuals = pd.read_parquet(Path(store.root) / "actuals/pipeline=shop/vintage=2024-03-12T000000Z/actuals.parquet")
    assert len(actuals) == 6
    assert done.sentence.startswith("the forecast of 2024-03-11 has MASE ")
    assert done.sentence.endswith("of 6 actuals inside the interval")


@pytest.fixture
def nights(
    prepared: Any,
    forecast_setup: ForecastSetup,
    model: Callable[..., Candidate],
    run_context: Callable[..., RunContext],
    waves: Callable[..., pd.DataFrame],
) -> Callable[..., AccuracyResult]:
    """nights("2024-03-12", days=11): the first forecast is of 11 March; then a night that knows so many days."""
    store: Store = prepared.store
    options = ForecastOptions(champion=model("gru", 0.1, "champion", "1"))
    forecast.fn(prepared.clean, prepared.windows, options, run_context("2024-03-11"), forecast_setup, store)

    def run(day: str, days: int = 11, corrected: float | None = None) -> AccuracyResult:
        frame, context = waves(days=days), run_context(day)
        if corrected is not None:
            frame.loc[(frame["unique_id"] == "a") & (frame["ds"] == "2024-03-11"), "y"] = corrected
        past = list_published_before("shop", context.as_of, 28, store)
        return score_past.fn(store.put(frame, "clean"), past, context, forecast_setup, store)

    return run


def published(store: Store, table: str, day: str) -> pd.DataFrame:
    path = Path(store.root) / f"{table}/pipeline=shop/vintage={day}T000000Z/{table}.parquet"
    return pd.read_parquet(path) if path.exists() else pd.DataFrame()


def test_night_publishes_only_what_is_new_or_corrected(nights: Callable[..., AccuracyResult], store: Store) -> None:
    nights("2024-03-12")
    nothing = nights("2024-03-13")
    assert (nothing.actuals, nothing.accuracy) == (None, None)
    assert nothing.scores is not None
    assert nothing.sentence.startswith("the forecast of 2024-03-11 has MASE ")  # of all scores
    nights("2024-03-14", corrected=99.0)
    assert len(published(store, "actuals", "2024-03-12")) == 6
    assert published(store, "actuals", "2024-03-13").empty
    corrected = published(store, "actuals", "2024-03-14")
    assert corrected[["unique_id", "y"]].to_dict("records") == [{"unique_id": "a", "y": 99.0}]
    assert corrected["as_of"].tolist() == [pd.Timestamp("2024-03-14", tz="UTC")]
    accuracy = published(store, "accuracy", "2024-03-14")
    assert accuracy["unique_id"].tolist() == ["a"]  # the scores of b did not change
    assert accuracy["as_of"].tolist() == [pd.Timestamp("2024-03-14", tz="UTC")]


def test_night_that_runs_again_publishes_the_same_bytes(nights: Callable[..., AccuracyResult], store: Store) -> None:
    nights("2024-03-12")
    first = nights("2024-03-13", corrected=99.0)
    nights("2024-03-14", corrected=98.0)
    assert nights("2024-03-13", corrected=99.0) == first


def test_repeated_pairs_of_an_earlier_release_are_known(nights: Callable[..., AccuracyResult], store: Store) -> None:
    nights("2024-03-12")
    for table in ("actuals", "accuracy"):  # an earlier release: every pair in every vintage, without as_of
        path = Path(store.root) / f"{table}/pipeline=shop/vintage=2024-03-12T000000Z/{table}.parquet"
        old = pd.read_parquet(path).drop(columns="as_of")
        for day in ("2024-03-12", "2024-03-13"):
            copy = Path(str(path).replace("2024-03-12", day))
            copy.parent.mkdir(exist_ok=True)
            old.to_parquet(copy, index=False)
    nights("2024-03-14")
    assert published(store, "actuals", "2024-03-14").empty
    assert published(store, "accuracy", "2024-03-14").empty


def test_damaged_earlier_table_is_skipped_and_its_rows_are_published_again(
    nights: Callable[..., AccuracyResult], store: Store
) -> None:
    nights("2024-03-12")
    path = Path(store.root) / "actuals/pipeline=shop/vintage=2024-03-12T000000Z/actuals.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    nights("2024-03-13")
    assert len(published(store, "actuals", "2024-03-13")) == 6


def test_blocks_of_series_do_not_change_the_tables(
    nights: Callable[..., AccuracyResult], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights("2024-03-12")
    whole = nights("2024-03-13", corrected=99.0)
    tables = {kind: published(store, kind, "2024-03-13") for kind in ("actuals", "accuracy")}
    monkeypatch.setattr(series_rows, "BLOCK_ROWS", 1)
    blocks = nights("2024-03-13", corrected=99.0)
    for kind, table in tables.items():
        pd.testing.assert_frame_equal(published(store, kind, "2024-03-13"), table)
    assert whole.scores is not None
    assert blocks.scores is not None
    pd.testing.assert_frame_equal(store.get(blocks.scores), store.get(whole.scores))
    assert blocks.summary == whole.summary
