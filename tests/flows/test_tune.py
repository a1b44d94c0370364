"""`tune` searches, evaluates once, and does not affect the nights of the pipeline."""

import pandas as pd
import pytest

from flows.tune import tune
from tasks.search.search import SearchBudget

NIGHT = "2024-02-08"
pytestmark = pytest.mark.usefixtures("prefect_server")
SLOW = {"training": {"max_epochs": 2, "windows_per_epoch": 512, "learning_rate": 0.0004}}


def trials_of(folder, told):
    return pd.read_parquet(folder / "store" / told.trials.uri)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, panel, build, prefect_server):
    """(folder, outcome) of a pipeline whose learning rate is too low, so that the search can find a better one."""
    with pytest.MonkeyPatch.context() as patch:
        folder = build(tmp_path_factory.mktemp("tuned"), panel, patch, **SLOW)
        yield folder, tune(str(folder / "ports.yaml"), NIGHT, SearchBudget(trials=6))


def test_search_finds_better_settings_for_a_slow_learning_rate(tuned):
    folder, told = tuned
    assert told.better, told.sentence
    assert told.recipe.training.learning_rate > 0.0004
    assert told.validation["best"] < told.validation["own"]
    assert told.leaderboard[0]["model_name"] == f"{told.name} (tuned)"
    trials = trials_of(folder, told)
    assert trials["number"].tolist() == [0, 1, 2, 3, 4, 5]
    assert trials["name"][0] == "gru-16-s12"
    assert set(trials["state"]) <= {"done", "pruned"}


def test_tune_publishes_and_registers_nothing(tuned):
    folder, _ = tuned
    assert sorted(path.name for path in (folder / "store").iterdir()) == ["artifacts", "cache"]


def test_repeated_search_is_cached(tuned, monkeypatch):
    folder, told = tuned
    monkeypatch.setenv("NIGHTCAST_STORE", str(folder / "store"))
    before = sorted((folder / "store").rglob("*.*"))
    assert tune(str(folder / "ports.yaml"), NIGHT, SearchBudget(trials=6)) == told
    assert sorted((folder / "store").rglob("*.*")) == before


def test_data_after_the_validation_part_change_no_trial(tuned, panel, build, tmp_path, monkeypatch):
    folder, told = tuned
    after = panel["hour_utc"] >= pd.Timestamp("2024-02-01 12:00", tz="UTC")
    poisoned = panel.assign(late=panel["late"].where(~after, panel["late"] * 7))
    world = build(tmp_path, poisoned, monkeypatch, **SLOW)
    other = tune.fn(str(world / "ports.yaml"), NIGHT, SearchBudget(trials=6))
    assert other.recipe == told.recipe
    columns = ["settings", "loss", "epochs", "state"]
    pd.testing.assert_frame_equal(trials_of(world, other)[columns], trials_of(folder, told)[columns])
    assert other.leaderboard != told.leaderboard
