"""Step 7: the first usable model of the fallback order forecasts, and every row names it and the reason."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.artifact import Artifact
from data_contracts.errors import NoChampion, StoreDamaged
from models.data.features import FeatureSpec
from models.data.windows import WindowSpec
from tasks.engine.failure import StepFailure
from tasks.evaluation import evaluate
from tasks.forecasting import fallback_order, forecast
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import EvaluationSpec, ForecastSetup
from tasks.modeling.forecasts import recalibrated_table
from tasks.modeling.series import ExtremeValue
from tasks.results.run import forecast_options
from tasks.results.steps import (
    EvaluationResult,
    Fallback,
    ForecastOptions,
    ForecastResult,
    RegistrationResult,
    RunContext,
)
from tasks.storage.store import Store
from tasks.storage.vintages import Published
from tasks.windowing import cut_windows

Model = Callable[..., Candidate]
MakeContext = Callable[..., RunContext]
NAN = float("nan")
CLAIM = Artifact(contract="scores@1.0.0", uri="artifacts/scores/x", digest="0" * 64, rows=1)


def evaluation_of(*candidates: Candidate) -> EvaluationResult:
    return EvaluationResult(backtest=CLAIM, scores=CLAIM, candidates=candidates)


def scores(*pairs: tuple[Candidate, float]) -> pd.DataFrame:
    return pd.DataFrame(
        {"bundle": [candidate.bundle.digest for candidate, _ in pairs], "mase": [loss for _, loss in pairs]}
    )


def order(options: ForecastOptions, table: pd.DataFrame) -> list[tuple[str, str | None]]:
    return [(fallback.candidate.name, fallback.degraded_reason) for fallback in fallback_order(options, table, "mase")]


def test_fallback_order_is_champion_former_champions_baselines_by_loss(model: Model) -> None:
    champion, former = model("gru", 0.1, "champion", "2"), model("lstm", 0.2, "champion", "1")
    naive, linear = model("naive", 0.3, "baseline"), model("linear", 0.4, "baseline")
    options = ForecastOptions(champion=champion, formers=(former,), evaluated=evaluation_of(champion, naive, linear))
    table = scores((champion, 0.5), (naive, 0.9), (linear, 0.7))
    why = "the champion can't forecast"
    assert order(options, table) == [("gru", None), ("lstm", why), ("linear", why), ("naive", why)]


def test_baseline_that_the_decision_has_chosen_is_first_with_reason(model: Model) -> None:
    champion, naive = model("gru", 0.1, "champion", "2"), model("naive", 0.3, "baseline")
    chosen = Fallback(candidate=naive, degraded_reason="naive has the lower mase")
    options = ForecastOptions(champion=champion, evaluated=evaluation_of(champion, naive), fallback=chosen)
    table = scores((champion, 0.9), (naive, 0.5))
    assert order(options, table)[:2] == [("naive", "naive has the lower mase"), ("gru", None)]
    undecided = options.model_copy(update={"fallback": None})
    assert order(undecided, table)[0] == ("gru", None)


def test_best_baseline_forecasts_if_there_is_no_champion(model: Model) -> None:
    naive, linear = model("naive", 0.3, "baseline"), model("linear", 0.4, "baseline")
    table = scores((naive, 0.9), (linear, 0.7))
    why = "no model has beaten every baseline yet"
    models = order(ForecastOptions(champion=None, evaluated=evaluation_of(naive, linear)), table)
    assert models == [("linear", why), ("naive", why)]


def test_incumbent_stays_if_registration_failed(model: Model) -> None:
    old, new = model("gru", 0.1, "champion", "1"), model("lstm", 0.1, "champion", "2")
    moved = RegistrationResult(champion=new, moved=True, reason="better", decision=CLAIM)
    assert forecast_options(moved, old, ()).champion == new
    assert forecast_options(StepFailure(step="register", reason="MLflow is down"), old, ()).champion == old
    assert forecast_options(None, old, (), StepFailure(step="evaluate", reason="?")).evaluated is None


def run_forecast(prepared: Any, forecast_setup: ForecastSetup, context: RunContext, **options: Any) -> ForecastResult:
    return forecast.fn(
        prepared.clean, prepared.windows, ForecastOptions(**options), context, forecast_setup, prepared.store
    )


def test_forecast_of_the_champion_is_complete_and_names_its_source(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, run_context: MakeContext
) -> None:
    done = run_forecast(
        prepared, forecast_setup, run_context("2024-03-11"), champion=model("gru", 0.1, "champion", "2")
    )
    table = pd.read_parquet(Path(prepared.store.root) / done.published.uri)
    assert len(table) == 2 * 3
    assert set(table["source"]) == {"champion"}
    assert set(table["model_name"] + " v" + table["model_version"]) == {"gru v2"}
    assert set(table["run_id"]) == {"run-2024-03-11"}
    assert table["degraded_reason"].isna().all()
    assert (np.diff(table[["q10", "q50", "q90"]], axis=1) >= 0).all()
    assert (done.series, done.left_out, done.sentence) == (2, (), "6 rows by gru v2")


def test_forecast_carries_its_as_of_and_leaves_its_history_at_a_stable_path(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, run_context: MakeContext
) -> None:
    done = run_forecast(
        prepared, forecast_setup, run_context("2024-03-11"), champion=model("gru", 0.1, "champion", "2")
    )
    table = pq.read_table(Path(prepared.store.root) / done.published.uri, partitioning=None)
    assert table.column_names[:4] == ["unique_id", "ds", "as_of", "cutoff"]
    assert table.schema.field("as_of").type == pa.timestamp("us", "UTC")
    assert table["as_of"].unique().to_pylist() == [datetime(2024, 3, 11, tzinfo=UTC)]
    history = Path(prepared.store.root) / "latest/pipeline=shop/history.parquet"
    assert history.read_bytes() == (Path(prepared.store.root) / prepared.clean.uri).read_bytes()


def test_damaged_champion_is_replaced_by_a_former_one_with_reason(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, run_context: MakeContext
) -> None:
    champion, former = model("gru", 0.1, "champion", "2"), model("lstm", 0.2, "champion", "1")
    (Path(prepared.store.root) / champion.bundle.uri).write_bytes(b"rot")
    done = run_forecast(prepared, forecast_setup, run_context("2024-03-11"), champion=champion, formers=(former,))
    table = prepared.store.get(done.table)
    assert set(table["model_name"]) == {"lstm"}
    assert set(table["source"]) == {"former_champion"}
    (reason,) = set(table["degraded_reason"])
    assert reason.startswith(f"the champion can't forecast; {champion.bundle.uri} in the store has digest")


def test_forecast_that_is_not_finite_is_passed_over(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, run_context: MakeContext
) -> None:
    champion, former = model("gru", float("nan"), "champion", "2"), model("lstm", float("inf"), "champion", "1")
    naive = model("naive", 0.0, "baseline")
    done = run_forecast(prepared, forecast_setup, run_context("2024-03-11"), champion=champion, formers=(former, naive))
    assert "gru v2 gave a forecast that is not finite" in str(done.rung.degraded_reason)
    assert done.rung.candidate.name == "naive"


def test_first_error_is_raised_if_no_model_can_forecast(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, run_context: MakeContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("tasks.forecasting.store_baselines", lambda *_: [])
    champion = model("gru", 0.1, "champion", "2")
    (Path(prepared.store.root) / champion.bundle.uri).unlink()
    with pytest.raises(StoreDamaged, match="is missing"):
        run_forecast(prepared, forecast_setup, run_context("2024-03-11"), champion=champion)
    with pytest.raises(NoChampion, match="no night has promoted a model yet"):
        run_forecast(prepared, forecast_setup, run_context("2024-03-11"), champion=None)
    assert prepared.store.list_files("forecasts") == []


def test_baselines_alone_still_publish(prepared: Any, forecast_setup: ForecastSetup, run_context: MakeContext) -> None:
    evaluation = evaluate.fn(prepared.clean, prepared.windows, (), forecast_setup, prepared.store)
    done = run_forecast(prepared, forecast_setup, run_context("2024-03-11"), champion=None, evaluated=evaluation)
    assert done.rung.candidate.role == "baseline"
    assert done.rung.degraded_reason == "no model has beaten every baseline yet"


def test_same_night_publishes_same_bytes(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, run_context: MakeContext
) -> None:
    champion = model("gru", 0.1, "champion", "2")
    twice = [run_forecast(prepared, forecast_setup, run_context("2024-03-11"), champion=champion) for _ in range(2)]
    assert twice[0] == twice[1]


def test_closed_steps_are_not_forecast_and_steps_keep_their_numbers(
    prepared: Any, model: Model, run_context: MakeContext, forecast_setup: ForecastSetup
) -> None:
    store = prepared.store
    setup = forecast_setup.model_copy(update={"closed": ("01-02",)})
    options = ForecastOptions(champion=model("gru", 0.5, role="champion"))
    done = forecast.fn(prepared.clean, prepared.windows, options, run_context("2024-03-11"), setup, store)
    table = store.get(done.table)
    assert table.groupby("unique_id")["step"].agg(list).to_dict() == {"a": [1, 3], "b": [1, 3]}
    assert table["ds"].dt.hour.tolist() == [0, 2, 0, 2]
    assert done.over == datetime(2024, 3, 11, 3, tzinfo=UTC)
    everything = setup.model_copy(update={"closed": ("00-24",)})
    empty = forecast.fn(prepared.clean, prepared.windows, options, run_context("2024-03-12"), everything, store)
    assert (empty.table.rows, empty.last) == (0, datetime(2024, 3, 11, 2, tzinfo=UTC))


def holed(name: str, failing: str, series: str = "b") -> Callable[..., Any]:
    """`recalibrated_table`, but the model `name` gives NaN for a series in the column `failing`."""

    def forecast_with_hole(rolling: Any, *rest: Any) -> Any:
        table, recalibration = recalibrated_table(rolling, *rest)
        hole = (table["unique_id"] == series) & (rolling.predictor.bundle.name == name)
        return table.assign(**{failing: table[failing].mask(hole, NAN)}), recalibration

    return forecast_with_hole


@pytest.mark.parametrize("failing", ["y_hat", "q90"])
def test_series_without_a_finite_forecast_falls_back_alone(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, run_context: MakeContext,
    monkeypatch: pytest.MonkeyPatch, failing: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("tasks.modeling.fallbacks.recalibrated_table", holed("gru", failing))
    champion, former = model("gru", 0.1, "champion", "2"), model("lstm", 0.2, "champion", "1")
    done = run_forecast(prepared, forecast_setup, run_context("2024-03-11"), champion=champion, formers=(former,))
    table = prepared.store.get(done.table)
    assert table.groupby("unique_id")["model_name"].agg(set).to_dict() == {"a": {"gru"}, "b": {"lstm"}}
    reasons = table.groupby("unique_id")["degraded_reason"].first()
    assert reasons["b"] == "gru v2 gave a forecast that is not finite"
    assert pd.isna(reasons["a"])
    assert done.rung.degraded_reason is None
    assert [(part.candidate.name, part.series) for part in done.fallbacks] == [("lstm", ("b",))]
    assert (done.series, done.is_degraded, done.sentence) == (2, True, "6 rows by gru v2, 1 series by a fallback")


def test_series_that_no_model_can_forecast_costs_the_others_nothing(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, run_context: MakeContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def never_b(*arguments: Any) -> Any:
        table, recalibration = recalibrated_table(*arguments)
        return table.assign(y_hat=table["y_hat"].mask(table["unique_id"] == "b", NAN)), recalibration

    monkeypatch.setattr("tasks.modeling.fallbacks.recalibrated_table", never_b)
    done = run_forecast(
        prepared, forecast_setup, run_context("2024-03-11"), champion=model("gru", 0.1, "champion", "2")
    )
    assert set(prepared.store.get(done.table)["unique_id"]) == {"a"}
    assert (done.series, done.not_finite) == (1, ("b",))


@pytest.mark.parametrize(("day", "by"), [("2024-03-10", "seasonal_naive_24"), ("2024-03-02", "gru")])
def test_series_with_an_extreme_value_in_its_lookback_is_forecast_by_a_baseline(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, run_context: MakeContext, day: str, by: str
) -> None:
    moment = datetime.fromisoformat(day).replace(hour=23, tzinfo=UTC)
    extreme = (ExtremeValue(series="b", ds=moment, column="sold", value=1e300),)
    champion = model("gru", 0.1, "champion", "2")
    done = run_forecast(prepared, forecast_setup, run_context("2024-03-11"), champion=champion, extreme=extreme)
    table = prepared.store.get(done.table)
    assert table.groupby("unique_id")["model_name"].agg(set).to_dict() == {"a": {"gru"}, "b": {by}}
    if by != "gru":
        reason = table.loc[table["unique_id"] == "b", "degraded_reason"].iloc[0]
        assert reason == "sold is 1e+300 at 2024-03-10 23:00 UTC, too large to compute with"


def test_series_whose_known_covariates_end_early_is_forecast_by_a_baseline_that_reads_none(
    store: Store, waves: Any, forecast_setup: ForecastSetup, run_context: MakeContext
) -> None:
    view = forecast_setup.view.model_copy(update={"features": FeatureSpec(known=("price",))})
    past = waves(days=11).assign(price=1.0)
    cutoff = pd.Timestamp("2024-03-10 23:00", tz="UTC")
    past.loc[past["ds"] > cutoff, "y"] = np.nan
    ends, horizon = {"a": 3, "b": 0}, past["ds"] - cutoff
    frame = past[horizon <= past["unique_id"].map(ends) * pd.Timedelta("1h")].reset_index(drop=True)
    frame.loc[(frame["unique_id"] == "b") & (frame["ds"] < cutoff), "price"] = np.nan  # only the newest counts
    clean, spec = store.put(frame, "clean"), WindowSpec(horizon=3, validation="2d", test="3d")
    windows = cut_windows.fn(clean, cutoff.to_pydatetime(), view, spec, EvaluationSpec(windows=6), store)
    setup = forecast_setup.model_copy(update={"view": view})
    options = ForecastOptions(champion=None, no_champion="no model was trained")
    done = forecast.fn(clean, windows, options, run_context("2024-03-11"), setup, store)
    table = store.get(done.table)
    assert table.groupby("unique_id").size().to_dict() == {"a": 3, "b": 3}
    assert table.loc[table["unique_id"] == "a", "source"].unique().tolist() == ["linear"]
    assert table.loc[table["unique_id"] == "b", "source"].unique().tolist() == ["seasonal_naive_24"]
    reasons = table.loc[table["unique_id"] == "b", "degraded_reason"].unique().tolist()
    assert reasons == ["its known covariates end before the horizon does"]
    assert (done.series, done.left_out) == (2, ())
    ended = frame[(frame["unique_id"] == "a") | (frame["ds"] < cutoff)]
    claim = store.put(ended.reset_index(drop=True), "clean")
    assert forecast.fn(claim, windows, options, run_context("2024-03-11"), setup, store).left_out == ("b",)


def test_damaged_champion_without_former_or_evaluation_is_replaced_by_a_baseline(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, run_context: MakeContext
) -> None:
    champion = model("gru", 0.1, "champion", "2")
    (Path(prepared.store.root) / champion.bundle.uri).unlink()
    done = run_forecast(prepared, forecast_setup, run_context("2024-03-11"), champion=champion)
    assert done.rung.candidate.role == "baseline"
    assert str(done.rung.degraded_reason).startswith(f"the champion can't forecast; {champion.bundle.uri} in the store")


def test_baseline_publishes_if_the_evaluation_failed_and_there_is_no_champion(
    prepared: Any, forecast_setup: ForecastSetup, run_context: MakeContext
) -> None:
    failed = StepFailure(step="evaluate", reason="out of memory")
    options = forecast_options(StepFailure(step="register", reason="needs evaluate"), None, (), failed)
    context = run_context("2024-03-11")
    done = forecast.fn(prepared.clean, prepared.windows, options, context, forecast_setup, prepared.store)
    assert (done.rung.candidate.role, done.table.rows) == ("baseline", 6)
    assert done.rung.degraded_reason == "no model could be registered, so none could become champion"


def published_vintage(
    prepared: Any, forecast_setup: ForecastSetup, champion: Candidate, context: RunContext
) -> Published:
    """The vintage of the champion for an earlier as-of."""
    done = run_forecast(prepared, forecast_setup, context, champion=champion)
    return Published(as_of=context.as_of, file=done.published)


def test_series_that_no_model_can_forecast_gets_the_newest_vintage(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, run_context: MakeContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    champion = model("gru", 0.1, "champion", "2")
    newest = published_vintage(prepared, forecast_setup, champion, run_context("2024-03-10"))

    def never_b(*arguments: Any) -> Any:
        table, recalibration = recalibrated_table(*arguments)
        return table.assign(y_hat=table["y_hat"].mask(table["unique_id"] == "b", NAN)), recalibration

    monkeypatch.setattr("tasks.modeling.fallbacks.recalibrated_table", never_b)
    done = run_forecast(prepared, forecast_setup, run_context("2024-03-11"), champion=champion, newest=newest)
    table = prepared.store.get(done.table)
    assert table.groupby("unique_id").size().tolist() == [3, 3]
    assert table.groupby("unique_id")["source"].agg(set).to_dict() == {"a": {"champion"}, "b": {"last_vintage"}}
    assert set(table["model_name"] + " v" + table["model_version"]) == {"gru v2"}
    why = table.loc[table["unique_id"] == "b", "degraded_reason"].unique().tolist()
    assert why == ["no model gives it a finite forecast; the forecast as of 2024-03-10 00:00 UTC is moved on"]
    assert (done.series, done.not_finite, done.is_degraded) == (2, (), True)
    assert [(part.candidate, part.series) for part in done.fallbacks] == [(None, ("b",))]


def test_night_on_which_nothing_can_forecast_moves_every_series_on(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, run_context: MakeContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    champion = model("gru", 0.1, "champion", "2")
    newest = published_vintage(prepared, forecast_setup, champion, run_context("2024-03-10"))
    (Path(prepared.store.root) / champion.bundle.uri).unlink()
    monkeypatch.setattr("tasks.forecasting.store_baselines", lambda *_: [])
    done = run_forecast(prepared, forecast_setup, run_context("2024-03-11"), champion=champion, newest=newest)
    table = prepared.store.get(done.table)
    assert (len(table), set(table["source"])) == (6, {"last_vintage"})
    assert table["degraded_reason"].str.contains("is missing.*is moved on").all()
    assert (done.series, done.is_degraded) == (2, True)
    with pytest.raises(StoreDamaged):  # a first night has no vintage
        run_forecast(prepared, forecast_setup, run_context("2024-03-11"), champion=champion)


def test_fallback_is_no_narrower_than_the_champion_of_the_newest_vintage(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, run_context: MakeContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    champion, former = model("gru", 0.1, "champion", "2"), model("lstm", 0.2, "champion", "1")
    wide = published_vintage(prepared, forecast_setup, champion, run_context("2024-03-10"))
    table = prepared.store.get(wide.file)
    table["q90"] = table["y_hat"] + 500.0
    newest = Published(as_of=wide.as_of, file=prepared.store.put(table, "forecasts"))
    monkeypatch.setattr("tasks.modeling.fallbacks.recalibrated_table", holed("gru", "y_hat"))
    options = {"champion": champion, "formers": (former,), "newest": newest}
    done = run_forecast(prepared, forecast_setup, run_context("2024-03-11"), **options)
    served = prepared.store.get(done.table)
    above = (served["q90"] - served["y_hat"]).groupby(served["unique_id"]).agg(["min", "max"])
    assert above.loc["b"].tolist() == pytest.approx([500.0, 500.0])
    assert above.loc["a", "max"] < 100.0  # the champion itself forecasts a


def test_baselines_of_a_night_without_an_evaluation_begin_with_the_linear_one(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, run_context: MakeContext
) -> None:
    champion = model("gru", 0.1, "champion", "2")
    (Path(prepared.store.root) / champion.bundle.uri).unlink()
    done = run_forecast(prepared, forecast_setup, run_context("2024-03-11"), champion=champion)
    assert done.rung.candidate.name == "linear"
