"""A learned cycle is read by the wall clock, subtracted from the lookback and returned for the horizon."""

import torch

from models.networks.cycle import Cycle
from tests.models.networks.test_recurrent import batch_of, shape_of


def counting(length: int) -> Cycle:
    cycle = Cycle(length, (3,))
    with torch.no_grad():
        cycle.shared.copy_(torch.arange(float(length)))
    return cycle


def test_cycle_repeats_with_the_wall_clock() -> None:
    codes = torch.zeros(2, 1, dtype=torch.int64)
    values = counting(4)(torch.tensor([8, 1_000_003]), torch.arange(-2, 3), codes)
    assert values.tolist() == [[2.0, 3.0, 0.0, 1.0, 2.0], [1.0, 2.0, 3.0, 0.0, 1.0]]


def test_cycle_is_subtracted_from_lookback_and_returned_for_horizon() -> None:
    batch = batch_of(shape_of(), count=3)
    batch.past[..., 1] = 1.0
    past, linear, after = counting(4).remove(batch, batch.static)
    clock = torch.arange(3).unsqueeze(1)
    before = ((clock + torch.arange(-11, 1)) % 4).float()
    torch.testing.assert_close(past[..., 0], batch.past[..., 0] - before)
    torch.testing.assert_close(past[..., 1:], batch.past[..., 1:])
    torch.testing.assert_close(linear, batch.linear - before)
    torch.testing.assert_close(after, ((clock + torch.arange(1, 5)) % 4).float())


def test_missing_observations_stay_zero() -> None:
    batch = batch_of(shape_of(), count=3)
    batch.past[..., :2] = 0.0
    assert not counting(4).remove(batch, batch.static).past[..., 0].any()


def test_static_value_adds_its_own_cycle() -> None:
    cycle = counting(2)
    with torch.no_grad():
        cycle.own[0].weight[2] = torch.tensor([10.0, 20.0])
    values = cycle(torch.tensor([0, 0]), torch.tensor([0, 1]), torch.tensor([[1], [2]]))
    assert values.tolist() == [[0.0, 1.0], [10.0, 21.0]]
