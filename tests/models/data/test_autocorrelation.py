import numpy as np
import pytest

from models.data.autocorrelation import autocorrelation, seasonal_lags_of, unexpected_season


def repeated(shape, times, noise=0.0):
    return np.tile(np.array(shape, float), times) + noise * np.random.default_rng(5).normal(size=len(shape) * times)


def test_what_repeats_itself_exactly_has_one_and_half_way_the_opposite_is_true():
    wave = repeated([0, 1, 0, -1], 20)
    assert autocorrelation(wave, 4) == pytest.approx(1, abs=0.01)
    assert autocorrelation(wave, 2, season=4) == pytest.approx(-1, abs=0.01)


def test_gaps_and_a_trend_do_not_hide_a_season():
    wave = repeated([0, 3, 1, -4], 50, noise=0.5) + np.linspace(0, 500, 200)
    wave[[3, 17, 18, 19, 20, 90]] = np.nan
    assert autocorrelation(wave, 4) > 0.9


def test_too_few_values_and_a_constant_have_none():
    assert np.isnan(autocorrelation(np.arange(6.0), 4))
    assert np.isnan(autocorrelation(np.full(100, 7.0), 5))
    assert np.isnan(autocorrelation(np.full(100, 1e9), 5))
    assert np.isnan(autocorrelation(np.full(100, np.nan), 5))


def test_a_random_walk_has_no_season():
    walks = [np.random.default_rng(seed).normal(size=700).cumsum() for seed in range(4)]
    assert seasonal_lags_of(walks, (5,)) == {}
    assert unexpected_season(walks[:1], 175) is None


def test_noise_in_few_values_is_no_season():
    assert seasonal_lags_of([np.random.default_rng(seed).normal(size=30) for seed in range(1)], (7,)) == {}


def test_a_week_counts_beside_the_day_only_where_it_says_more():
    day = [5.0, 9.0, 2.0, 1.0]
    week = np.concatenate([np.array(day) * size for size in (1, 1, 1, 1, 1, 4, 6)])
    assert list(seasonal_lags_of([repeated(week, 12, 0.1)], (4, 28))) == [4, 28]
    assert list(seasonal_lags_of([repeated(day, 84, 0.1)], (4, 28))) == [4]


def test_a_season_that_no_calendar_knows_is_found_and_not_its_double():
    lag, told = unexpected_season([repeated([0, 2, 5, 9, 5, 1, -3, -7, -9, -4, -1], 40, 0.5)], 60)
    assert lag == 11
    assert told > 0.9
