"""What windows are divided by, and how much each one's errors count."""

import numpy as np
import pytest

from models.data.scaling import Scaling, error_weights, series_std

SCALING = Scaling(np.zeros((2, 0)), np.ones((2, 0)), floor=0.1, target=(100.0, 20.0))
Y = np.array([[2.0, 4.0, np.nan, 6.0], [np.nan, 5.0, 3.0, np.nan]])


@pytest.mark.parametrize(
    ("normalisation", "location"),
    [("standard", [[4.0], [4.0]]), ("last", [[6.0], [3.0]]), ("none", [[100.0], [100.0]])],
)
def test_what_a_window_is_shifted_by(normalisation, location: list[list[float]]) -> None:
    found, scale = SCALING.window_scale(Y, np.isfinite(Y), normalisation)
    assert found.tolist() == location
    expected = [[20.0], [20.0]] if normalisation == "none" else [[np.sqrt(8 / 3)], [1.0]]
    np.testing.assert_allclose(scale, expected)


def test_a_window_counts_as_its_size_in_its_series() -> None:
    sizes = np.array([2.0, 50.0])
    found = error_weights(np.array([[4.0], [5.0], [1e9], [0.0]]), np.array([0, 1, 0, 1]), sizes)
    np.testing.assert_allclose(found, [[2.0], [0.1], [10.0], [0.1]])


def test_a_series_is_as_large_as_what_it_showed_up_to_its_last_cutoff(build_panel) -> None:
    panel = build_panel({"a": [0.0, 2.0, 0.0, 2.0, 1e6], "b": [5.0] * 5, "c": [1.0, 9.0, 1.0, 9.0, 0.0]})
    found = series_std(panel, np.array([0, 0, 1]), np.array([1, 3, 3]))
    assert found.tolist() == [1.0, 1.0, 1.0]  # b never moves, of c no window is learned from
    assert series_std(panel, np.array([2]), np.array([3]))[2] == 4.0
