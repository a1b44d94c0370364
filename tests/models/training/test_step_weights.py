"""Weights of the steps of the horizon: known values, mean 1, and what a network learns with them."""

import numpy as np
import pytest

from models.training.step_weights import step_weights


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
