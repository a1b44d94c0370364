"""Kept states as bytes: the same after a round trip, no pickle, and a clear error for anything else."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.data.features import FeatureSpec
from models.data.panel import InputSpec, Panel
from models.streaming import states as states_module
from models.streaming.states import SeriesStates, StatesDamaged
from models.streaming.timeline import Timeline

FEATURES = FeatureSpec(known=("hour", "price"), observed=("wind",), static=("shop",))
VIEW = InputSpec(features=FEATURES, freq="h", zone="UTC", lookback=4, horizon=2)


@pytest.fixture
def panel(build_frame) -> Panel:
    nothing = [np.nan, np.nan]
    names = {
        "a": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, *nothing],
        "b": [-9.0, 9.0, 1.0, np.nan, 2.0, 3.0, 4.0, *nothing],
    }
    columns = {
        "price": {name: list(range(9)) for name in names},
        "wind": {name: [0.5] * 9 for name in names},
        "shop": {"a": ["north"] * 9, "b": ["south"] * 9},
    }
    return Panel.from_frame(build_frame(names, "h", **columns), VIEW)


@pytest.fixture
def states(panel: Panel) -> SeriesStates:
    return SeriesStates.from_panel(panel, np.array([0, 1]), 6, 4)


def test_newest_steps_and_earlier_extremes_are_kept(states):
    np.testing.assert_array_equal(states.y, [[4.0, 5.0, 6.0, 7.0], [np.nan, 2.0, 3.0, 4.0]])
    np.testing.assert_array_equal(states.earlier, [[1.0, 3.0], [-9.0, 9.0]])
    np.testing.assert_array_equal(states.known[0, :, 0], [3, 4, 5, 6, 7, 8])
    assert (states.ids, states.static, states.newest.tolist()) == (("a", "b"), (("north", "south"),), [6, 6])


def test_panel_of_states_has_the_ranges_of_the_whole_series(panel, states):
    kept = states.to_panel(np.array([1, 0]), Timeline(panel.grid, VIEW), VIEW)
    assert kept.ids == ("b", "a")
    of_kept = kept.ranges_at(np.array([0, 1]), np.array([3, 3]))
    assert of_kept.tolist() == panel.ranges_at(np.array([1, 0]), np.array([6, 6])).tolist() == [18.0, 6.0]
    assert kept.first.tolist() == [3, 3]


def saved(states: SeriesStates, path: Path, timeline: Timeline, facts: dict[str, str]) -> bytes:
    states.save(path, timeline, facts)
    return path.read_bytes()


def test_round_trip_keeps_values_times_and_facts(panel, states, tmp_path):
    data = saved(states, tmp_path / "one", Timeline(panel.grid, VIEW), {"model": "abc"})
    assert data == saved(states, tmp_path / "other", Timeline(panel.grid, VIEW), {"model": "abc"})
    back, timeline, facts = SeriesStates.from_bytes(data, VIEW)
    assert facts == {"model": "abc"}
    assert pd.Timestamp(timeline.times[back.newest[0]], unit="us", tz="UTC") == panel.grid[6]
    for name in ("y", "known", "observed", "earlier", "closed"):
        np.testing.assert_array_equal(getattr(back, name), getattr(states, name), err_msg=name)


def test_a_file_that_cannot_be_written_is_an_error_of_the_system(panel, states, tmp_path):
    with pytest.raises(FileNotFoundError):
        states.save(tmp_path / "no folder" / "states", Timeline(panel.grid, VIEW), {})


def test_a_batch_of_series_gives_the_same_states(panel, states, monkeypatch):
    monkeypatch.setattr(states_module, "SERIES_PER_BATCH", 1)
    one_by_one = SeriesStates.from_panel(panel, np.array([0, 1]), 6, 4)
    np.testing.assert_array_equal(one_by_one.y, states.y)
    np.testing.assert_array_equal(one_by_one.earlier, states.earlier)


@pytest.mark.parametrize("damage", [b"", b"\x80\x04N.", b"\x10\0\0\0\0\0\0\0{}", None])
def test_anything_else_is_refused_with_the_way_out(panel, states, damage, tmp_path):
    data = saved(states, tmp_path / "states", Timeline(panel.grid, VIEW), {})
    with pytest.raises(StatesDamaged, match="Run the night again"):
        SeriesStates.from_bytes(data[:-9] if damage is None else damage, VIEW)


def test_timeline_grows_and_finds_steps_only_on_the_grid(panel):
    timeline = Timeline(panel.grid, VIEW)
    times = timeline.times[[0, 8]]
    assert timeline.find(np.array([times[0], times[1], times[0] + 1, times[0] - 1])).tolist() == [0, 8, -1, -1]
    timeline.require(20_000)
    expected = pd.date_range("2024-01-01", periods=20_003, freq="h", tz="UTC").as_unit("us").asi8
    np.testing.assert_array_equal(timeline.times[:20_003], expected)
    assert len(timeline.calendar) == len(timeline.clock) == len(timeline.slots) == len(timeline.times)
