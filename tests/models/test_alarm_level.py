"""The level of alarms: Benjamini-Hochberg beside a reference, and nights with an alarm at the rate."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from models.alarm_level import benjamini_hochberg, calibrate_level, exact_size, simes_p_value, smallest_size
from models.anomalies import conformal_p_values

NAN = np.nan


@pytest.mark.parametrize(
    ("available", "tests", "rate", "used"),
    [(560, 20, 0.05, 399), (560, 20, 0.1, 399), (28, 1, 0.05, 19), (399, 20, 0.05, 399), (398, 20, 0.05, 398)],
)
def test_sample_is_cut_to_a_size_with_the_exact_rate(available: int, tests: int, rate: float, used: int) -> None:
    assert exact_size(available, tests, rate) == used
    assert (used >= smallest_size(tests, rate)) == (available >= 399 or tests == 1)


def test_benjamini_hochberg_is_that_of_scipy() -> None:
    draw = np.random.default_rng(2)
    for _ in range(300):
        p_values = np.round(draw.uniform(size=draw.integers(1, 40)) ** draw.uniform(1, 4), 3)
        rate = draw.uniform(0.01, 0.4)
        chosen, level = benjamini_hochberg(p_values, rate)
        assert chosen.tolist() == (false_discovery_control(p_values) <= rate + 1e-12).tolist()
        assert level == (p_values[chosen].max() if chosen.any() else 0.0)


def test_p_value_of_a_night_is_the_least_rate_that_chooses_a_series() -> None:
    assert simes_p_value(np.array([0.01, 0.04, 0.5])) == pytest.approx(0.03)
    assert simes_p_value(np.array([0.02, 0.02, 0.5])) == pytest.approx(0.03)
    assert simes_p_value(np.array([])) == np.inf


def test_level_needs_as_many_nights_as_the_rate_has_parts() -> None:
    largest, nights = np.arange(19.0), np.arange(19)
    assert calibrate_level(largest[:18], nights[:18], np.array([3.0]), 0.05) is None
    calibrated = calibrate_level(largest, nights, np.array([3.0]), 0.05)
    assert calibrated is not None
    assert (calibrated.nights, calibrated.level) == (19, pytest.approx(1 / 20))
    assert (
        calibrated.level < 1 / 20
    )  # the night with the largest error has this p-value, and a smaller one does not exist


@pytest.mark.parametrize("common", [0.0, 0.5, 0.9])
def test_rate_holds_for_series_that_share_shocks(common: float) -> None:
    draw, alarms = np.random.default_rng(7), 0
    for _ in range(600):
        shocks = np.sqrt(common) * draw.standard_normal((30, 1))
        errors = np.abs(shocks + np.sqrt(1 - common) * draw.standard_normal((30, 8)))
        largest, nights = errors[:-1].reshape(-1), np.arange(29).repeat(8)
        calibrated = calibrate_level(largest, nights, errors[-1], 0.1)
        assert calibrated is not None
        p_values = conformal_p_values(errors[-1], largest[nights < calibrated.nights])
        alarms += benjamini_hochberg(p_values, calibrated.level)[0].any()
    assert alarms / 600 == pytest.approx(0.1, abs=0.03)  # two and a half binomial errors


def test_benjamini_hochberg_without_tests_or_with_missing_ones() -> None:
    assert benjamini_hochberg(np.array([]), 0.1)[0].tolist() == []
    chosen, level = benjamini_hochberg(np.array([NAN, 0.04, 0.5]), 0.1)
    assert (chosen.tolist(), level) == ([False, True, False], 0.04)


@pytest.mark.parametrize("rate", [0.05, 0.1])
def test_share_of_clean_nights_with_an_alarm_is_the_rate(rate: float) -> None:
    draw, alarms, nights, series = np.random.default_rng(3), 0, 3000, 5
    size = exact_size(28 * series, series, rate)
    for _ in range(nights):  # correlated errors of 24 steps, the series of a night share their sample
        common = draw.normal(size=(size + series, 1))
        largest = np.abs(common + draw.normal(size=(size + series, 24))).max(axis=1)
        alarms += benjamini_hochberg(conformal_p_values(largest[size:], largest[:size]), rate)[0].any()
    assert alarms / nights == pytest.approx(rate, abs=3 * np.sqrt(rate * (1 - rate) / nights))
