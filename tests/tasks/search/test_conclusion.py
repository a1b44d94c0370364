"""A finding is better where the gate says so on the test windows; else the last line says to keep what is there."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from data_contracts.artifact import Artifact
from models.data.panel import InputSpec
from models.networks.recurrent import RecurrentSpec
from models.training.fit import TrainingSpec
from models.training.recipe import Recipe
from tasks.engine.failure import StepFailure
from tasks.evaluation import evaluate
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.registry.promotion import PromotionSpec
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
def searched(evening: Any, recipes: tuple[Recipe, Recipe]) -> Callable[[Recipe], SearchResult]:
    row = {"number": 0, "name": "gru-8", "settings": "{}", "metric": "mase", "epochs": 1, "state": "done", "loss": 0.7}
    trials: Artifact = evening.store.put(pd.DataFrame([row | {"seconds": 1.0, "note": ""}]), "trials")

    def told(best: Recipe) -> SearchResult:
        return SearchResult(
            best=best, own=recipes[:1], best_loss=0.7, own_loss=0.8, seed=5, trial_count=3,
            settings=("training.learning_rate",), trials=trials, ended="3 trials",
        )  # fmt: skip

    return told


def concluded(evening: Any, question: ForecastSetup, searched: SearchResult, *models: Candidate) -> TuningOutcome:
    rivals = contenders(searched, tuple(trained(one) for one in models))
    judged = evaluate.fn(evening.clean, evening.windows, rivals, question, evening.store)
    context = RunContext(pipeline="shop", run_id="run-5", as_of=datetime(2024, 3, 11, tzinfo=UTC))
    return compare_on_test(searched, judged, context, PromotionSpec(), "mase", evening.store)


def test_configuration_that_beats_own_models_and_baselines_is_better(
    evening: Any, question: ForecastSetup, model: Model, recipes: Any, searched: Any
) -> None:
    best = model("gru-8", 0.0, kind="seasonal_mean"), model("gru-8", 4.0)
    told = concluded(evening, question, searched(recipes[1]), *best)
    assert told.better
    assert told.p_value is not None
    assert told.p_value < 0.05
    assert [row["model_name"] for row in told.leaderboard][:1] == ["gru-8 (tuned)"]
    assert told.settings == {"training.learning_rate": 0.005}
    scores = {row["model_name"]: row["mase"] for row in told.leaderboard}
    share = 1 - scores["gru-8 (tuned)"] / scores["gru-8"]
    assert told.sentence.startswith(f"gru-8 is better on the test windows by {share:.1%} (mase ")


@pytest.mark.parametrize("wrong", [(4.0, 0.1), (0.1, 0.0)])  # yesterday's value and 0.1 loses to yesterday's value
def test_configuration_that_is_worse_on_the_test_windows_is_reported(
    evening: Any, question: ForecastSetup, model: Model, recipes: Any, searched: Any, wrong: Any
) -> None:
    found, own = wrong
    told = concluded(evening, question, searched(recipes[1]), model("gru-8", found), model("gru-8", own))
    assert not told.better
    assert "does not beat" in told.reason
    assert told.sentence.startswith("gru-8 is not better on the test windows (")
    assert told.sentence.endswith("keep the current settings")


def test_configuration_equal_to_the_own_model_is_not_better(
    evening: Any, question: ForecastSetup, model: Model, recipes: Any, searched: Any
) -> None:
    same = model("gru-8", 0.0, kind="seasonal_mean")
    told = concluded(evening, question, searched(recipes[1]), same, same)
    assert not told.better
    assert told.p_value == 1.0
    assert told.reason.endswith("not better")


def test_search_that_finds_nothing_new_says_so(
    evening: Any, question: ForecastSetup, model: Model, recipes: Any, searched: Any
) -> None:
    told = concluded(evening, question, searched(recipes[0]), model("gru-8", 0.0, kind="seasonal_mean"))
    assert not told.better
    assert not told.found
    assert told.p_value is None
    assert told.sentence == (
        "3 trials found nothing better than gru-8 (mase 0.7 on the validation windows): keep the current settings"
    )


def test_finalist_that_could_not_be_trained_is_left_out(model: Model, recipes: Any, searched: Any) -> None:
    one = trained(model("gru-8", 0.1))
    failed = StepFailure(step="train", reason="its loss is not finite")
    assert [c.name for c in contenders(searched(recipes[1]), (failed, one))] == ["gru-8"]
    assert [c.name for c in contenders(searched(recipes[1]), (one, failed))] == ["gru-8 (tuned)"]
