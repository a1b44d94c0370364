"""Moments of windows: the losses that follow from them are those of the windows."""

import numpy as np

from models.baselines.moments import Moments


def windows(count: int = 50, lookback: int = 6, horizon: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.standard_normal((count, lookback)), draw.standard_normal((count, horizon))


def test_moments_of_two_windows() -> None:
    moments = Moments.of(np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[1.0], [2.0]]))
    assert moments.gram.tolist() == [[10.0, 2.0], [2.0, 4.0]]
    assert moments.cross.tolist() == [[7.0], [2.0]]
    assert (moments.squares.tolist(), moments.count) == ([5.0], 2)


def test_losses_are_mean_squared_errors_of_each_map() -> None:
    inputs, targets = windows()
    maps = np.random.default_rng(1).standard_normal((4, 6, 3))
    expected = [np.square(targets - inputs @ weights).mean() for weights in maps]
    np.testing.assert_allclose(Moments.of(inputs, targets).losses(maps), expected)


def test_newest_steps_and_chosen_steps_are_those_of_the_shorter_windows() -> None:
    inputs, targets = windows()
    cut, direct = (
        Moments.of(inputs, targets).newest(2).at_steps(np.array([0, 2])),
        Moments.of(inputs[:, -2:], targets[:, [0, 2]]),
    )
    np.testing.assert_allclose(cut.gram, direct.gram)
    np.testing.assert_allclose(cut.cross, direct.cross)
    np.testing.assert_allclose(cut.squares, direct.squares)


def test_sums_and_differences_are_those_of_the_sets_of_windows() -> None:
    inputs, targets = windows()
    first, second = Moments.of(inputs[:20], targets[:20]), Moments.of(inputs[20:], targets[20:])
    both = Moments.of(inputs, targets)
    np.testing.assert_allclose((first + second).gram, both.gram)
    np.testing.assert_allclose((both - first).cross, second.cross)
    assert ((first + second).count, (both - first).count) == (50, 30)
    assert (Moments.empty(6, 3) + both).squares.tolist() == both.squares.tolist()
