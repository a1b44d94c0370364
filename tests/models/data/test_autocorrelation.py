"""Autocorrelation of a series minus its moving mean, and the seasons that follow from it."""

import numpy as np
import pytest

from models.data.autocorrelation import autocorrelation, seasonal_lags_of, unexpected_season


def repeated(shape, times, noise=0.0):
    return np.tile(np.array(shape, float), times) + noise * np.random.default_rng(5).normal(size=len(shape) * times)


def test_exact_repetition_has_correlation_1_and_minus_1_half_a_season_apart():
    wave = repeated([0, 1, 0, -1], 20)
    assert autocorrelation(wave, 4) == pytest.approx(1, abs=0.01)
    assert autocorrelation(wave, 2, season=4) == pytest.approx(-1, abs=0.01)


def test_season_is_found_despite_gaps_and_a_trend():
    wave = repeated([0, 3, 1, -4], 50, noise=0.5) + np.linspace(0, 500, 200)
    wave[[3, 17, 18, 19, 20, 90]] = np.nan
    assert autocorrelation(wave, 4) > 0.9


def test_few_values_and_constants_have_no_autocorrelation():
    assert np.isnan(autocorrelation(np.arange(6.0), 4))
    assert np.isnan(autocorrelation(np.full(100, 7.0), 5))
    assert np.isnan(autocorrelation(np.full(100, 1e9), 5))
    assert np.isnan(autocorrelation(np.full(100, np.nan), 5))


def test_random_walk_has_no_season():
    walks = [np.random.default_rng(seed).normal(size=700).cumsum() for seed in range(4)]
    assert seasonal_lags_of(walks, (5,)) == {}
    assert unexpected_season(walks[:1], 175) is None


def test_noise_in_few_values_has_no_season():
    assert seasonal_lags_of([np.random.default_rng(seed).normal(size=30) for seed in range(1)], (7,)) == {}


def test_longer_season_counts_only_if_it_adds_to_the_shorter():
    day = [5.0, 9.0, 2.0, 1.0]
    week = np.concatenate([np.array(day) * size for size in (1, 1, 1, 1, 1, 4, 6)])
    assert list(seasonal_lags_of([repeated(week, 12, 0.1)], (4, 28))) == [4, 28]
    assert list(seasonal_lags_of([repeated(day, 84, 0.1)], (4, 28))) == [4]


def test_unexpected_season_is_found_and_not_its_double():
    lag, correlation = unexpected_season([repeated([0, 2, 5, 9, 5, 1, -3, -7, -9, -4, -1], 40, 0.5)], 60)
    assert lag == 11
    assert correlation > 0.9


@pytest.mark.parametrize(("size", "level"), [(1e-9, 0.0), (1.0, 1e6), (1e12, 0.0), (1e-9, 1e-3)])
def test_season_is_seen_at_any_size_and_level(size: float, level: float) -> None:
    y = level + size * np.sin(2 * np.pi * np.arange(400) / 7)
    assert autocorrelation(y, 7) > 0.9
