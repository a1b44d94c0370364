"""New actuals are compared once with the newest forecast before them; earlier errors are the sample."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models.data.windows import WindowSpec
from tasks.accuracy import score_past
from tasks.anomalies import AnomalySpec, find_anomalies, load_earlier
from tasks.engine.failure import StepFailure
from tasks.evaluation import evaluate
from tasks.forecasting import forecast
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import EvaluationSpec, ForecastSetup
from tasks.results.accuracy import ForecastsToScore
from tasks.results.anomalies import AnomaliesResult, ErrorSources
from tasks.results.steps import ForecastOptions, RunContext
from tasks.storage import series_rows
from tasks.storage.layout import manifest_uri
from tasks.storage.store import Store
from tasks.storage.vintages import list_published_before
from tasks.windowing import cut_windows

SPEC = AnomalySpec(rate=0.3)  # two series need 6 earlier forecasts


class Shop:
    """A champion, its evaluation on ten days, and a first forecast of 11 March, three hours for each of two series."""

    def __init__(self, prepared: Any, setup: ForecastSetup, champion: Candidate, waves: Any, night: Any) -> None:
        self.store: Store = prepared.store
        self.setup, self.champion, self.waves, self.night = setup, champion, waves, night
        self.evaluated = evaluate.fn(prepared.clean, prepared.windows, (champion,), setup, self.store)
        self.publish("2024-03-11", days=10)

    def publish(self, day: str, days: int) -> None:
        frame = self.waves(days=days)
        clean, spec = self.store.put(frame, "clean"), WindowSpec(horizon=3, validation="2d", test="3d")
        cutoff = frame["ds"].max().to_pydatetime()
        windows = cut_windows.fn(clean, cutoff, self.setup.view, spec, EvaluationSpec(windows=6), self.store)
        options = ForecastOptions(champion=self.champion)
        forecast.fn(clean, windows, options, self.night(day), self.setup, self.store)

    def inputs(self, day: str, days: int = 11, evaluated: Any = "tonight", **values: float) -> tuple[Any, ...]:
        frame, context = self.waves(days=days), self.night(day)
        for hour, value in values.items():  # a01: series a on 11 March, 01:00; 2024-03-12T01: series a
            name, text = (hour[0], f"2024-03-11T{hour[1:]}") if len(hour) == 3 else ("a", hour)
            at = pd.Timestamp(f"{text}:00", tz="UTC")
            frame.loc[(frame["unique_id"] == name) & (frame["ds"] == at), "y"] = value
        clean = self.store.put(frame, "clean")
        past = list_published_before("shop", context.as_of, 28, self.store)
        realised = score_past.fn(ForecastsToScore(context=context, clean=clean, past=past), self.setup, self.store)
        backtest = self.evaluated if evaluated == "tonight" else evaluated
        sources = ErrorSources(context=context, clean=clean, past=past, champion=self.champion, evaluated=backtest)
        return realised, sources, self.setup, SPEC, self.store

    def run(self, day: str, **changes: Any) -> AnomaliesResult:
        return find_anomalies.fn(*self.inputs(day, **changes))

    def table(self, day: str) -> pd.DataFrame:
        return pd.read_parquet(
            Path(self.store.root) / f"anomalies/pipeline=shop/vintage={day}T000000Z/anomalies.parquet"
        )


@pytest.fixture
def shop(
    prepared: Any,
    forecast_setup: ForecastSetup,
    model: Callable[..., Candidate],
    run_context: Callable[..., RunContext],
    waves: Callable[..., pd.DataFrame],
) -> Shop:
    return Shop(prepared, forecast_setup, model("gru", 0.1, "champion", "1"), waves, run_context)


def test_first_night_publishes_errors_and_no_anomalies(shop: Shop) -> None:
    result = shop.run("2024-03-11", days=10)
    assert (result.table, result.series, result.sentence) == (None, 0, "no new actual has a forecast")
    errors = pd.read_parquet(Path(shop.store.root) / "latest/pipeline=shop/errors.parquet")
    assert list(errors.columns) == ["model_name", "model_version", "step", "scaled_error"]
    assert (errors["model_name"].unique().tolist(), errors["model_version"].unique().tolist()) == (["gru"], ["1"])
    assert errors.groupby("step").size().tolist() == [12, 12, 12]  # two series, six origins


def test_each_new_actual_is_compared_with_its_forecast(shop: Shop) -> None:
    result = shop.run("2024-03-12")
    table = shop.table("2024-03-12")
    assert list(table.columns) == [
        "unique_id", "ds", "as_of", "y", "y_hat", "cutoff", "step", "model_name", "scaled_error", "p_value",
        "series_p_value", "is_anomaly",
    ]  # fmt: skip
    assert list(zip(table["unique_id"], table["step"], strict=True)) == [(name, n) for name in "ab" for n in (1, 2, 3)]
    assert table["scaled_error"].abs().between(0, 20).all()
    assert (table["series_p_value"].between(1 / 7, 1) & table["p_value"].between(1 / 37, 1)).all()
    assert not table["is_anomaly"].any()
    assert (result.series, result.size, result.needed, result.is_too_small) == (2, 12, 6, False)
    assert result.sentence == "none in 2 series at a rate of 0.3"


def test_far_value_is_an_anomaly_and_only_that_hour(shop: Shop) -> None:
    result = shop.run("2024-03-12", a01=900.0)
    table = shop.table("2024-03-12")
    marked = table[table["is_anomaly"]]
    assert marked[["unique_id", "y", "step"]].to_dict("records") == [{"unique_id": "a", "y": 900.0, "step": 2}]
    assert table.loc[table["unique_id"] == "a", "series_p_value"].tolist() == [1 / 13] * 3
    assert result.sentence == "1 anomalies in 1 of 2 series at a rate of 0.3"
    assert [(anomaly.series, anomaly.y, anomaly.ds.hour) for anomaly in result.worst] == [("a", 900.0, 1)]


def test_actual_is_compared_once_and_a_correction_is_a_new_version(shop: Shop) -> None:
    shop.run("2024-03-12")
    assert shop.run("2024-03-13").table is None
    assert shop.run("2024-03-14", b00=700.0).count == 1
    assert shop.table("2024-03-14")[["unique_id", "y"]].to_dict("records") == [{"unique_id": "b", "y": 700.0}]


def test_night_that_runs_again_gives_the_same_result(shop: Shop) -> None:
    first = shop.run("2024-03-12", a01=900.0)
    shop.run("2024-03-13", a01=800.0)
    assert shop.run("2024-03-12", a01=900.0) == first


def test_new_actuals_are_not_in_their_own_sample(shop: Shop) -> None:
    """The backtest of the night covers its newest actuals too: these rows do not count."""
    frame, hours = shop.store.get(shop.evaluated.backtest), pd.Timedelta("3h")
    newest = frame[frame["cutoff"] == frame["cutoff"].max()]
    newest = newest.assign(ds=newest["ds"] + hours, cutoff=newest["cutoff"] + hours, y=1e6)
    assert newest["ds"].min() == pd.Timestamp("2024-03-11", tz="UTC")
    backtest = shop.store.put(pd.concat([frame, newest], ignore_index=True), "backtest")
    covered = shop.evaluated.model_copy(update={"backtest": backtest})
    result = shop.run("2024-03-12", evaluated=covered, a00=900.0, a01=900.0, a02=900.0)
    assert (result.flagged, result.count) == (1, 3)


def test_earlier_anomaly_does_not_hide_the_next(shop: Shop) -> None:
    shop.run("2024-03-12", a00=90_000.0, a01=90_000.0, a02=90_000.0)
    shop.publish("2024-03-12", days=11)
    later = {f"2024-03-11T0{hour}": 90_000.0 for hour in range(3)} | {f"2024-03-12T0{hour}": 900.0 for hour in range(3)}
    result = shop.run("2024-03-13", days=12, **later)
    table = shop.table("2024-03-13")
    assert table.loc[table["unique_id"] == "a", "is_anomaly"].tolist() == [True] * 3
    assert result.worst[0].series == "a"
    errors = pd.read_parquet(Path(shop.store.root) / "latest/pipeline=shop/errors.parquet")
    assert errors["scaled_error"].abs().max() < 100  # limited to one and a half times the largest other error


def test_run_without_an_evaluation_takes_that_of_the_newest_earlier_night(shop: Shop) -> None:
    assert shop.run("2024-03-12", evaluated=None).size == 0
    story = {"evaluated": shop.evaluated.model_dump(mode="json")}
    record = {"as_of": shop.night("2024-03-11").as_of.isoformat(), "finished": "x", "story": story}
    shop.store.write_json(manifest_uri("shop", "a"), record)
    assert shop.run("2024-03-12", evaluated=None).size == 12
    assert shop.run("2024-03-12", evaluated=StepFailure(step="evaluate", reason="x")).size == 12
    assert shop.run("2024-03-11", days=10, evaluated=None).errors is None  # its own night is not an earlier one


def test_small_sample_is_named(shop: Shop) -> None:
    realised, sources, setup, _, store = shop.inputs("2024-03-12", a01=900.0)
    result = find_anomalies.fn(realised, sources, setup, AnomalySpec(rate=0.01), store)
    assert (result.count, result.is_too_small) == (0, True)
    assert result.sentence.endswith("12 earlier forecasts are fewer than the 199 that this rate needs")


def test_failed_scores_fail_the_step(shop: Shop) -> None:
    failed = StepFailure(step="score_past", reason="x")
    outcome = find_anomalies.attempt(failed, *shop.inputs("2024-03-12")[1:])
    assert outcome == StepFailure(step="find_anomalies", reason="needs score_past, which failed")


def test_earlier_anomaly_is_part_of_the_cache_key(shop: Shop) -> None:
    shop.publish("2024-03-12", days=11)
    inputs = shop.inputs("2024-03-13", days=12)
    key = load_earlier(*inputs).key
    assert load_earlier(*inputs).key == key
    shop.run("2024-03-12")
    assert load_earlier(*inputs).key != key


def test_blocks_of_series_do_not_change_the_result(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shop.run("2024-03-12", a01=99.0)
    table = shop.table("2024-03-12")
    monkeypatch.setattr(series_rows, "BLOCK_ROWS", 1)
    assert shop.run("2024-03-12", a01=99.0) == whole
    pd.testing.assert_frame_equal(shop.table("2024-03-12"), table)
    assert (whole.series, whole.count) == (2, 1)
