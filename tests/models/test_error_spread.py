"""The spread of errors: nights without a change keep their ratios, a jump and a persistent change are followed."""

import numpy as np
import pytest

from models.error_spread import nightly_spread, scale_to_tonight

NIGHTS, SERIES, HORIZON = 56, 200, 24


def normal_errors(spread: np.ndarray, seed: int = 0) -> np.ndarray:
    """Errors (K, S, H) whose deviation in night k is spread[k]."""
    draws = np.random.default_rng(seed).normal(size=(len(spread), SERIES, HORIZON))
    return np.asarray(spread[:, None, None] * draws)


def scaled(errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    spread = nightly_spread(errors, np.ones_like(errors), np.zeros(errors.shape[1]))
    return scale_to_tonight(errors[..., None].copy(), spread)


def deviation_of(ratios: np.ndarray) -> float:
    """Return the deviation of normal ratios of the typical series; few nights of another spread do not count."""
    return float(np.median(np.median(np.abs(ratios), axis=(0, 2, 3)))) / 0.6745


def test_spread_is_the_mean_error_as_a_share_of_the_mean_distance() -> None:
    errors = np.array([[[1.0, -3.0, np.nan], [np.nan, np.nan, np.nan]]])
    outer = np.array([[[2.0, 1.0, 5.0], [1.0, 1.0, 1.0]]])
    assert nightly_spread(errors, outer, np.array([2.0, 2.0])) == pytest.approx(np.array([[1.0, np.nan]]), nan_ok=True)


def test_spread_without_a_jump_is_followed_as_one() -> None:
    ratios, nights = scaled(normal_errors(np.ones(NIGHTS)))
    assert (nights == NIGHTS).mean() >= 0.98
    assert deviation_of(ratios) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_older_errors_are_scaled_to_a_jump_of_two_nights(factor: float) -> None:
    ratios, nights = scaled(normal_errors(np.append(np.ones(NIGHTS - 2), [factor, factor])))
    assert np.median(nights) == 2
    assert deviation_of(ratios[:-2]) == pytest.approx(factor, rel=0.1)
    assert deviation_of(ratios[-2:]) == pytest.approx(factor, rel=0.1)


def test_single_night_does_not_count_as_a_jump() -> None:
    _, nights = scaled(normal_errors(np.append(np.ones(NIGHTS - 1), 4.0)))
    assert (nights == NIGHTS).mean() >= 0.98


@pytest.mark.parametrize("tonight", [0.5, 2.0])
def test_spread_that_persists_is_expected_tonight_too(tonight: float) -> None:
    # a week of one spread, a week of the other: the level of tonight is that of the last nights
    weeks = np.repeat([2.0, 0.5] * 4 if tonight == 0.5 else [0.5, 2.0] * 4, 7)
    ratios, _ = scaled(normal_errors(weeks))
    assert deviation_of(ratios) == pytest.approx(tonight, rel=0.15)


def test_series_without_errors_keeps_what_it_has() -> None:
    errors = normal_errors(np.ones(NIGHTS))
    errors[:, 0] = np.nan
    ratios, nights = scaled(errors)
    assert np.isnan(ratios[:, 0]).all()
    assert nights[0] == NIGHTS


@pytest.mark.parametrize("count", [0, 1, 5, 8])
def test_few_nights_keep_their_ratios(count: int) -> None:
    errors = normal_errors(np.ones(count))
    ratios, nights = scaled(errors)
    assert ratios[..., 0] == pytest.approx(errors, rel=1e-12)
    assert (nights == count).all()


def test_nothing_depends_on_the_unit_of_the_errors() -> None:
    errors, distance = normal_errors(np.linspace(0.5, 2, NIGHTS)), np.ones((NIGHTS, SERIES, HORIZON))
    plain = nightly_spread(errors, distance, np.full(SERIES, 0.1))
    scaled_up = nightly_spread(1000 * errors, 1000 * distance, np.full(SERIES, 100.0))
    assert scaled_up == pytest.approx(plain)
