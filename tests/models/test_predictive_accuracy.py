"""The test of equal accuracy: exact on small inputs, and its level with correlated gains."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.predictive_accuracy import count_projections, equal_accuracy_p_value

NAN = float("nan")


def test_p_value_of_four_gains_by_hand() -> None:
    gains = np.array([1.0, 0.0, 1.5, 0.5])
    # cosines at (1, 3, 5, 7) pi / 8 and at (1, 3, 5, 7) pi / 4, scaled by sqrt(2 / 4)
    first = math.sqrt(0.5) * (math.cos(math.pi / 8) - 1.5 * math.cos(3 * math.pi / 8) - 0.5 * math.cos(math.pi / 8))
    second = math.sqrt(0.5) * (1 - 0 - 1.5 + 0.5) * math.sqrt(0.5)
    variance = (first**2 + second**2) / 2
    statistic = 2 * 0.75 / math.sqrt(variance)
    assert equal_accuracy_p_value(gains) == pytest.approx(stats.t.sf(statistic, 2), rel=1e-9)


@pytest.mark.parametrize(
    ("origins", "overlap", "count"),
    [(4, 1, 2), (28, 1, 3), (56, 1, 5), (112, 1, 9), (112, 4, 9), (28, 4, 3), (28, 8, 2), (28, 30, 2)],
)
def test_number_of_projections(origins: int, overlap: int, count: int) -> None:
    assert count_projections(origins, overlap) == count


@pytest.mark.parametrize(
    ("gains", "p_value"),
    [
        ([8.0, 8.0, 8.0], 1.0),  # too few to tell
        ([1.0, NAN, 1.5, 9.0], 1.0),
        ([1.0, math.inf, 1.5, 9.0], 1.0),
        ([0.0, 0.0, 0.0, 0.0], 1.0),  # the same model
        ([0.1, 0.1, 0.1, 0.1, 0.1], 0.0),  # always better by the same
        ([-0.1, -0.1, -0.1, -0.1, -0.1], 1.0),
    ],
)
def test_p_value_of_edge_cases(gains: list[float], p_value: float) -> None:
    assert equal_accuracy_p_value(np.array(gains)) == pytest.approx(p_value, abs=1e-12)


@settings(max_examples=100)
@given(
    gains=st.lists(st.floats(-9, 9), min_size=4, max_size=60).filter(lambda gains: np.ptp(gains) > 1e-3),
    scale=st.sampled_from([1e-200, 1e-9, 1.0, 1e9, 1e200]),
)
def test_p_values_of_both_directions_sum_to_one_in_any_unit(gains: list[float], scale: float) -> None:
    values = np.array(gains)
    forward = equal_accuracy_p_value(values)
    assert 0 <= forward <= 1
    assert forward + equal_accuracy_p_value(-values) == pytest.approx(1, abs=1e-9)
    assert equal_accuracy_p_value(values * scale) == pytest.approx(forward, abs=1e-6)


@pytest.mark.parametrize(("correlation", "largest"), [(0.0, 0.07), (0.3, 0.075), (0.5, 0.08)])
@pytest.mark.parametrize("origins", [28, 112])
def test_level_holds_with_correlated_gains(correlation: float, largest: float, origins: int) -> None:
    draw = np.random.default_rng(7)
    gains = draw.normal(size=(1000, origins + 50))
    for step in range(1, gains.shape[1]):
        gains[:, step] += correlation * gains[:, step - 1]
    rejected = np.mean([equal_accuracy_p_value(row[50:]) < 0.05 for row in gains])
    assert 0.03 <= rejected <= largest
