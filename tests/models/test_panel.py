"""Series as flat arrays, from which windows are gathered."""

import numpy as np
import pytest

from models.features import FeatureSpec


def test_values_are_gathered_by_series_and_offset_and_are_missing_outside(build_panel) -> None:
    panel = build_panel({"a": [1, 2, 3, 4], "b": [10, 20]}, start={"a": "2024-01-01", "b": "2024-01-03"})
    found = panel.take(panel.y, np.array([0, 1]), np.array([1, 1]), np.array([-2, -1, 0, 1]))
    np.testing.assert_array_equal(found, [[np.nan, 1, 2, 3], [np.nan, 10, 20, np.nan]])
    assert panel.first.tolist() == [0, 2]


def test_times_reach_a_horizon_past_the_last_row(build_panel) -> None:
    panel = build_panel({"a": [1, 2, 3]}, horizon=2, freq="MS")
    assert panel.times(np.array([0]), np.array([2]), 2).astype(str)[0].tolist() == [
        "2024-04-01T00:00:00.000000",
        "2024-05-01T00:00:00.000000",
    ]


def test_stamps_keep_their_phase(build_panel) -> None:
    panel = build_panel({"a": [1, 2, 3]}, horizon=1, freq="h", start="2024-01-01 00:30")
    assert panel.times(np.array([0]), np.array([2]), 1).astype(str)[0, 0] == "2024-01-01T03:30:00.000000"


def test_covariates_and_static_values_find_their_place(build_panel) -> None:
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
def test_counts_are_recognised(build_panel, values: list[float], whole: bool) -> None:
    assert build_panel({"a": values}).whole is whole
