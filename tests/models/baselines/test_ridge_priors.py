"""Priors of the ridge regression: each is a mean of past values, written as a linear map."""

import numpy as np
import pytest

from models.baselines.ridge_priors import RidgePrior, list_priors


@pytest.mark.parametrize(
    ("prior", "expected"),
    [
        (RidgePrior(0, 0), [0.0, 0.0, 0.0]),  # the last value, which is 0 in a window that is shifted by it
        (RidgePrior(1, 2), [6.5, 6.5, 6.5]),
        (RidgePrior(2, 1), [6.0, 7.0, 6.0]),
        (RidgePrior(2, 3), [4.0, 5.0, 4.0]),
        (RidgePrior(3, 2), [3.5, 4.5, 5.5]),
    ],
)
def test_forecast_of_each_prior(prior: RidgePrior, expected: list[float]) -> None:
    window = np.arange(8.0)
    assert (window @ prior.weights(8, np.arange(3))).tolist() == expected


def test_weights_at_some_steps_are_columns_of_all() -> None:
    prior, steps = RidgePrior(4, 3), np.array([0, 5, 9])
    assert prior.weights(12, steps).tolist() == prior.weights(12, np.arange(10))[:, steps].tolist()


def test_priors_of_a_lookback_read_no_more_than_it() -> None:
    assert list_priors(8, (4,)) == [(0, 0), (1, 8), (1, 4), (1, 2), (4, 2), (4, 1)]
    assert list_priors(3, (1, 4)) == [(0, 0), (1, 3)]
    assert list_priors(1, (7,)) == [(0, 0)]


@pytest.mark.parametrize("lookback", [1, 5, 24, 100])
@pytest.mark.parametrize("seasons", [(1,), (7,), (24, 168)])
def test_every_prior_but_the_last_value_is_a_mean(lookback: int, seasons: tuple[int, ...]) -> None:
    for prior in list_priors(lookback, seasons)[1:]:
        weights = prior.weights(lookback, np.arange(30))
        assert (weights >= 0).all()
        np.testing.assert_allclose(weights.sum(axis=0), 1.0)
