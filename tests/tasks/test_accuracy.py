"""Step 8: forecasts of earlier nights are scored against the actuals that have arrived."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.accuracy import score_past
from tasks.forecasting import forecast
from tasks.history.forecast_blocks import PublishedForecasts
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.results.accuracy import AccuracyResult, ForecastsToScore
from tasks.results.steps import ForecastOptions, RunContext
from tasks.revisions import list_revisions
from tasks.storage import series_rows
from tasks.storage.layout import manifest_uri
from tasks.storage.store import Store
from tasks.storage.vintages import list_published_before, publish


def test_first_night_has_no_scores(
    prepared: Any, forecast_setup: ForecastSetup, run_context: Callable[..., RunContext]
) -> None:
    done = score_past.fn(
        ForecastsToScore(context=run_context("2024-03-11"), clean=prepared.clean, past=()),
        forecast_setup,
        prepared.store,
    )
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
    done = score_past.fn(ForecastsToScore(context=context, clean=later, past=past), forecast_setup, store)
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
        sources = ForecastsToScore(context=context, clean=store.put(frame, "clean"), past=past)
        return score_past.fn(sources, forecast_setup, store)

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


class Nights:
    """Nights of a shop whose source is late, corrects values, and gains and loses series: equal for equal seeds."""

    def __init__(self, store: Store, setup: ForecastSetup, seed: int, *, remembers: bool) -> None:
        self.store, self.setup, self.remembers = store, setup, remembers
        self.draw, self.before = np.random.default_rng(seed), (None, None)
        self.truth = self.draw.normal(10, 3, (len(NAMES), 24 * 30))
        self.late = self.draw.random(self.truth.shape) < 0.02  # values that come a night later
        self.results = list[AccuracyResult]()

    def run(self, night: int) -> ForecastsToScore:
        """Score what is published, record the night, and publish a forecast of 36 hours."""
        as_of = datetime(2024, 3, 5, tzinfo=UTC) + timedelta(days=night)
        known = 24 * (4 + night)
        for series, hour in zip(self.draw.integers(0, 5, 2), self.draw.integers(0, known, 2), strict=True):
            self.truth[series, hour] += float(self.draw.choice([0.0, 1.0]))  # a correction, or none
        shown = self.truth[:, :known].copy()
        shown[self.late[:, :known] & (np.arange(known) >= known - 24)] = np.nan
        present = [number for number in range(len(NAMES)) if self.draw.random() < 0.9]
        clean = self.store.put(pd.concat([clean_rows(NAMES[number], shown[number]) for number in present]), "clean")
        revised = list_revisions.fn(clean, *self.before, self.store) if self.remembers else None
        context = RunContext(pipeline="shop", run_id=f"run-{night}", as_of=as_of)
        past = list_published_before("shop", as_of, 6, self.store)
        sources = ForecastsToScore(context=context, clean=clean, past=past, revised=revised)
        self.results.append(score_past.fn(sources, self.setup, self.store))
        if night != 4:  # a run that failed after its steps leaves no results
            record = {"as_of": as_of.isoformat(), "finished": as_of.isoformat(), "story": {}}
            record["story"]["realised"] = self.results[-1].model_dump(mode="json")
            self.store.write_json(manifest_uri("shop", context.run_id), record)
        self.before = (clean, as_of - timedelta(hours=1))
        forecasts = pd.concat([forecast_rows(name, as_of, self.draw.normal(10, 1, 36)) for name in NAMES])
        publish(self.store.put(forecasts, "forecasts"), "shop", as_of, self.store)
        if night == 6:  # an earlier night runs again, and its forecast differs
            again = forecasts.assign(ds=forecasts["ds"] - pd.Timedelta(days=3), as_of=as_of - timedelta(days=3))
            again = again.assign(cutoff=forecasts["cutoff"] - pd.Timedelta(days=3))
            publish(self.store.put(again, "forecasts"), "shop", as_of - timedelta(days=3), self.store)
        return sources


NAMES = ("apple", "fig", "kiwi", "lime", "pear")


def clean_rows(name: str, values: np.ndarray) -> pd.DataFrame:
    ds = pd.date_range("2024-03-01", periods=len(values), freq="h", tz="UTC").as_unit("us")
    return pd.DataFrame({"unique_id": name, "ds": ds, "y": values})


def forecast_rows(name: str, as_of: datetime, y_hat: np.ndarray) -> pd.DataFrame:
    ds = pd.date_range(as_of, periods=len(y_hat), freq="h").as_unit("us")
    quantiles = {"q10": y_hat - 2.0, "q50": y_hat, "q90": y_hat + 2.0}
    times = {"unique_id": name, "ds": ds, "as_of": as_of, "cutoff": as_of - timedelta(hours=1)}
    labels = {"model_name": "gru", "model_version": "1", "run_id": "r", "source": "champion", "degraded_reason": None}
    step = np.arange(1, len(y_hat) + 1, dtype=np.int16)
    return pd.DataFrame({**times, "step": step, "y_hat": y_hat, **quantiles, **labels})


@pytest.mark.parametrize("seed", range(3))
def test_kept_scores_are_those_that_would_be_computed(
    tmp_path: Path, forecast_setup: ForecastSetup, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed == 2:
        monkeypatch.setattr(series_rows, "BLOCK_ROWS", 300)
    kept, computed = (
        Nights(Store(root=str(tmp_path / name)), forecast_setup, seed, remembers=name == "kept")
        for name in ("kept", "computed")
    )
    for night in range(9):
        kept.run(night)
        computed.run(night)
        for table in ("actuals", "accuracy", "scores"):  # the same bytes
            assert getattr(kept.results[-1], table) == getattr(computed.results[-1], table)


def test_night_reads_only_vintages_that_were_open_the_night_before(
    tmp_path: Path, forecast_setup: ForecastSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = Nights(Store(root=str(tmp_path)), forecast_setup, 0, remembers=True)
    nights.late[:], nights.draw = False, Quiet(nights.draw)
    read, plain = list[str](), PublishedForecasts.read_vintage

    def spy(self: PublishedForecasts, as_of: pd.Timestamp, *more: Any, **named: Any) -> pd.DataFrame:
        read.append(f"{as_of:%d}")
        return plain(self, as_of, *more, **named)

    monkeypatch.setattr(PublishedForecasts, "read_vintage", spy)
    for night in range(4):
        read.clear()
        nights.run(night)
    assert read == ["06", "07", "06", "07"]  # for scores and actuals: of 5 March, all 36 hours were known on 7 March


def test_actuals_whose_file_was_damaged_are_published_again_by_a_night_that_keeps_scores(
    tmp_path: Path, forecast_setup: ForecastSetup
) -> None:
    nights = Nights(Store(root=str(tmp_path)), forecast_setup, 0, remembers=True)
    nights.late[:], nights.draw = False, Quiet(nights.draw)
    for night in range(3):
        nights.run(night)
    damaged = nights.results[1].actuals
    assert damaged is not None
    (tmp_path / damaged.uri).write_bytes(b"PAR1")
    nights.run(3)
    published_again = nights.results[3].actuals
    assert published_again is not None
    assert (damaged.rows, published_again.rows) == (5 * 24, 5 * 48)  # those of 5 March again, and those of 7 March


class Quiet:
    """Draws that correct nothing and show every series."""

    def __init__(self, draw: np.random.Generator) -> None:
        self.integers, self.normal = draw.integers, draw.normal

    def choice(self, _values: list[float]) -> float:
        return 0.0

    def random(self) -> float:
        return 0.0
