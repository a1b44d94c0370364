"""Tuning: a trial is trained on the training part, scored on the validation part, and never uses the test part."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.data.panel import InputSpec
from models.data.panel_table import PanelTable
from models.networks.architecture import RecurrentSpec
from models.training.recipe import Recipe
from models.training.training_spec import TrainingSpec
from tasks.modeling.candidate import Candidate, load_bundle
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.forecast_setup import EvaluationSpec, ForecastSetup
from tasks.modeling.forecasts import forecast_table
from tasks.modeling.training_data import load_window_index, select_training_part
from tasks.results.steps import TrialResult
from tasks.tuning import TrialSpec, trial_cache_key, try_out, validation_loss, validation_origins

LEVELS = (0.1, 0.5, 0.9)


@pytest.fixture
def recipe(view: InputSpec) -> Recipe:
    training = TrainingSpec(max_epochs=3, windows_per_epoch=128, learning_rate=0.01)
    return Recipe(model=RecurrentSpec(cell="gru", hidden=8, segment=6), training=training, quantiles=LEVELS, view=view)


def run_trial(prepared: Any, recipe: Recipe, forecast_setup: ForecastSetup, **more: Any) -> TrialResult:
    trial = TrialSpec(recipe=recipe, **more)
    return try_out.fn(prepared.clean, prepared.windows, trial, forecast_setup, prepared.store)


def test_origins_are_at_the_hour_of_the_night_if_there_are_enough(prepared: Any, view: InputSpec) -> None:
    part, index = select_training_part(
        load_clean_table(prepared.clean, prepared.store), load_window_index(prepared.windows, prepared.store), view
    )
    rows = validation_origins(part, index, view, max_origins=2)
    assert rows["unique_id"].tolist() == ["a", "a", "b", "b"]
    assert rows["cutoff"].tolist() == [pd.Timestamp(f"2024-03-0{day} 23:00", tz="UTC") for day in (4, 5)] * 2


def test_origins_are_at_any_hour_if_there_are_too_few_nights(prepared: Any, view: InputSpec) -> None:
    part, index = select_training_part(
        load_clean_table(prepared.clean, prepared.store), load_window_index(prepared.windows, prepared.store), view
    )
    rows = validation_origins(part, index, view, max_origins=6)
    hours = (rows["cutoff"].unique() - pd.Timestamp("2024-03-04 23:00", tz="UTC")) / pd.Timedelta(hours=1)
    assert hours.tolist() == [0, 9, 18, 27, 36, 45]
    assert part.times.max() == pd.Timestamp("2024-03-06 23:00", tz="UTC")


@pytest.mark.parametrize("metric", ["mae", "mase"])
def test_loss_of_a_trial_is_the_evaluation_metric(
    prepared: Any, forecast_setup: ForecastSetup, model: Callable[..., Candidate], metric: str
) -> None:
    clean = prepared.store.get(prepared.clean)
    rows = pd.DataFrame({"unique_id": ["a"], "cutoff": pd.to_datetime(["2024-03-06 23:00"], utc=True).as_unit("us")})
    other_setup = forecast_setup.model_copy(update={"evaluation": EvaluationSpec(metric=metric, season=24)})
    y = clean.loc[clean["unique_id"] == "a", "y"].to_numpy()
    error = np.abs(y[144:147] - (y[120:123] + 2.0)).mean()  # the model says yesterday's value and 2.0 more
    scale = np.abs(y[24:143] - y[:119]).mean() if metric == "mase" else 1.0
    result = validation_loss(
        load_bundle(model("off", 2.0), prepared.store), PanelTable.from_frame(clean), rows, other_setup
    )
    assert result == pytest.approx(error / scale)


def test_same_trial_gives_the_same_result(prepared: Any, forecast_setup: ForecastSetup, recipe: Recipe) -> None:
    first, second = (run_trial(prepared, recipe, forecast_setup) for _ in range(2))
    assert (first.name, first.state, len(first.losses)) == ("gru-8-s6", "done", 3)
    assert first.metric is not None
    assert first.model_copy(update={"seconds": 0.0}) == second.model_copy(update={"seconds": 0.0})


def test_trial_does_not_depend_on_the_test_part(prepared: Any, forecast_setup: ForecastSetup, recipe: Recipe) -> None:
    frame = prepared.store.get(prepared.clean)
    poisoned = frame.assign(y=frame["y"].where(frame["ds"] <= pd.Timestamp("2024-03-06 23:00", tz="UTC"), -1e6))
    other = prepared.store.put(poisoned, "clean")
    trial = TrialSpec(recipe=recipe)
    keys = [
        trial_cache_key(clean, prepared.windows, trial, forecast_setup, prepared.store)
        for clean in (prepared.clean, other)
    ]
    assert keys[0] == keys[1]
    result = [
        try_out.fn(clean, prepared.windows, trial, forecast_setup, prepared.store) for clean in (prepared.clean, other)
    ]
    assert (result[0].losses, result[0].metric) == (result[1].losses, result[1].metric)


def test_cache_key_depends_on_the_validation_part(prepared: Any, forecast_setup: ForecastSetup, recipe: Recipe) -> None:
    frame = prepared.store.get(prepared.clean)
    changed = frame.assign(y=frame["y"].where(frame["ds"] != pd.Timestamp("2024-03-06 23:00", tz="UTC"), 0.0))
    other, trial = prepared.store.put(changed, "clean"), TrialSpec(recipe=recipe)
    keys = [
        trial_cache_key(clean, prepared.windows, trial, forecast_setup, prepared.store)
        for clean in (prepared.clean, other)
    ]
    assert keys[0] != keys[1]


def test_cache_key_does_not_depend_on_the_label(prepared: Any, forecast_setup: ForecastSetup, recipe: Recipe) -> None:
    trials = [TrialSpec(recipe=recipe, label="trial 1/5"), TrialSpec(recipe=recipe, label="trial 1/9")]
    first, second = (
        trial_cache_key(prepared.clean, prepared.windows, trial, forecast_setup, prepared.store) for trial in trials
    )
    assert first == second


def test_trial_behind_the_median_is_pruned_after_the_second_epoch(
    prepared: Any, forecast_setup: ForecastSetup, recipe: Recipe
) -> None:
    result = run_trial(prepared, recipe, forecast_setup, medians=(0.0, 0.0, 0.0))
    assert (result.state, len(result.losses), result.metric) == ("pruned", 2, None)


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
def test_trial_is_behind_if_its_best_loss_is_above_the_median(
    recipe: Recipe, losses: list[float], behind: bool
) -> None:
    assert TrialSpec(recipe=recipe, medians=(0.6, 0.5)).is_behind(losses) is behind


def test_metric_that_is_not_finite_fails_the_trial(
    prepared: Any, forecast_setup: ForecastSetup, recipe: Recipe
) -> None:
    frame = prepared.store.get(prepared.clean)
    flat = prepared.store.put(frame.assign(y=5.0), "clean")  # what never changes has no scale
    result = try_out.fn(flat, prepared.windows, TrialSpec(recipe=recipe), forecast_setup, prepared.store)
    assert (result.state, result.metric, result.note) == ("failed", None, "its mase is not finite")


def test_trial_with_a_forecast_that_is_not_finite_fails_with_series_and_origin(
    prepared: Any, forecast_setup: ForecastSetup, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_hole(*arguments: Any) -> pd.DataFrame:
        table = forecast_table(*arguments)
        return table.assign(q90=table["q90"].mask(table.index == len(table) - 1, np.inf))

    monkeypatch.setattr("tasks.tuning.forecast_table", with_hole)
    result = run_trial(prepared, recipe, forecast_setup)
    assert (result.state, result.metric) == ("failed", None)
    assert result.note == "1 of 36 forecasts are not finite, the first of series 'b' at origin 2024-03-06 20:00 UTC"


def test_trial_whose_losses_are_not_finite_is_behind() -> None:
    nan = float("nan")
    spec = TrialSpec.model_construct(recipe=None, medians=(1.0, 1.0), label="")
    assert spec.is_behind([nan, nan])
    assert not spec.is_behind([nan, 0.5])
