"""A configuration is better if it passes the promotion test on the test windows; else the last line says why not."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from data_contracts.artifact import Artifact
from models.data.panel import InputSpec
from models.networks.architecture import RecurrentSpec
from models.training.recipe import Recipe
from models.training.training_spec import TrainingSpec
from tasks.engine.failure import StepFailure
from tasks.evaluation import evaluate
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.promotion.decision import PromotionSpec
from tasks.results.steps import RunContext, TrainingResult
from tasks.search.conclusion import TuningOutcome, compare_on_test, contenders
from tasks.search.search import SearchResult

Model = Callable[..., Candidate]


def trained(candidate: Candidate) -> TrainingResult:
    return TrainingResult(candidate=candidate, train_losses=(1.0,), validation_losses=(1.0,), seconds=1.0)


@pytest.fixture
def recipes(view: InputSpec) -> tuple[Recipe, Recipe]:
    """(the pipeline's own, one with another learning rate and so of the same name)."""
    own = Recipe(model=RecurrentSpec(cell="gru", hidden=8), training=TrainingSpec(), quantiles=(0.5,), view=view)
    return own, own.model_copy(update={"training": TrainingSpec(learning_rate=0.005)})


@pytest.fixture
def searched(prepared: Any, recipes: tuple[Recipe, Recipe]) -> Callable[[Recipe], SearchResult]:
    row = {"number": 0, "name": "gru-8", "settings": "{}", "metric": "mase", "epochs": 1, "state": "done", "loss": 0.7}
    trials: Artifact = prepared.store.put(pd.DataFrame([row | {"seconds": 1.0, "note": ""}]), "trials")

    def build(best: Recipe) -> SearchResult:
        return SearchResult(
            best=best, own=recipes[:1], best_loss=0.7, own_loss=0.8, seed=5, trial_count=3,
            settings=("training.learning_rate",), trials=trials, ended="3 trials",
        )  # fmt: skip

    return build


def conclude(prepared: Any, forecast_setup: ForecastSetup, searched: SearchResult, *models: Candidate) -> TuningOutcome:
    candidates = contenders(searched, tuple(trained(result) for result in models))
    evaluation = evaluate.fn(prepared.clean, prepared.windows, candidates, forecast_setup, prepared.store)
    context = RunContext(pipeline="shop", run_id="run-5", as_of=datetime(2024, 3, 11, tzinfo=UTC))
    return compare_on_test(searched, evaluation, context, PromotionSpec(), "mase", prepared.store)


def test_configuration_that_beats_own_models_and_baselines_is_better(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, recipes: Any, searched: Any
) -> None:
    best = model("gru-8", 0.0, kind="seasonal_mean"), model("gru-8", 4.0)
    outcome = conclude(prepared, forecast_setup, searched(recipes[1]), *best)
    assert outcome.better
    assert outcome.p_value is not None
    assert outcome.p_value < 0.05
    assert [row["model_name"] for row in outcome.leaderboard][:1] == ["gru-8 (tuned)"]
    assert outcome.settings == {"training.learning_rate": 0.005}
    scores = {row["model_name"]: row["mase"] for row in outcome.leaderboard}
    share = 1 - scores["gru-8 (tuned)"] / scores["gru-8"]
    assert outcome.sentence.startswith(f"gru-8 is better on the test windows by {share:.1%} (mase ")


@pytest.mark.parametrize("wrong", [(4.0, 0.1), (0.1, 0.0)])  # yesterday's value plus 0.1 loses to yesterday's value
def test_configuration_that_is_worse_on_the_test_windows_is_reported(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, recipes: Any, searched: Any, wrong: Any
) -> None:
    tuned_error, own_error = wrong
    outcome = conclude(
        prepared, forecast_setup, searched(recipes[1]), model("gru-8", tuned_error), model("gru-8", own_error)
    )
    assert not outcome.better
    assert "does not beat" in outcome.reason
    assert outcome.sentence.startswith("gru-8 is not better on the test windows (")
    assert outcome.sentence.endswith("keep the current settings")


def test_configuration_equal_to_the_own_model_is_not_better(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, recipes: Any, searched: Any
) -> None:
    same = model("gru-8", 0.0, kind="seasonal_mean")
    outcome = conclude(prepared, forecast_setup, searched(recipes[1]), same, same)
    assert not outcome.better
    assert outcome.p_value == 1.0
    assert outcome.reason.endswith("not better")


def test_search_that_finds_nothing_new_says_so(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, recipes: Any, searched: Any
) -> None:
    outcome = conclude(prepared, forecast_setup, searched(recipes[0]), model("gru-8", 0.0, kind="seasonal_mean"))
    assert not outcome.better
    assert not outcome.found
    assert outcome.p_value is None
    assert outcome.sentence == (
        "3 trials found nothing better than gru-8 (mase 0.7 on the validation windows): keep the current settings"
    )


def test_finalist_that_could_not_be_trained_is_left_out(model: Model, recipes: Any, searched: Any) -> None:
    result = trained(model("gru-8", 0.1))
    failed = StepFailure(step="train", reason="its loss is not finite")
    assert [c.name for c in contenders(searched(recipes[1]), (failed, result))] == ["gru-8"]
    assert [c.name for c in contenders(searched(recipes[1]), (result, failed))] == ["gru-8 (tuned)"]


def test_configuration_that_is_not_finite_is_not_better(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, recipes: Any, searched: Any
) -> None:
    outcome = conclude(
        prepared, forecast_setup, searched(recipes[1]), model("gru-8", float("nan")), model("gru-8", 4.0)
    )
    assert not outcome.better
    assert outcome.reason.startswith("no challenger has a finite loss, so the champion stays")
    assert "gru-8 (tuned): 36 of 36 forecasts are not finite, the first of series 'a'" in outcome.reason


def test_own_model_that_is_not_finite_loses_with_reason(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, recipes: Any, searched: Any
) -> None:
    best = model("gru-8", 0.0, kind="seasonal_mean"), model("gru-8", float("nan"))
    outcome = conclude(prepared, forecast_setup, searched(recipes[1]), *best)
    assert outcome.better
    assert "has a finite loss, and gru-8 has none" in outcome.reason
