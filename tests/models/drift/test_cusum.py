"""The chart rises with errors and with a bias, holds its level for correlated nights, and needs a reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.drift.cusum import (
    ERROR_PARTS,
    autocorrelation,
    compare_errors,
    compare_levels,
    cusum_p_value,
    standardised,
    tail_p_value,
    upper_cusum,
)


def nights(seed: int, count: int = 63, correlation: float = 0.0) -> np.ndarray:
    """Values of successive nights with unit variance, (count,)."""
    noise = np.random.default_rng(seed).normal(size=count + 50) * np.sqrt(1 - correlation**2)
    for night in range(1, len(noise)):
        noise[night] += correlation * noise[night - 1]
    return noise[50:]


def test_sum_starts_at_zero_and_forgets_a_fall() -> None:
    assert upper_cusum(np.array([1.0, 2.0, -9.0, 1.0])) == 0.5
    assert upper_cusum(np.array([[1.0, 2.0], [np.nan, 1.0]])).tolist() == [2.0, 0.5]
    assert standardised(np.array([5.0]), np.array([1.0, 2.0, np.nan, 3.0])) == pytest.approx([3.0])


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_nights_like_the_reference_are_rarely_below_the_level(correlation: float) -> None:
    p_values = [cusum_p_value(nights(seed, correlation=correlation), ERROR_PARTS) for seed in range(200)]
    assert np.mean(np.array(p_values) < 0.01) <= 0.025
    assert np.mean(np.array(p_values) < 0.2) <= 0.25


def test_rise_of_two_deviations_is_seen_after_three_nights() -> None:
    rise = np.r_[np.zeros(60), np.full(3, 2.5)]
    assert np.mean([cusum_p_value(nights(seed) + rise, ERROR_PARTS) < 0.01 for seed in range(50)]) > 0.8
    assert min(cusum_p_value(nights(seed) - rise, ERROR_PARTS) for seed in range(10)) > 0.01


def test_short_reference_and_unknown_newest_nights_give_no_alarm() -> None:
    jump = np.r_[np.zeros(27), np.full(7, 50.0)]
    assert cusum_p_value(nights(1, 34) + jump, ERROR_PARTS) == 1.0
    assert cusum_p_value(np.r_[nights(1, 40), np.full(7, np.nan)], ERROR_PARTS) == 1.0
    assert cusum_p_value(np.zeros(63), ERROR_PARTS) == 1.0
    assert cusum_p_value(np.r_[np.zeros(60), np.ones(3)], ERROR_PARTS) < 1e-6


def test_tail_beyond_the_draws_is_exponential() -> None:
    sums = np.random.default_rng(1).exponential(size=2000)
    assert tail_p_value(sums, 1.0) == pytest.approx(np.mean(sums >= 1.0), abs=0.001)
    assert np.exp(-14.0) / 5 < tail_p_value(sums, 14.0) < np.exp(-14.0) * 5
    assert tail_p_value(sums, 1e6) == 0.0


def test_correlation_of_a_short_series_is_corrected() -> None:
    assert autocorrelation(np.array([1.0, -1.0] * 5)) == 0.0
    assert autocorrelation(np.ones(5)) == 0.0
    estimates = [autocorrelation(nights(seed, 60, 0.5)) for seed in range(200)]
    assert np.mean(estimates) == pytest.approx(0.5, abs=0.03)


def panel(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean absolute and mean scaled errors of six series and 63 nights of 24 hours."""
    errors = np.random.default_rng(seed).normal(0, 0.5, size=(6, 63, 24))
    return np.abs(errors).mean(axis=2), errors.mean(axis=2)


def test_larger_errors_and_a_bias_are_found_and_the_series_is_named() -> None:
    sizes, biases = panel(3)
    assert compare_errors(sizes, biases).p_value > 0.05
    late = np.arange(63) >= 60
    assert compare_errors(sizes * np.where(late, 2.0, 1.0), biases).p_value < 0.01
    for sign in (1, -1):
        assert compare_errors(sizes, biases + sign * 0.5 * late).p_value < 0.01
    one = np.outer(np.arange(6) == 4, late)
    alone = compare_errors(sizes * np.where(one, 3.0, 1.0), biases)
    assert alone.series.argmin() == 4
    assert alone.p_value < 0.05


def test_one_of_many_series_is_found_too() -> None:
    errors = np.random.default_rng(5).normal(0, 0.5, size=(100, 63, 24))
    errors[17, 59:] *= 4
    alone = compare_errors(np.abs(errors).mean(axis=2), errors.mean(axis=2))
    assert alone.series.argmin() == 17
    assert alone.p_value < 0.001


def test_level_that_leaves_its_range_is_found_after_one_night() -> None:
    levels = np.random.default_rng(6).normal(0, 0.1, size=(5, 28))
    assert compare_levels(levels).p_value > 0.05
    for sign in (1, -1):
        assert compare_levels(levels + sign * 0.5 * (np.arange(28) == 27)).p_value < 0.01
    assert compare_levels(levels[:, :22]).p_value == 1.0
    assert compare_levels(levels[:, :0]).p_value == 1.0


def test_smaller_errors_are_no_drift() -> None:
    sizes, biases = panel(4)
    assert compare_errors(sizes * np.where(np.arange(63) >= 56, 0.2, 1.0), biases).p_value > 0.05


@settings(max_examples=20)
@given(missing=st.floats(0, 0.5), seed=st.integers(0, 1000))
def test_missing_actuals_keep_every_p_value_within_its_range(missing: float, seed: int) -> None:
    sizes, biases = panel(seed)
    gaps = np.random.default_rng(seed).random(sizes.shape) < missing
    result = compare_errors(np.where(gaps, np.nan, sizes), np.where(gaps, np.nan, biases))
    assert 0 < result.p_value <= 1
    assert ((result.series > 0) & (result.series <= 1)).all()
