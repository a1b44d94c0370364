"""Shares move toward the simple forecast with the smallest newest errors, by as much as the horizons are worth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.calibration.newest_shares import FIFTHS, PastMedians, candidate_losses, fit_newest_shares
from models.networks.architecture import HeadName

NETWORK, LINEAR, LAST = 10.0, 13.0, 20.0
DIFFERENCES = np.array([LINEAR - NETWORK, LAST - NETWORK, 0.0])[:, None, None].repeat(2, axis=2)  # (3, 1, 2)


def losses_of(
    actual: float, shares: tuple[float, float, float], head: HeadName = "quantiles", is_whole: bool = False
) -> np.ndarray:
    """Losses (C,) of one forecast of two steps whose median has these shares; both actuals are the same."""
    median = NETWORK + shares[0] * (LINEAR - NETWORK) + shares[1] * (LAST - NETWORK)
    past = PastMedians(np.full((1, 2), actual), np.full((1, 2), median), DIFFERENCES, is_whole)
    return candidate_losses(past, np.array([shares]), head)[:, 0]


def moved(losses: np.ndarray, shares: list[float]) -> np.ndarray:
    """Changes (1, 3) of the shares of one series whose origins are a horizon apart."""
    of_one = np.array([shares])
    return fit_newest_shares(losses, of_one, 1.0).changes(of_one)


def candidate(*shares: float) -> int:
    return int(np.flatnonzero((shares == FIFTHS).all(axis=1))[0])


@pytest.mark.parametrize("shares", [(0.0, 0.0, 0.0), (0.3, 0.25, 0.0), (0.0, 1.0, 0.0)])
def test_loss_of_a_candidate_is_that_of_its_own_blend(shares) -> None:
    losses = losses_of(13.0, shares)
    assert losses[candidate(1, 0, 0)] == pytest.approx(0.0, abs=1e-12)  # the linear map, 13
    assert losses[candidate(0, 0, 0)] == pytest.approx(3.0)  # the network, 10
    assert losses[candidate(0.2, 0.4, 0.2)] == pytest.approx(1.6)  # 10 + .2 x 3 + .4 x 10 = 14.6
    assert losses_of(13.0, shares, "mse")[candidate(0, 0, 0)] == pytest.approx(9.0)


def test_loss_is_the_mean_over_known_steps() -> None:
    actuals = np.array([[1.0, np.nan], [np.nan, np.nan]])
    past = PastMedians(actuals, np.zeros((2, 2)), np.zeros((3, 2, 2)), is_whole=False)
    losses = candidate_losses(past, np.zeros((2, 3)), "quantiles")
    assert losses[:, 0].tolist() == [1.0] * len(FIFTHS)
    assert np.isnan(losses[:, 1]).all()


def test_medians_of_counts_are_rounded_before_their_loss() -> None:
    losses = losses_of(13.0, (0.0, 0.0, 0.0), is_whole=True)
    assert losses[candidate(1, 0, 0)] == 0.0
    assert losses[candidate(0.8, 0, 0)] == 1.0  # 12.4 is published as 12
    assert losses[candidate(0.4, 0.2, 0)] == 0.0  # and 13.2 as 13


def test_of_shares_with_the_same_loss_the_nearest_are_the_best() -> None:
    losses = np.stack([losses_of(13.0, (0.0, 0.0, 0.0), is_whole=True)] * 20)[..., None]
    for shares, best in (([1.0, 0.0, 0.0], [1.0, 0.0, 0.0]), ([0.4, 0.15, 0.0], [0.4, 0.2, 0.0])):
        assert fit_newest_shares(losses, np.array([shares]), 1.0).best.tolist() == [best]


def test_shares_move_halfway_to_the_best_after_twenty_horizons() -> None:
    losses = np.stack([losses_of(20.0, (0.5, 0.0, 0.0))] * 20)[..., None]  # 20 origins, a horizon apart
    changes = moved(losses, [0.5, 0.0, 0.0])
    np.testing.assert_allclose(changes, [[-0.25, 0.5, 0.0]])


def test_overlapping_horizons_count_as_the_time_that_they_cover() -> None:
    losses = np.stack([losses_of(20.0, (0.0, 0.0, 0.0))] * 60)[..., None]
    daily, weekly = (fit_newest_shares(losses, np.zeros((1, 3)), spacing).weight for spacing in (1 / 30, 7.0))
    np.testing.assert_allclose([daily, weekly], [[2 / 22], [60 / 80]])


def test_each_series_has_its_own_shares_and_a_pooled_one_those_of_all() -> None:
    losses = np.stack([losses_of(actual, (0.0, 0.0, 0.0)) for actual in (13.0, 13.0, 20.0)], axis=1)[None]
    own, pooled = (fit_newest_shares(losses, np.zeros((3, 3)), 1.0, is_pooled) for is_pooled in (False, True))
    assert own.best.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert pooled.best.tolist() == [[1, 0, 0]]
    assert pooled.changes(np.zeros((3, 3))).tolist() == [[1 / 21, 0, 0]] * 3


def test_series_of_any_size_count_the_same_in_a_pooled_fit() -> None:
    small, large = losses_of(13.0, (0.0, 0.0, 0.0)), 1e9 * losses_of(20.0, (0.0, 0.0, 0.0))
    losses = np.stack([small, small, small, large], axis=1)[None]
    assert fit_newest_shares(losses, np.zeros((4, 3)), 1.0, is_pooled=True).best.tolist() == [[1, 0, 0]]


def test_series_without_known_errors_keeps_its_shares() -> None:
    losses = np.full((5, len(FIFTHS), 1), np.nan)
    assert moved(losses, [0.5, 0.1, 0.0]).tolist() == [[0.0, 0.0, 0.0]]


def test_random_walk_keeps_the_last_value_alone() -> None:
    losses = np.stack([losses_of(13.0, (0.0, 1.0, 0.0))] * 20)[..., None]
    assert moved(losses, [0.0, 1.0, 0.0]).tolist() == [[0.0, 0.0, 0.0]]


@given(
    losses=arrays(float, (4, len(FIFTHS), 2), elements=st.floats(0, 1e6) | st.just(np.nan)),
    shares=st.sampled_from(list(FIFTHS)),
    is_pooled=st.booleans(),
)
def test_moved_shares_are_shares(losses, shares, is_pooled) -> None:
    both = np.stack([shares, shares])
    new = both + fit_newest_shares(losses, both, 1.0, is_pooled).changes(both)
    assert (new >= -1e-12).all()
    assert (new.sum(axis=1) <= 1 + 1e-12).all()
