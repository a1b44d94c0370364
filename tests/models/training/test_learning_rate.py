"""The learning rate of every step."""

import itertools

import pytest
import torch

from models.training.learning_rate import LearningRateSchedule, cosine_factor


def rates(schedule, steps: int, peak: float = 1.0) -> list[float]:
    rate = LearningRateSchedule(schedule, torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak), steps)
    found = []
    for _ in range(steps):
        found.append(rate.current)
        rate.step()
    return found


def test_cosine_climbs_for_a_twentieth_of_the_steps_and_then_falls_to_almost_nothing() -> None:
    found = rates("cosine", 40)
    assert found[:3] == [0.5, 1.0, 1.0]
    assert all(later < earlier for earlier, later in itertools.pairwise(found[2:]))
    assert 0 < found[-1] < 0.01
    assert found[21] == pytest.approx(0.5)  # half way down: 19 of 38 steps after the warm-up


@pytest.mark.parametrize("steps", [1, 2, 3, 20, 1000])
def test_every_step_teaches_however_few_there_are(steps: int) -> None:
    assert all(0 < cosine_factor(step, steps) <= 1 for step in range(steps))


def test_a_step_more_than_was_promised_does_not_climb_again() -> None:
    assert cosine_factor(45, 40) == cosine_factor(39, 40)


def test_constant_is_constant() -> None:
    assert rates("constant", 5, peak=0.25) == [0.25] * 5


@pytest.mark.parametrize(("schedule", "expected"), [("plateau", [1.0, 0.4, 0.4, 0.16]), ("constant", [1.0] * 4)])
def test_a_plateau_lowers_the_rate_and_an_improvement_does_not(schedule, expected: list[float]) -> None:
    rate = LearningRateSchedule(schedule, torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), 4)
    found = []
    for loss in (9.0, 9.0, 8.0, 7.9999):
        rate.on_validation(loss)
        found.append(rate.current)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["plateau", "cosine", "constant"])
def test_a_lowered_rate_stays_lowered(schedule) -> None:
    rate = LearningRateSchedule(schedule, torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), 100)
    undisturbed = rates(schedule, 100)
    for _ in range(30):
        rate.step()
    rate.lower(0.1)
    for step in range(30, 100):
        assert rate.current == pytest.approx(0.1 * undisturbed[step])
        rate.step()
