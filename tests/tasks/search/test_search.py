"""A search starts with the pipeline's own models, repeats with the same seed, and survives a failed trial."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.data.panel import InputSpec
from models.data.windows import WindowRanges
from models.networks.architecture import RecurrentSpec
from models.training.recipe import Recipe
from models.training.training_spec import TrainingSpec
from tasks.engine import run_log
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.results.steps import TrialResult
from tasks.search.sampler import Sampler
from tasks.search.search import NothingTrained, SearchBudget, SearchResult, Trial, median_losses, search
from tasks.search.search_space import build_search_space, loss_unit, work_per_window

pytestmark = pytest.mark.usefixtures("prefect_server")
LEVELS = (0.1, 0.5, 0.9)
TRAIN = WindowRanges.from_cutoffs(np.zeros(1000, np.int64), np.arange(1000))
QUICK = TrainingSpec(max_epochs=2, windows_per_epoch=64, learning_rate=0.01)


def recipe_of(view: InputSpec, training: TrainingSpec = QUICK, **model: Any) -> Recipe:
    spec = RecurrentSpec.model_validate({"cell": "gru", "hidden": 8, "segment": 12} | model)
    return Recipe(model=spec, training=training, quantiles=LEVELS, view=view)


@pytest.fixture
def own(view: InputSpec) -> tuple[Recipe, ...]:
    return recipe_of(view), recipe_of(view, cell="lstm", hidden=4)


def run_search(
    prepared: Any, own: tuple[Recipe, ...], forecast_setup: ForecastSetup, **effort: Any
) -> tuple[SearchResult, pd.DataFrame]:
    result = search(
        prepared.clean, prepared.windows, own, forecast_setup, SearchBudget.model_validate(effort), prepared.store
    )
    return result, prepared.store.get(result.trials)


def test_first_trials_are_the_own_models_and_the_best_is_not_worse(
    prepared: Any, own: tuple[Recipe, ...], forecast_setup: ForecastSetup
) -> None:
    result, trials = run_search(prepared, own, forecast_setup, trials=6)
    assert trials["name"].tolist()[:2] == ["gru-8-s12", "lstm-4-s12"]
    assert json.loads(trials["settings"][0])["training.learning_rate"] == 0.01
    assert len(trials) == 6
    assert result.own_loss == trials["loss"][:2].min()
    assert result.best_loss == trials["loss"].min() <= result.own_loss
    assert trials["name"][trials["loss"].idxmin()] == result.best.model.name
    assert result.ended == "6 trials"


def test_seed_decides_the_proposals(prepared: Any, own: tuple[Recipe, ...], forecast_setup: ForecastSetup) -> None:
    (_, first), (_, other) = (run_search(prepared, own, forecast_setup, trials=4, seed=seed) for seed in (1, 2))
    assert first["settings"].tolist()[2:] != other["settings"].tolist()[2:]


def test_longer_search_continues_a_shorter_one(
    prepared: Any, own: tuple[Recipe, ...], forecast_setup: ForecastSetup
) -> None:
    _, short = run_search(prepared, own, forecast_setup, trials=5)
    with run_log.record_entries() as entries:
        _, long = run_search(prepared, own, forecast_setup, trials=7)
    assert [entry.outcome for entry in entries] == ["cached"] * 5 + ["ran"] * 2
    pd.testing.assert_frame_equal(long[:5], short)


def test_time_limit_keeps_own_models_and_can_be_repeated_by_count(
    prepared: Any, own: tuple[Recipe, ...], forecast_setup: ForecastSetup
) -> None:
    result, trials = run_search(prepared, own, forecast_setup, trials=9, minutes=0)
    assert (result.trial_count, result.ended) == (2, "2 trials until time was up")
    again, _ = run_search(prepared, own, forecast_setup, trials=result.trial_count)
    assert (again.best, again.trials) == (result.best, result.trials)
    assert len(trials) == 2


def test_failed_trial_does_not_end_the_search(prepared: Any, view: InputSpec, forecast_setup: ForecastSetup) -> None:
    diverging = recipe_of(view, QUICK.model_copy(update={"learning_rate": 1e30}))
    result, trials = run_search(prepared, (diverging, recipe_of(view)), forecast_setup, trials=2)
    assert trials["state"].tolist() == ["failed", "done"]
    assert "could not be trained" in trials["note"][0]
    assert result.best == recipe_of(view)
    assert not result.is_new


def test_trial_that_does_not_fit_the_memory_fails_with_its_size(
    prepared: Any, view: InputSpec, forecast_setup: ForecastSetup
) -> None:
    result, trials = run_search(
        prepared, (recipe_of(view, hidden=16_384, layers=8), recipe_of(view)), forecast_setup, trials=2
    )
    assert trials["state"].tolist() == ["failed", "done"]
    assert "which need about" in trials["note"][0]
    assert result.best == recipe_of(view)


def test_search_without_a_finished_trial_is_an_error(
    prepared: Any, view: InputSpec, forecast_setup: ForecastSetup
) -> None:
    diverging = recipe_of(view, QUICK.model_copy(update={"learning_rate": 1e30}))
    with pytest.raises(NothingTrained, match=r"none of 1 trials.*its loss is not finite"):
        run_search(prepared, (diverging,), forecast_setup, trials=1)


def test_proposals_stay_below_the_largest_work(view: InputSpec) -> None:
    own = (recipe_of(view),)
    sampler = Sampler(own, build_search_space(own, TRAIN), seed=0)
    models = []
    for trial, recipe in sampler.propose(60):
        sampler.tell(trial, TrialResult(name="any", state="done", losses=(1.0,), metric=1.0))
        models.append(recipe.model)
    assert len(models) == 60
    assert {model.hidden for model in models} == {8, 32, 64, 128, 256}
    assert max(work_per_window(model, view) for model in models) <= 16 * 8 * 64 * 64


def test_medians_use_finished_trials_in_the_same_unit(view: InputSpec) -> None:
    done = [(0.9, 0.5), (0.8, 0.6), (0.7, 0.4), (0.6, 0.3, 0.1)]
    trials = [Trial(recipe_of(view), TrialResult(name="a", state="done", losses=losses)) for losses in done]
    trials.append(Trial(recipe_of(view), TrialResult(name="b", state="pruned", losses=(9.0, 9.0))))
    unit = loss_unit(recipe_of(view).model)
    assert median_losses(trials, unit) == pytest.approx((0.75, 0.45))
    assert median_losses(trials, "another unit") == ()
    assert median_losses(trials[:3], unit) == ()
