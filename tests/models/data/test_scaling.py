"""Location and scale of windows, and the weights of their errors."""

import numpy as np
import pytest

from models.data.scaling import Scaling, error_weights, series_std, step_weights
from models.data.windows import WindowRanges

SCALING = Scaling(np.zeros((2, 0)), np.ones((2, 0)), floor=0.1, target=(100.0, 20.0))
Y = np.array([[2.0, 4.0, np.nan, 6.0], [np.nan, 5.0, 3.0, np.nan]])


@pytest.mark.parametrize(
    ("normalisation", "location"),
    [("standard", [[4.0], [4.0]]), ("last", [[6.0], [3.0]]), ("none", [[100.0], [100.0]])],
)
def test_location_and_scale_of_each_normalisation(normalisation, location: list[list[float]]) -> None:
    shift, scale = SCALING.window_scale(Y, np.isfinite(Y), normalisation)
    assert shift.tolist() == location
    expected = [[20.0], [20.0]] if normalisation == "none" else [[np.sqrt(8 / 3)], [1.0]]
    np.testing.assert_allclose(scale, expected)


def test_error_weight_is_the_scale_relative_to_the_series() -> None:
    sizes = np.array([2.0, 50.0])
    weights = error_weights(np.array([[4.0], [5.0], [1e9], [0.0]]), np.array([0, 1, 0, 1]), sizes)
    np.testing.assert_allclose(weights, [[2.0], [0.1], [10.0], [0.1]])


def test_series_std_uses_values_up_to_the_last_cutoff(build_panel) -> None:
    panel = build_panel({"a": [0.0, 2.0, 0.0, 2.0, 1e6], "b": [5.0] * 5, "c": [1.0, 9.0, 1.0, 9.0, 0.0]})
    std = series_std(panel, WindowRanges.from_cutoffs(np.array([0, 0, 1]), np.array([1, 3, 3])))
    assert std.tolist() == [1.0, 1.0, 1.0]  # b is constant, c has no window
    assert series_std(panel, WindowRanges.from_cutoffs(np.array([2]), np.array([3])))[2] == 4.0


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e12])
@pytest.mark.parametrize("level", [0.0, 3.0])
def test_constant_lookback_has_the_scale_of_its_own_series(size: float, level: float) -> None:
    y = np.full((1, 4), level * size)
    _, scale = SCALING.window_scale(y, np.isfinite(y), ranges=np.array([[10.0 * size]]))
    assert 0.01 * size < scale[0, 0] <= 0.5 * size
    _, unknown = SCALING.window_scale(np.zeros((1, 4)), np.ones((1, 4), bool), ranges=np.zeros((1, 1)))
    assert unknown.tolist() == [[0.1]]


def test_equal_weights_are_one() -> None:
    assert step_weights("equal", 3).tolist() == [1.0, 1.0, 1.0]


def test_decreasing_weights_have_the_published_ratios() -> None:
    weights = step_weights("decreasing", 1000)
    np.testing.assert_allclose(weights[[1, 9, 999]] / weights[0], [0.678249, 0.314271, 0.215602], rtol=1e-4)


@pytest.mark.parametrize("horizon", [1, 2, 24, 720])
def test_decreasing_weights_have_mean_one_and_never_rise(horizon: int) -> None:
    weights = step_weights("decreasing", horizon)
    assert weights.mean() == pytest.approx(1.0)
    assert (np.diff(weights) < 0).all()
    assert weights.min() > 0
