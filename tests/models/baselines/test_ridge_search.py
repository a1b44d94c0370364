"""The searched closed form: each solution is a ridge regression, and held-out windows choose among them."""

import numpy as np
import pytest

from models.baselines.moments import Moments
from models.baselines.ridge_priors import RidgePrior
from models.baselines.ridge_search import GroupedMoments, RidgeCandidate, average_ridge, search_ridge, solve_ridge

LAST_VALUE = RidgePrior(0, 0)


def windows(weights: np.ndarray, count: int = 200, noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets that follow from them by a linear map (L, H)."""
    draw = np.random.default_rng(seed)
    inputs = draw.standard_normal((count, len(weights)))
    return inputs, inputs @ weights + noise * draw.standard_normal((count, weights.shape[1]))


def grouped(weights: np.ndarray, seed: int, lookback: int | None = None, **settings: float) -> GroupedMoments:
    lookback, moments = lookback or len(weights), Moments.of(*windows(weights, seed=seed, **settings))
    return GroupedMoments(moments, Moments.empty(lookback, weights.shape[1]))


@pytest.mark.parametrize("prior", [LAST_VALUE, RidgePrior(1, 4), RidgePrior(2, 2)])
@pytest.mark.parametrize("penalty", [1e-3, 0.5, 20.0])
def test_solution_is_a_ridge_regression_of_what_the_prior_leaves(prior: RidgePrior, penalty: float) -> None:
    inputs, targets = windows(np.random.default_rng(1).standard_normal((6, 3)), noise=0.5)
    start = prior.weights(6, np.arange(3))
    # ridge regression as least squares with one more row per input
    rows = np.concatenate([inputs, np.sqrt(penalty * len(inputs)) * np.eye(6)])
    rest = np.concatenate([targets - inputs @ start, np.zeros((6, 3))])
    expected = start + np.linalg.lstsq(rows, rest, rcond=None)[0]
    np.testing.assert_allclose(solve_ridge(Moments.of(inputs, targets), start, penalty), expected, atol=1e-10)


def test_infinite_penalty_is_the_prior() -> None:
    start = RidgePrior(1, 4).weights(6, np.arange(3))
    moments = Moments.of(*windows(np.ones((6, 3))))
    assert solve_ridge(moments, start, np.inf) is start
    np.testing.assert_allclose(solve_ridge(moments, start, 1e12), start, atol=1e-9)


def test_singular_moments_give_finite_weights() -> None:
    inputs = np.ones((5, 4)) * np.arange(1.0, 6.0)[:, None]
    weights = solve_ridge(Moments.of(inputs, inputs[:, :2]), np.zeros((4, 2)), 0.0)
    np.testing.assert_allclose(inputs @ weights, inputs[:, :2])


def test_folds_that_contradict_each_other_leave_the_last_value() -> None:
    pattern = np.full((4, 2), 0.5)
    folds = [grouped(sign * pattern, seed) for seed, sign in enumerate((1.0, -1.0, 1.0))]
    candidates = search_ridge(folds, grouped(-pattern, 3), (4,), ())
    best = min(candidates, key=lambda candidate: candidate.loss)
    assert (best.prior, best.penalty) == (LAST_VALUE, np.inf)
    assert best.loss == pytest.approx(1.0)
    assert not average_ridge(folds[0], candidates, 4, 2).any()


def test_pattern_of_all_folds_is_kept() -> None:
    pattern = np.random.default_rng(5).standard_normal((4, 2))
    folds = [grouped(pattern, seed) for seed in range(3)]
    candidates = search_ridge(folds, grouped(pattern, 3), (4, 2, 1), ())
    assert min(candidates, key=lambda candidate: candidate.loss).lookback == 4
    np.testing.assert_allclose(average_ridge(folds[0], candidates, 4, 2), pattern, atol=1e-5)


def test_average_of_lookbacks_is_the_mean_of_their_forecasts() -> None:
    train = grouped(np.random.default_rng(2).standard_normal((6, 2)), 0, noise=1.0)
    priors = RidgePrior(1, 6), RidgePrior(1, 2)
    chosen = [RidgeCandidate(6, priors[0], 0.1, 0.50), RidgeCandidate(2, priors[1], 0.01, 0.51)]
    poor = [RidgeCandidate(6, LAST_VALUE, 0.1, 0.52), RidgeCandidate(3, LAST_VALUE, 0.1, 0.60)]
    inputs, steps = windows(np.zeros((6, 2)), seed=9)[0], np.arange(2)
    forecasts = [
        inputs[:, -c.lookback :] @ solve_ridge(train.newest(c.lookback), c.prior.weights(c.lookback, steps), c.penalty)
        for c in chosen
    ]
    weights = average_ridge(train, [*chosen, *poor], 6, 2)
    np.testing.assert_allclose(inputs @ weights, np.mean(forecasts, axis=0))
    np.testing.assert_allclose(inputs[:, -2:] @ average_ridge(train, [*chosen, *poor], 2, 2), forecasts[1])


def test_windows_with_a_short_history_count_for_short_lookbacks_only() -> None:
    pattern = np.random.default_rng(2).standard_normal((6, 2))
    complete, partial = Moments.of(*windows(pattern)), Moments.of(*windows(pattern[3:], seed=1))
    both = GroupedMoments(complete, partial)
    assert [both.newest(lookback).count for lookback in (6, 4, 3, 1)] == [200, 200, 400, 400]
    np.testing.assert_allclose(both.newest(3).gram, complete.gram[3:, 3:] + partial.gram)


def test_one_fold_is_chosen_by_the_validation_part_alone() -> None:
    pattern = np.full((4, 2), 0.5)
    candidates = search_ridge([grouped(pattern, 0)], grouped(pattern, 1), (4,), ())
    assert min(candidate.loss for candidate in candidates) < 1e-9


def test_without_windows_the_last_value_is_left() -> None:
    empty = GroupedMoments(Moments.empty(4, 2), Moments.empty(4, 2))
    candidates = search_ridge([empty] * 3, empty, (4, 2), (2,))
    assert {candidate.penalty for candidate in candidates} == {np.inf}
    assert np.isfinite(average_ridge(empty, candidates, 4, 2)).all()
