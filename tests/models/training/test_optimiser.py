"""The learning rate of each step: plateau, cosine and constant."""

import itertools
import subprocess
import sys

import pytest
import torch

from models.training.optimiser import EagerAdamW, LearningRateSchedule, cosine_factor


def rates(schedule, steps: int, peak: float = 1.0) -> list[float]:
    rate = LearningRateSchedule(schedule, torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak), steps)
    values = []
    for _ in range(steps):
        values.append(rate.current)
        rate.step()
    return values


def test_cosine_warms_up_for_a_twentieth_of_the_steps_and_falls_to_almost_zero() -> None:
    values = rates("cosine", 40)
    assert values[:3] == [0.5, 1.0, 1.0]
    assert all(later < earlier for earlier, later in itertools.pairwise(values[2:]))
    assert 0 < values[-1] < 0.01
    assert values[21] == pytest.approx(0.5)  # half way down: 19 of 38 steps after the warm-up


@pytest.mark.parametrize("steps", [1, 2, 3, 20, 1000])
def test_cosine_rate_is_never_zero(steps: int) -> None:
    assert all(0 < cosine_factor(step, steps) <= 1 for step in range(steps))


def test_cosine_rate_stays_low_after_the_last_step() -> None:
    assert cosine_factor(45, 40) == cosine_factor(39, 40)


def test_constant_rate_does_not_change() -> None:
    assert rates("constant", 5, peak=0.25) == [0.25] * 5


@pytest.mark.parametrize(("schedule", "expected"), [("plateau", [1.0, 0.4, 0.4, 0.16]), ("constant", [1.0] * 4)])
def test_rate_falls_on_a_plateau_and_stays_after_an_improvement(schedule, expected: list[float]) -> None:
    rate = LearningRateSchedule(schedule, torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), 4)
    values = []
    for loss in (9.0, 9.0, 8.0, 7.9999):
        rate.on_validation(loss)
        values.append(rate.current)
    assert values == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["plateau", "cosine", "constant"])
def test_lowered_rate_stays_lowered(schedule) -> None:
    rate = LearningRateSchedule(schedule, torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), 100)
    unchanged = rates(schedule, 100)
    for _ in range(30):
        rate.step()
    rate.lower(0.1)
    for step in range(30, 100):
        assert rate.current == pytest.approx(0.1 * unchanged[step])
        rate.step()


def weights_after_steps(optimiser: type[torch.optim.Optimizer]) -> torch.Tensor:
    torch.manual_seed(0)
    network = torch.nn.GRU(3, 5)
    steps = optimiser(network.parameters(), lr=0.01, weight_decay=1e-4)  # type: ignore[call-arg]
    for _ in range(5):
        steps.zero_grad(set_to_none=True)
        network(torch.randn(4, 2, 3))[0].square().mean().backward()
        steps.step()
    return torch.cat([weight.detach().reshape(-1) for weight in network.parameters()])


def test_optimiser_gives_the_weights_of_adamw() -> None:
    assert torch.equal(weights_after_steps(EagerAdamW), weights_after_steps(torch.optim.AdamW))


def test_optimiser_does_not_import_the_compiler() -> None:
    script = (
        "import sys, torch; from models.training.optimiser import EagerAdamW; w = torch.nn.Parameter(torch.ones(2)); "
        "o = EagerAdamW([w], lr=0.1); o.zero_grad(); (w ** 2).sum().backward(); o.step(); "
        "print('torch._dynamo' in sys.modules, w.tolist()[0] < 1)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "True"]
