"""A trial learns from the training part, is compared on the validation part, and never meets the test part."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.data.panel import InputSpec
from models.networks.recurrent import RecurrentSpec
from models.training.fit import TrainingSpec
from models.training.recipe import Recipe
from tasks.modeling.candidate import Candidate, load_bundle
from tasks.modeling.forecast_setup import EvaluationSpec, ForecastSetup
from tasks.modeling.training_data import load_window_index, select_training_part
from tasks.results.steps import TrialResult
from tasks.tuning import TrialSpec, trial_cache_key, try_out, validation_loss, validation_origins

LEVELS = (0.1, 0.5, 0.9)


@pytest.fixture
def recipe(view: InputSpec) -> Recipe:
    training = TrainingSpec(max_epochs=3, windows_per_epoch=128, learning_rate=0.01)
    return Recipe(model=RecurrentSpec(cell="gru", hidden=8, segment=6), training=training, quantiles=LEVELS, view=view)


def tried(evening: Any, recipe: Recipe, question: ForecastSetup, **more: Any) -> TrialResult:
    attempt = TrialSpec(recipe=recipe, **more)
    return try_out.fn(evening.clean, evening.windows, attempt, question, evening.store)


def test_origins_are_at_the_hour_of_the_night_if_there_are_enough(evening: Any, view: InputSpec) -> None:
    part, index = select_training_part(
        evening.store.get(evening.clean), load_window_index(evening.windows, evening.store), view
    )
    rows = validation_origins(part, index, view, max_origins=2)
    assert rows["unique_id"].tolist() == ["a", "a", "b", "b"]
    assert rows["cutoff"].tolist() == [pd.Timestamp(f"2024-03-0{day} 23:00", tz="UTC") for day in (4, 5)] * 2


def test_origins_are_at_any_hour_if_there_are_too_few_nights(evening: Any, view: InputSpec) -> None:
    part, index = select_training_part(
        evening.store.get(evening.clean), load_window_index(evening.windows, evening.store), view
    )
    rows = validation_origins(part, index, view, max_origins=6)
    hours = (rows["cutoff"].unique() - pd.Timestamp("2024-03-04 23:00", tz="UTC")) / pd.Timedelta(hours=1)
    assert hours.tolist() == [0, 9, 18, 27, 36, 45]
    assert part["ds"].max() == pd.Timestamp("2024-03-06 23:00", tz="UTC")


@pytest.mark.parametrize("metric", ["mae", "mase"])
def test_loss_of_a_trial_is_the_evaluation_metric(
    evening: Any, question: ForecastSetup, model: Callable[..., Candidate], metric: str
) -> None:
    clean = evening.store.get(evening.clean)
    rows = pd.DataFrame({"unique_id": ["a"], "cutoff": pd.to_datetime(["2024-03-06 23:00"], utc=True).as_unit("us")})
    asked = question.model_copy(update={"evaluation": EvaluationSpec(metric=metric, season=24)})
    y = clean.loc[clean["unique_id"] == "a", "y"].to_numpy()
    away = np.abs(y[144:147] - (y[120:123] + 2.0)).mean()  # the model says yesterday's value and 2.0 more
    scale = np.abs(y[24:143] - y[:119]).mean() if metric == "mase" else 1.0
    found = validation_loss(load_bundle(model("off", 2.0), evening.store), clean, rows, asked)
    assert found == pytest.approx(away / scale)


def test_same_trial_gives_the_same_result(
    evening: Any, question: ForecastSetup, recipe: Recipe
) -> None:
    first, second = (tried(evening, recipe, question) for _ in range(2))
    assert (first.name, first.state, len(first.losses)) == ("gru-8-s6", "done", 3)
    assert first.metric is not None
    assert first.model_copy(update={"seconds": 0.0}) == second.model_copy(update={"seconds": 0.0})


def test_trial_does_not_depend_on_the_test_part(evening: Any, question: ForecastSetup, recipe: Recipe) -> None:
    frame = evening.store.get(evening.clean)
    poisoned = frame.assign(y=frame["y"].where(frame["ds"] <= pd.Timestamp("2024-03-06 23:00", tz="UTC"), -1e6))
    other = evening.store.put(poisoned, "clean")
    attempt = TrialSpec(recipe=recipe)
    keys = [
        trial_cache_key(clean, evening.windows, attempt, question, evening.store) for clean in (evening.clean, other)
    ]
    assert keys[0] == keys[1]
    found = [try_out.fn(clean, evening.windows, attempt, question, evening.store) for clean in (evening.clean, other)]
    assert (found[0].losses, found[0].metric) == (found[1].losses, found[1].metric)


def test_cache_key_depends_on_the_validation_part(
    evening: Any, question: ForecastSetup, recipe: Recipe
) -> None:
    frame = evening.store.get(evening.clean)
    changed = frame.assign(y=frame["y"].where(frame["ds"] != pd.Timestamp("2024-03-06 23:00", tz="UTC"), 0.0))
    other, attempt = evening.store.put(changed, "clean"), TrialSpec(recipe=recipe)
    keys = [
        trial_cache_key(clean, evening.windows, attempt, question, evening.store) for clean in (evening.clean, other)
    ]
    assert keys[0] != keys[1]


def test_cache_key_does_not_depend_on_the_label(evening: Any, question: ForecastSetup, recipe: Recipe) -> None:
    given = [TrialSpec(recipe=recipe, label="trial 1/5"), TrialSpec(recipe=recipe, label="trial 1/9")]
    first, second = (trial_cache_key(evening.clean, evening.windows, one, question, evening.store) for one in given)
    assert first == second


def test_trial_behind_the_median_is_pruned_after_the_second_epoch(
    evening: Any, question: ForecastSetup, recipe: Recipe
) -> None:
    found = tried(evening, recipe, question, medians=(0.0, 0.0, 0.0))
    assert (found.state, len(found.losses), found.metric) == ("pruned", 2, None)


@pytest.mark.parametrize(
    ("losses", "behind"),
    [
        ([0.9], False),  # the first epoch is for free
        ([0.9, 0.51], True),
        ([0.9, 0.5], False),
        ([0.4, 0.6], False),  # its best counts, not its last
        ([0.9, 0.8, 0.8], False),  # nobody came so far
    ],
)
def test_trial_is_behind_if_its_best_loss_is_above_the_median(recipe: Recipe, losses: list[float], behind: bool) -> None:
    assert TrialSpec(recipe=recipe, medians=(0.6, 0.5)).is_behind(losses) is behind


def test_metric_that_is_not_finite_fails_the_trial(evening: Any, question: ForecastSetup, recipe: Recipe) -> None:
    frame = evening.store.get(evening.clean)
    flat = evening.store.put(frame.assign(y=5.0), "clean")  # what never changes has no scale
    found = try_out.fn(flat, evening.windows, TrialSpec(recipe=recipe), question, evening.store)
    assert (found.state, found.metric, found.note) == ("failed", None, "its mase is not finite")
