"""Step 5: all candidates are scored on the same rows; a model with another setup is passed over with a reason."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import StoreDamaged
from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from models.data.panel_table import PanelTable
from tasks.evaluation import evaluate
from tasks.modeling.candidate import Candidate, load_bundle
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.forecast_setup import ForecastSetup, OutputSpec
from tasks.modeling.forecasts import NotComparable, forecast_table, load_comparable
from tasks.modeling.training_data import load_window_index, window_cutoffs
from tasks.results.steps import EvaluationResult

Model = Callable[..., Candidate]


def run_evaluation(prepared: Any, forecast_setup: ForecastSetup, *models: Candidate) -> EvaluationResult:
    return evaluate.fn(prepared.clean, prepared.windows, models, forecast_setup, prepared.store)


def test_all_candidates_are_scored_at_the_same_origins(
    prepared: Any, forecast_setup: ForecastSetup, model: Model
) -> None:
    done = run_evaluation(prepared, forecast_setup, model("gru", 0.1), model("old", 2.0, "champion", "4"))
    scores, backtest = prepared.store.get(done.scores), prepared.store.get(done.backtest)
    assert scores["model_name"].tolist() == [
        "gru", "old v4", "naive", "seasonal_naive_24", "seasonal_naive_168", "seasonal_mean_168", "linear"
    ]  # fmt: skip
    assert scores["role"].tolist() == ["challenger", "champion", *["baseline"] * 5]
    assert set(scores["origins"]) == {6}
    rows_asked = {
        frozenset(zip(part["unique_id"], part["ds"], strict=True)) for _, part in backtest.groupby("model_name")
    }
    assert len(rows_asked) == 1
    assert len(backtest) == 7 * 2 * 6 * 3


def test_more_series_than_the_limit_are_sampled(prepared: Any, forecast_setup: ForecastSetup, model: Model) -> None:
    limited = forecast_setup.evaluation.model_copy(update={"max_series": 1})
    done = run_evaluation(prepared, forecast_setup.model_copy(update={"evaluation": limited}), model("gru", 0.1))
    assert prepared.store.get(done.backtest)["unique_id"].nunique() == 1
    assert done.sample == "1 of 2 series"
    assert run_evaluation(prepared, forecast_setup, model("gru", 0.1)).sample == ""


def test_backtest_has_forecasts_and_actuals(prepared: Any, forecast_setup: ForecastSetup, model: Model) -> None:
    done = run_evaluation(prepared, forecast_setup, model("gru", 0.1))
    backtest, clean = prepared.store.get(done.backtest), prepared.store.get(prepared.clean)
    actual = clean.set_index(["unique_id", "ds"])["y"]
    backtested = backtest.set_index(["unique_id", "ds"])["y"]
    assert backtested.equals(actual.reindex(backtested.index))
    yesterday = actual.reindex(pd.MultiIndex.from_frame(
        backtest[["unique_id", "ds"]].assign(ds=backtest["ds"] - pd.Timedelta(days=1))
    )).to_numpy()  # fmt: skip
    gru = (backtest["model_name"] == "gru").to_numpy()
    assert np.allclose(backtest["y_hat"].to_numpy()[gru], yesterday[gru] + 0.1)


def test_larger_errors_give_higher_losses(prepared: Any, forecast_setup: ForecastSetup, model: Model) -> None:
    scores = prepared.store.get(run_evaluation(prepared, forecast_setup, model("near", 0.1), model("far", 9.0)).scores)
    near, far = (scores.set_index("model_name").loc[name] for name in ("near", "far"))
    assert (near[["mase", "wql", "mae", "rmse", "smape"]] < far[["mase", "wql", "mae", "rmse", "smape"]]).all()
    assert near["coverage"] > far["coverage"]


def test_values_after_an_origin_do_not_change_its_forecast(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, waves: Callable[..., pd.DataFrame]
) -> None:
    clean, index = waves(), load_window_index(prepared.windows, prepared.store)
    rows = window_cutoffs(PanelTable.from_frame(clean), index, "test")
    first = rows[rows["cutoff"] == rows["cutoff"].min()].reset_index(drop=True)
    poisoned = clean.assign(y=clean["y"].where(clean["ds"] <= first["cutoff"].min(), 1e9))
    bundle = load_bundle(model("gru", 0.1), prepared.store)
    tables = [
        forecast_table(bundle, PanelTable.from_frame(frame), first, forecast_setup.bounds)
        for frame in (clean, poisoned)
    ]
    assert tables[0].equals(tables[1])


def test_forecasts_stay_within_their_bounds(prepared: Any, forecast_setup: ForecastSetup, model: Model) -> None:
    clean = load_clean_table(prepared.clean, prepared.store)
    rows = window_cutoffs(clean, load_window_index(prepared.windows, prepared.store), "forecast")
    bounds = OutputSpec(quantiles=(0.1, 0.5, 0.9), minimum=0.0, maximum=20.0)
    table = forecast_table(load_bundle(model("low", -30.0), prepared.store), clean, rows, bounds)
    assert table[["y_hat", "q10", "q50", "q90"]].stack().between(0, 20).all()
    assert table["step"].tolist() == [1, 2, 3] * 2
    assert (table["ds"] - table["cutoff"] == pd.to_timedelta(table["step"], unit="h")).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"view": InputSpec(features=FeatureSpec(known=()), freq="h", zone="UTC", lookback=24, horizon=6)},
            "for horizon 6",
        ),
        (
            {"view": InputSpec(features=FeatureSpec(known=()), freq="D", zone="UTC", lookback=24, horizon=3)},
            "for freq D",
        ),
        ({"levels": (0.05, 0.5, 0.95)}, r"for quantiles \(0.05, 0.5, 0.95\)"),
        (
            {"view": InputSpec(features=FeatureSpec(known=("wind",)), freq="h", zone="UTC", lookback=24, horizon=3)},
            "learned from wind, which the spec no longer names",
        ),
    ],
)
def test_model_with_another_setup_is_passed_over_with_reason(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, changes: dict[str, Any], message: str
) -> None:
    old = model("old", 0.1, "champion", "4", **changes)
    with pytest.raises(NotComparable, match=message):
        load_comparable(old, forecast_setup.view, forecast_setup.bounds, prepared.store)
    done = run_evaluation(prepared, forecast_setup, old, model("gru", 0.1))
    assert "old v4" not in [candidate.label for candidate in done.candidates]
    (passed_over,) = done.passed_over
    assert passed_over.startswith("champion passed over: old v4")


def test_damaged_champion_is_passed_over_and_others_are_scored(
    prepared: Any, forecast_setup: ForecastSetup, model: Model
) -> None:
    old = model("old", 0.1, "champion", "4")
    (Path(prepared.store.root) / old.bundle.uri).write_bytes(b"rot")
    with pytest.raises(StoreDamaged):
        load_comparable(old, forecast_setup.view, forecast_setup.bounds, prepared.store)
    done = run_evaluation(prepared, forecast_setup, old, model("gru", 0.1))
    assert done.passed_over[0].startswith(f"champion passed over: {old.bundle.uri} in the store has digest")
    assert "gru" in [candidate.label for candidate in done.candidates]


def test_same_inputs_give_the_same_evaluation(prepared: Any, forecast_setup: ForecastSetup, model: Model) -> None:
    assert run_evaluation(prepared, forecast_setup, model("gru", 0.1)) == run_evaluation(
        prepared, forecast_setup, model("gru", 0.1)
    )


def test_sentence_ranks_the_best_three(prepared: Any, forecast_setup: ForecastSetup, model: Model) -> None:
    assert run_evaluation(prepared, forecast_setup, model("best", 0.0)).sentence.startswith("6 origins, mase: ")


@pytest.mark.parametrize("nothing", [float("nan"), float("inf"), float("-inf")])
def test_model_with_a_forecast_that_is_not_finite_is_excluded_and_the_others_are_scored(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, nothing: float
) -> None:
    done = run_evaluation(prepared, forecast_setup, model("bad", nothing), model("gru", 0.1))
    assert "bad" not in [candidate.label for candidate in done.candidates]
    (excluded,) = done.excluded
    assert (excluded.candidate.label, excluded.cause) == ("bad", "not finite")
    assert done.passed_over == (
        "challenger passed over: bad: 36 of 36 forecasts are not finite, the first of series 'a' and 1 more series "
        "at origin 2024-03-08 08:00 UTC",
    )
    scores = prepared.store.get(done.scores)
    assert {"gru", "naive", "linear"} <= set(scores["model_name"])


def test_quantile_that_is_not_finite_excludes_a_model_with_finite_medians(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_hole(bundle: Any, *rest: Any, **named: Any) -> pd.DataFrame:
        table = forecast_table(bundle, *rest, **named)
        hole = (table["unique_id"] == "b") & (table["cutoff"] == table["cutoff"].max()) & (bundle.name == "gru")
        return table.assign(q90=table["q90"].mask(hole, float("nan")))

    monkeypatch.setattr("tasks.evaluation.forecast_table", with_hole)
    (excluded,) = run_evaluation(prepared, forecast_setup, model("gru", 0.1), model("lstm", 0.2)).excluded
    assert excluded.reason == (
        "gru: 3 of 36 forecasts are not finite, the first of series 'b' at origin 2024-03-10 20:00 UTC"
    )


def test_model_that_raises_is_excluded_and_the_others_are_scored(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(bundle: Any, *rest: Any, **named: Any) -> pd.DataFrame:
        if bundle.name == "gru":
            raise RuntimeError("size mismatch for encoder.weight")
        return forecast_table(bundle, *rest, **named)

    monkeypatch.setattr("tasks.evaluation.forecast_table", broken)
    done = run_evaluation(prepared, forecast_setup, model("gru", 0.1), model("lstm", 0.2))
    assert [model.reason for model in done.excluded] == [
        "gru cannot forecast: RuntimeError: size mismatch for encoder.weight"
    ]
    assert "lstm" in [candidate.label for candidate in done.candidates]
