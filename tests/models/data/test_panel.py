"""A panel: series as flat arrays, and the windows that are gathered from it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.features import FeatureSpec
from models.data.panel import InputSpec, Panel, last_observed


def test_take_gathers_by_series_and_offset_and_is_nan_outside(build_panel) -> None:
    panel = build_panel({"a": [1, 2, 3, 4], "b": [10, 20]}, start={"a": "2024-01-01", "b": "2024-01-03"})
    gathered = panel.take(panel.y, np.array([0, 1]), np.array([1, 1]), np.array([-2, -1, 0, 1]))
    np.testing.assert_array_equal(gathered, [[np.nan, 1, 2, 3], [np.nan, 10, 20, np.nan]])
    assert panel.first.tolist() == [0, 2]


def test_times_reach_one_horizon_past_the_last_row(build_panel) -> None:
    panel = build_panel({"a": [1, 2, 3]}, horizon=2, freq="MS")
    assert panel.times(np.array([0]), np.array([2]), 2).astype(str)[0].tolist() == [
        "2024-04-01T00:00:00.000000",
        "2024-05-01T00:00:00.000000",
    ]


def test_timestamps_keep_their_phase(build_panel) -> None:
    panel = build_panel({"a": [1, 2, 3]}, horizon=1, freq="h", start="2024-01-01 00:30")
    assert panel.times(np.array([0]), np.array([2]), 1).astype(str)[0, 0] == "2024-01-01T03:30:00.000000"


@pytest.mark.parametrize(
    ("freq", "stamps", "expected"),
    [
        ("W-MON", ["2024-01-02", "2024-01-09"], ["2024-01-16 00:00", "2024-01-23 00:00"]),  # Tuesdays
        ("MS", ["2024-01-15", "2024-02-15"], ["2024-03-15 00:00", "2024-04-15 00:00"]),
        ("D", ["2024-01-01 05:00", "2024-01-02 05:00"], ["2024-01-03 05:00", "2024-01-04 05:00"]),
        ("B", ["2024-01-04", "2024-01-05"], ["2024-01-08 00:00", "2024-01-09 00:00"]),  # over a weekend
        ("ME", ["2024-01-31", "2024-02-29"], ["2024-03-31 00:00", "2024-04-30 00:00"]),
    ],
)
def test_steps_after_the_last_row_follow_the_frequency(freq: str, stamps: list[str], expected: list[str]) -> None:
    view = InputSpec(features=FeatureSpec(), freq=freq, zone="UTC", lookback=1, horizon=2)
    ds = pd.to_datetime(stamps, utc=True).as_unit("us")
    panel = Panel.from_frame(pd.DataFrame({"unique_id": "a", "ds": ds, "y": [1.0, 2.0]}), view)
    times = pd.DatetimeIndex(panel.times(np.array([0]), np.array([1]), 2)[0])
    assert times.strftime("%Y-%m-%d %H:%M").tolist() == expected


def test_series_that_begins_after_a_clock_change_is_on_the_grid() -> None:
    days = pd.date_range("2024-03-08", periods=6, freq="D", tz="America/New_York").tz_convert("UTC").as_unit("us")
    parts = [pd.DataFrame({"unique_id": name, "ds": ds, "y": 1.0}) for name, ds in (("a", days), ("b", days[4:]))]
    view = InputSpec(features=FeatureSpec(), freq="D", zone="America/New_York", lookback=1, horizon=1)
    panel = Panel.from_frame(pd.concat(parts, ignore_index=True), view)
    assert panel.first.tolist() == [0, 4]
    assert panel.grid[:6].tolist() == days.tolist()


@settings(max_examples=40)
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    position=st.integers(0, 8),
    offset=st.integers(-9, 9),
)
def test_take_never_reads_another_series(lengths: list[int], position: int, offset: int) -> None:
    # series k holds 100 k, 100 k + 1, …
    grid = pd.date_range("2024-01-01", periods=6, tz="UTC").as_unit("us")
    tables = [
        pd.DataFrame({"unique_id": f"s{k}", "ds": grid[-length:], "y": 100.0 * k + np.arange(length)})
        for k, length in enumerate(lengths)
    ]
    view = InputSpec(features=FeatureSpec(known=()), freq="D", zone="UTC", lookback=1, horizon=1)
    panel = Panel.from_frame(pd.concat(tables, ignore_index=True), view)
    series = np.arange(len(lengths))
    gathered = panel.take(panel.y, series, np.full(len(lengths), position), np.array([offset]))[:, 0]
    step = position + offset
    expected = [100 * k + step if 0 <= step < length else np.nan for k, length in enumerate(lengths)]
    np.testing.assert_array_equal(gathered, expected)


def test_covariates_and_static_values_are_read_from_the_frame(build_panel) -> None:
    features = FeatureSpec(known=("plan", "dayofweek"), observed=("wind",), static=("port",))
    columns = {
        "plan": {"a": [1, 2, 3], "b": [4, 5, 6]},
        "wind": {"a": [7, None, 9], "b": [1, 1, 1]},
        "port": {"a": ["x"] * 3, "b": ["y"] * 3},
    }
    panel = build_panel({"a": [0, 0, 0], "b": [0, 0, 0]}, features=features, **columns)
    assert panel.known[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(panel.observed[:3, 0], [7, np.nan, 9])
    assert panel.static == (("x", "y"),)
    assert panel.calendar.shape == (5, 6)


@pytest.mark.parametrize(("values", "whole"), [([1, 2, None], True), ([1, 2.5, 3], False), ([None, None], False)])
def test_whole_is_true_for_counts_only(build_panel, values: list[float], whole: bool) -> None:
    assert build_panel({"a": values}).whole is whole


def test_last_observed_skips_gaps_and_is_0_without_observations() -> None:
    gap = np.nan
    values = np.array([[1.0, 2.0, gap], [gap, 3.0, 4.0], [5.0, gap, gap], [gap, gap, gap]])
    assert last_observed(values).tolist() == [2.0, 4.0, 5.0, 0.0]
