"""Recalibration brings an interval to its share: by series, by step, after a change of the spread, and for counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from models.recalibration import Recalibration, apply_recalibration, fit_recalibration

LEVELS = (0.05, 0.1, 0.5, 0.9, 0.95)
HORIZON = 24


def forecasts(nights: int, series: int, deviation: float = 1.0) -> np.ndarray:
    """Quantiles (K, S, H, Q) of the normal distribution with mean 10."""
    return np.broadcast_to(10 + deviation * norm.ppf(LEVELS), (nights, series, HORIZON, len(LEVELS))).copy()


def actuals(nights: int, series: int, deviation: float, seed: int) -> np.ndarray:
    return 10 + deviation * np.random.default_rng(seed).normal(size=(nights, series, HORIZON))


def share_inside(y: np.ndarray, quantiles: np.ndarray) -> float:
    return float(((y >= quantiles[..., 1]) & (y <= quantiles[..., 3])).mean())


@pytest.mark.parametrize("deviation", [0.4, 1.0, 2.5])
def test_interval_holds_its_share_whatever_the_model_gave(deviation: float) -> None:
    shares = []
    for seed in range(10):
        y = actuals(57, 4, deviation, seed)
        fitted = fit_recalibration(forecasts(56, 4), y[:56], LEVELS)
        shares.append(share_inside(y[56], apply_recalibration(forecasts(1, 4)[0], fitted, LEVELS)))
    assert np.mean(shares) == pytest.approx(0.8, abs=0.03)


def test_each_series_has_its_own_factor() -> None:
    y = actuals(56, 2, 1.0, 0)
    y[:, 1] = 10 + 3 * (y[:, 1] - 10)
    factors = fit_recalibration(forecasts(56, 2), y, LEVELS).by_series
    assert factors[0] == pytest.approx([1, 1, 1, 1, 1], abs=0.15)
    assert factors[1] == pytest.approx([3, 3, 1, 3, 3], rel=0.15)


def test_intervals_of_a_series_without_old_origins_have_a_width() -> None:
    short, y = forecasts(56, 1), actuals(56, 1, 2.0, 0)
    short[:36], y[:36] = 0.0, np.nan  # as of a series that has begun later
    padded = fit_recalibration(short, y, LEVELS, spacing=0.1)
    alone = fit_recalibration(short[36:], y[36:], LEVELS, spacing=0.1)
    assert padded.by_series == pytest.approx(alone.by_series, rel=0.05)  # kept whole, they would be twice as large


def test_step_whose_errors_are_larger_gets_wider_intervals() -> None:
    y = actuals(56, 20, 1.0, 0)
    y[:, :, -1] = 10 + 2 * (y[:, :, -1] - 10)
    factors = fit_recalibration(forecasts(56, 20), y, LEVELS).by_step
    assert (factors[-1, [0, 1, 3, 4]] > 1.3 * factors[:-1, [0, 1, 3, 4]].mean(axis=0)).all()


@pytest.mark.parametrize("known", [2, 3, 7])
def test_interval_follows_a_doubled_deviation_within_two_seasons(known: int) -> None:
    shares = []
    for seed in range(40):
        y = actuals(57, 1, 1.0, seed)
        y[56 - known :] = 10 + 2 * (y[56 - known :] - 10)
        fitted = fit_recalibration(forecasts(56, 1), y[:56], LEVELS)
        shares.append(share_inside(y[56], apply_recalibration(forecasts(1, 1)[0], fitted, LEVELS)))
    assert np.mean(shares) == pytest.approx(0.8, abs=0.03)


def test_single_extreme_night_hardly_widens_the_next_interval() -> None:
    y = actuals(56, 50, 1.0, 0)
    before = fit_recalibration(forecasts(56, 50), y, LEVELS).by_series[:, [1, 3]].mean()
    y[55] = 10 + 3 * (y[55] - 10)
    assert fit_recalibration(forecasts(56, 50), y, LEVELS).by_series[:, [1, 3]].mean() < 1.2 * before


def test_forecast_without_errors_keeps_its_quantiles() -> None:
    tonight = forecasts(1, 3)[0]
    for nights in (0, 5):
        fitted = fit_recalibration(forecasts(nights, 3), np.full((nights, 3, HORIZON), np.nan), LEVELS)
        assert (apply_recalibration(tonight, fitted, LEVELS) == tonight).all()


def test_series_with_few_errors_takes_the_factors_of_all() -> None:
    y = actuals(56, 5, 2.0, 0)
    y[:-1, 4] = np.nan  # one night is known
    factors = fit_recalibration(forecasts(56, 5), y, LEVELS).by_series
    assert factors[4] == pytest.approx([2, 2, 1, 2, 2], rel=0.15)


@pytest.mark.parametrize(("nights", "spacing"), [(10, 1.0), (56, 1.0), (56, 0.1)])
def test_model_without_a_spread_gets_intervals_from_its_errors(nights: int, spacing: float) -> None:
    y, flat = actuals(nights + 1, 4, 2.0, 0), forecasts(nights + 1, 4, deviation=0.0)
    fitted = fit_recalibration(flat[:nights], y[:nights], LEVELS, spacing=spacing)
    tonight = apply_recalibration(flat[nights], fitted, LEVELS)
    assert tonight.mean(axis=(0, 1)) == pytest.approx(10 + 2 * norm.ppf(LEVELS), abs=0.4)


def test_quantiles_of_counts_meet_the_discrete_criterion() -> None:
    random, below, upto = np.random.default_rng(0), [], []
    for _ in range(20):
        y = random.poisson(0.3, size=(57, 3, HORIZON)).astype(float)
        base = np.broadcast_to([0.0, 0.0, 0.2, 0.8, 1.4], (57, 3, HORIZON, 5))
        fitted = fit_recalibration(base[:56], y[:56], LEVELS, resolution=1.0)
        upper = np.rint(apply_recalibration(base[56], fitted, LEVELS))[..., 3]
        below.append((y[56] < upper).mean())
        upto.append((y[56] <= upper).mean())
    assert np.mean(below) <= 0.92
    assert np.mean(upto) >= 0.88


def test_factors_do_not_depend_on_values_after_the_given_ones() -> None:
    y = actuals(60, 2, 1.0, 0)
    first = fit_recalibration(forecasts(40, 2), y[:40], LEVELS)
    y[40:] = 1e9
    assert (fit_recalibration(forecasts(40, 2), y[:40], LEVELS).by_step == first.by_step).all()


@settings(max_examples=30)
@given(st.floats(0.01, 1000), st.floats(-1000, 1000), st.integers(0, 100))
def test_factors_have_no_unit(scale: float, shift: float, seed: int) -> None:
    base, y = forecasts(30, 2), actuals(30, 2, 1.5, seed)
    plain = fit_recalibration(base, y, LEVELS)
    moved = fit_recalibration(base * scale + shift, y * scale + shift, LEVELS)
    assert moved.by_series == pytest.approx(plain.by_series, rel=1e-3)
    assert moved.by_step == pytest.approx(plain.by_step, rel=1e-3)


def test_moved_shares_move_all_quantiles_of_their_series() -> None:
    neutral = Recalibration.neutral(2, 1, 3)
    moved = neutral._replace(share_changes=np.array([[0.5, -0.25, 0.0], [0.0, 0.0, 0.0]]))
    quantiles = np.array([[[8.0, 10.0, 13.0]], [[8.0, 10.0, 13.0]]])
    differences = np.array([4.0, 8.0, 100.0])[:, None, None].repeat(2, axis=1)  # simple forecasts minus the network
    moved_quantiles = apply_recalibration(quantiles, moved, (0.1, 0.5, 0.9), differences=differences)
    assert moved_quantiles.tolist() == [[[8.0, 10.0, 13.0]], [[8.0, 10.0, 13.0]]]  # .5 x 4 - .25 x 8 = 0
    differences[0] = 6.0
    moved_quantiles = apply_recalibration(quantiles, moved, (0.1, 0.5, 0.9), differences=differences)
    assert moved_quantiles.tolist() == [[[9.0, 11.0, 14.0]], [[8.0, 10.0, 13.0]]]


def test_factors_that_earlier_releases_stored_move_no_share() -> None:
    stored = Recalibration.neutral(2, 1, 3).to_json(["a", "b"])
    del stored["share_changes"]
    fitted, ids = Recalibration.from_json(stored)
    assert ids == ("a", "b")
    assert fitted.share_changes.tolist() == [[0, 0, 0]] * 2


def test_series_that_was_not_fitted_moves_no_share() -> None:
    fitted = Recalibration.neutral(1, 1, 3)._replace(share_changes=np.array([[0.1, 0.2, 0.3]]))
    assert fitted.of(["new", "a"], ["a"]).share_changes.tolist() == [[0, 0, 0], [0.1, 0.2, 0.3]]
