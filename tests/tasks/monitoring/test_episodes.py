"""Episodes begin two blocks before the alarm, go on with it, and end with a champion that was trained on them."""

import json
from collections.abc import Callable

import pandas as pd

from models.drift.detection import DriftWindows
from tasks.engine.failure import StepFailure
from tasks.monitoring.episodes import continue_episodes, mark_episodes, read_episodes, select_episodes
from tasks.results.steps import DriftEpisode, DriftResult, RunContext
from tasks.storage.layout import manifest_uri
from tasks.storage.store import Store

WINDOWS = DriftWindows(reference=8, current=2, block=2, season=2)
TIMES = pd.date_range("2024-01-01", periods=20, freq="D", tz="UTC")


def episode(first: str, last: str, column: str = "y") -> DriftEpisode:
    return DriftEpisode(column=column, first=pd.Timestamp(first, tz="UTC"), last=pd.Timestamp(last, tz="UTC"))


def test_drift_begins_as_many_blocks_ago_as_an_alarm_needs_nights() -> None:
    assert continue_episodes((), ["y"], TIMES, WINDOWS) == (episode("2024-01-17", "2024-01-20"),)
    assert continue_episodes((), [], TIMES, WINDOWS) == ()


def test_drift_that_goes_on_is_one_episode_and_new_drift_another() -> None:
    own, old = episode("2024-01-12", "2024-01-18"), episode("2024-01-02", "2024-01-05")
    heat = episode("2024-01-16", "2024-01-18", "heat")
    assert continue_episodes((own, heat), ["y"], TIMES, WINDOWS) == (heat, episode("2024-01-12", "2024-01-20"))
    assert continue_episodes((old,), ["y"], TIMES, WINDOWS) == (old, episode("2024-01-17", "2024-01-20"))


def test_episode_ends_with_a_champion_that_was_trained_on_it_or_after_the_length_of_the_reference() -> None:
    recent, old = episode("2024-01-12", "2024-01-18"), episode("2024-01-02", "2024-01-18")
    assert select_episodes((recent, old), TIMES, WINDOWS, None) == (recent,)
    assert select_episodes((recent,), TIMES, WINDOWS, pd.Timestamp("2024-01-12", tz="UTC")) == (recent,)
    assert select_episodes((recent,), TIMES, WINDOWS, pd.Timestamp("2024-01-13", tz="UTC")) == ()


def test_marks_are_by_column_and_include_both_ends() -> None:
    marks = mark_episodes((episode("2024-01-02", "2024-01-03"), episode("2024-01-19", "2024-02-01")), TIMES)
    assert list(marks) == ["y"]
    assert TIMES[marks["y"]].day.tolist() == [2, 3, 19, 20]
    assert mark_episodes((), TIMES) == {}


def test_episodes_are_those_of_the_newest_earlier_night_that_watched(
    store: Store, run_context: Callable[..., RunContext]
) -> None:
    since, tonight = episode("2024-01-12", "2024-01-18"), run_context("2024-01-20")
    assert read_episodes((), tonight, store) == ()
    claim = store.put_bytes(b"{}", "record", "json")
    result = DriftResult(table=claim, page=claim, record=claim, episodes=(since,), share=1, drifted=True, summary="")
    failed = StepFailure(step="watch_drift", reason="KeyError: y")
    for day, drifted in (("2024-01-18", result), ("2024-01-19", failed), ("2024-01-21", result)):
        context = run_context(day)
        record = {"as_of": f"{context.as_of:%Y-%m-%dT%H:%M:%SZ}", "story": {"drifted": drifted.model_dump(mode="json")}}
        uri = manifest_uri(context.pipeline, f"run-{day}")
        store.put_at(json.dumps(record).encode(), "record", uri)
    assert read_episodes((), tonight, store) == (since,)
    assert read_episodes((), run_context("2024-01-18"), store) == ()
