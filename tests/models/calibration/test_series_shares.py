"""Shares by series: each gets what suits it, shrunk, if windows that did not decide them agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibration.inputs import CalibrationSpec
from models.calibration.series_shares import fit_series_shares

COMMON = np.array([0.5, 0.0, 0.0])  # shares of all series
HORIZONS = 20
WINDOWS = 4 * HORIZONS  # of each series, four in each horizon


def spec_of(count: int, windows: int = WINDOWS) -> CalibrationSpec:
    times = np.tile(np.arange(windows) * HORIZONS / windows, count)
    return CalibrationSpec((0.5,), "mae", times, series=np.repeat(np.arange(count), windows))


def errors_of(network: np.ndarray, linear: np.ndarray, last: float = 50.0) -> np.ndarray:
    """Errors of the network (n,), and differences to it of forecasts with these errors, at two steps."""
    known = np.stack([network, network - linear, network - last])
    return np.repeat(known[:, :, None], 2, axis=2)


def noise_of(size: float, count: int) -> np.ndarray:
    """Errors of both signs that follow no pattern in time."""
    return size * np.random.default_rng(0).choice([-1.0, 1.0], count)


def test_each_series_gets_the_forecast_that_suits_it_shrunk_by_20_horizons() -> None:
    network = np.concatenate([noise_of(1.0, WINDOWS), noise_of(4.0, WINDOWS)])
    linear = np.concatenate([noise_of(4.0, WINDOWS), noise_of(1.0, WINDOWS)])
    fitted = fit_series_shares(errors_of(network, linear), COMMON, spec_of(2))
    np.testing.assert_allclose(fitted, [[0.25, 0.0, 0.0], [0.75, 0.0, 0.0]])  # halfway from .5 to 0 and to 1


def test_last_value_has_a_share_in_a_series_that_it_suits() -> None:
    network = np.concatenate([noise_of(1.0, WINDOWS), noise_of(60.0, WINDOWS) + 60.0])
    linear = np.concatenate([noise_of(4.0, WINDOWS), np.full(WINDOWS, 90.0)])
    errors = errors_of(network, linear, last=0.0)
    errors[2, :WINDOWS] = network[:WINDOWS, None] - 90.0
    fitted = fit_series_shares(errors, COMMON, spec_of(2))
    np.testing.assert_allclose(fitted, [[0.25, 0.0, 0.0], [0.25, 0.5, 0.0]])


def test_share_of_the_seasonal_median_is_kept() -> None:
    network = np.concatenate([noise_of(1.0, WINDOWS), noise_of(4.0, WINDOWS)])
    linear = np.concatenate([noise_of(4.0, WINDOWS), noise_of(1.0, WINDOWS)])
    errors = errors_of(network, linear)
    errors = np.concatenate([errors, 0 * errors[:1]])  # a median that forecasts what the network does
    fitted = fit_series_shares(errors, np.array([0.4, 0.0, 0.2]), spec_of(2))
    np.testing.assert_allclose(fitted, [[0.2, 0.0, 0.2], [0.6, 0.0, 0.2]])


def test_series_that_are_alike_have_no_shares_of_their_own() -> None:
    network, linear = noise_of(1.0, 2 * WINDOWS), -noise_of(1.0, 2 * WINDOWS)  # half of each is right in both
    assert fit_series_shares(errors_of(network, linear), COMMON, spec_of(2)) is None


def test_shares_that_hold_in_one_part_of_time_alone_are_not_used() -> None:
    turns = np.tile(np.repeat([1.0, 4.0], WINDOWS // 2), 2)  # the network is right first, then the map
    network, linear = noise_of(1.0, 2 * WINDOWS) * turns, noise_of(1.0, 2 * WINDOWS) * (5.0 - turns)
    assert fit_series_shares(errors_of(network, linear), COMMON, spec_of(2)) is None


def test_random_walks_keep_the_last_value_alone() -> None:
    network = np.concatenate([noise_of(1.0, WINDOWS), noise_of(4.0, WINDOWS)])
    linear = np.concatenate([noise_of(4.0, WINDOWS), noise_of(1.0, WINDOWS)])
    assert fit_series_shares(errors_of(network, linear), np.array([0.0, 1.0, 0.0]), spec_of(2)) is None


@pytest.mark.parametrize(("count", "windows"), [(1, WINDOWS), (2, 3)])
def test_one_series_or_few_windows_have_no_shares_of_their_own(count: int, windows: int) -> None:
    network, linear = (np.resize([1.0, 4.0], count * windows), np.resize([4.0, 1.0], count * windows))
    assert fit_series_shares(errors_of(network, linear), COMMON, spec_of(count, windows)) is None


def test_windows_without_a_target_are_left_out() -> None:
    network = np.concatenate([noise_of(1.0, WINDOWS), noise_of(4.0, WINDOWS)])
    linear = np.concatenate([noise_of(4.0, WINDOWS), noise_of(1.0, WINDOWS)])
    errors = errors_of(network, linear)
    errors[:, ::3] = np.nan
    fitted = fit_series_shares(errors, COMMON, spec_of(2))
    np.testing.assert_allclose(fitted, [[0.25, 0.0, 0.0], [0.75, 0.0, 0.0]])


@given(seed=st.integers(0, 1000), linear=st.floats(0, 1), last=st.floats(0, 1))
def test_shares_are_those_of_a_mean(seed: int, linear: float, last: float) -> None:
    draw = np.random.default_rng(seed)
    common = np.array([linear * (1 - last), (1 - linear) * last, linear * last / 2])
    errors = draw.standard_normal((4, 3 * WINDOWS, 2)) * draw.uniform(0.5, 2, (4, 1, 1))
    fitted = fit_series_shares(errors, common, spec_of(3))
    if fitted is not None:
        assert fitted.min() >= -1e-9
        assert fitted.sum(axis=1).max() <= 1 + 1e-9
