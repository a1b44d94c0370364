"""Every candidate answers the same questions; who answers another one is passed over, and said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import StoreDamaged
from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from tasks.evaluation import evaluate
from tasks.modeling.candidate import Candidate, load_bundle
from tasks.modeling.forecast_setup import ForecastSetup, OutputSpec
from tasks.modeling.forecasts import NotComparable, forecast_table, load_comparable
from tasks.modeling.training_data import load_window_index, window_cutoffs
from tasks.results.steps import EvaluationResult

Model = Callable[..., Candidate]


def evaluated(evening: Any, question: ForecastSetup, *rivals: Candidate) -> EvaluationResult:
    return evaluate.fn(evening.clean, evening.windows, rivals, question, evening.store)


def test_every_candidate_is_scored_at_the_same_origins(evening: Any, question: ForecastSetup, model: Model) -> None:
    done = evaluated(evening, question, model("gru", 0.1), model("old", 2.0, "champion", "4"))
    scores, backtest = evening.store.get(done.scores), evening.store.get(done.backtest)
    assert scores["model_name"].tolist() == [
        "gru", "old v4", "naive", "seasonal_naive_24", "seasonal_naive_168", "seasonal_mean_168", "linear"
    ]  # fmt: skip
    assert scores["role"].tolist() == ["challenger", "champion", *["baseline"] * 5]
    assert set(scores["origins"]) == {6}
    asked = {frozenset(zip(part["unique_id"], part["ds"], strict=True)) for _, part in backtest.groupby("model_name")}
    assert len(asked) == 1
    assert len(backtest) == 7 * 2 * 6 * 3


def test_the_backtest_stands_beside_what_came(evening: Any, question: ForecastSetup, model: Model) -> None:
    done = evaluated(evening, question, model("gru", 0.1))
    backtest, clean = evening.store.get(done.backtest), evening.store.get(evening.clean)
    actual = clean.set_index(["unique_id", "ds"])["y"]
    told = backtest.set_index(["unique_id", "ds"])["y"]
    assert told.equals(actual.reindex(told.index))
    yesterday = actual.reindex(pd.MultiIndex.from_frame(
        backtest[["unique_id", "ds"]].assign(ds=backtest["ds"] - pd.Timedelta(days=1))
    )).to_numpy()  # fmt: skip
    gru = (backtest["model_name"] == "gru").to_numpy()
    assert np.allclose(backtest["y_hat"].to_numpy()[gru], yesterday[gru] + 0.1)


def test_a_model_that_is_wrong_by_more_has_the_higher_losses(
    evening: Any, question: ForecastSetup, model: Model
) -> None:
    scores = evening.store.get(evaluated(evening, question, model("near", 0.1), model("far", 9.0)).scores)
    near, far = (scores.set_index("model_name").loc[name] for name in ("near", "far"))
    assert (near[["mase", "wql", "mae", "rmse", "smape"]] < far[["mase", "wql", "mae", "rmse", "smape"]]).all()
    assert near["coverage"] > far["coverage"]


def test_nothing_after_an_origin_changes_what_is_forecast_there(
    evening: Any, question: ForecastSetup, model: Model, waves: Callable[..., pd.DataFrame]
) -> None:
    clean, index = waves(), load_window_index(evening.windows, evening.store)
    rows = window_cutoffs(clean, index, "test")
    first = rows[rows["cutoff"] == rows["cutoff"].min()].reset_index(drop=True)
    poisoned = clean.assign(y=clean["y"].where(clean["ds"] <= first["cutoff"].min(), 1e9))
    bundle = load_bundle(model("gru", 0.1), evening.store)
    tables = [forecast_table(bundle, frame, first, question.bounds) for frame in (clean, poisoned)]
    assert tables[0].equals(tables[1])


def test_forecasts_keep_to_their_bounds(evening: Any, question: ForecastSetup, model: Model) -> None:
    clean = evening.store.get(evening.clean)
    rows = window_cutoffs(clean, load_window_index(evening.windows, evening.store), "forecast")
    bounds = OutputSpec(quantiles=(0.1, 0.5, 0.9), minimum=0.0, maximum=20.0)
    table = forecast_table(load_bundle(model("low", -30.0), evening.store), clean, rows, bounds)
    assert table[["y_hat", "q10", "q50", "q90"]].stack().between(0, 20).all()
    assert table["step"].tolist() == [1, 2, 3] * 2
    assert (table["ds"] - table["cutoff"] == pd.to_timedelta(table["step"], unit="h")).all()


@pytest.mark.parametrize(
    ("changes", "said"),
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
def test_a_model_that_answers_another_question_is_passed_over_and_said(
    evening: Any, question: ForecastSetup, model: Model, changes: dict[str, Any], said: str
) -> None:
    old = model("old", 0.1, "champion", "4", **changes)
    with pytest.raises(NotComparable, match=said):
        load_comparable(old, question.view, question.bounds, evening.store)
    done = evaluated(evening, question, old, model("gru", 0.1))
    assert "old v4" not in [one.label for one in done.candidates]
    (passed_over,) = done.passed_over
    assert passed_over.startswith("champion passed over: old v4")


def test_a_damaged_champion_is_passed_over_and_the_others_are_judged(
    evening: Any, question: ForecastSetup, model: Model
) -> None:
    old = model("old", 0.1, "champion", "4")
    (Path(evening.store.root) / old.bundle.uri).write_bytes(b"rot")
    with pytest.raises(StoreDamaged):
        load_comparable(old, question.view, question.bounds, evening.store)
    done = evaluated(evening, question, old, model("gru", 0.1))
    assert done.passed_over[0].startswith(f"champion passed over: {old.bundle.uri} in the store has digest")
    assert "gru" in [one.label for one in done.candidates]


def test_the_same_evening_gives_the_same_bytes(evening: Any, question: ForecastSetup, model: Model) -> None:
    assert evaluated(evening, question, model("gru", 0.1)) == evaluated(evening, question, model("gru", 0.1))


def test_the_sentence_ranks_the_first_three(evening: Any, question: ForecastSetup, model: Model) -> None:
    assert evaluated(evening, question, model("best", 0.0)).sentence.startswith("6 origins, mase: ")
