"""Masks that are drawn in bulk drop the share that was asked for, independently, and keep the expectation."""

import pytest
import torch

from models.networks.dropout import Dropout, drop


def test_values_are_dropped_in_training_alone() -> None:
    torch.manual_seed(0)
    dropout, ones = Dropout(0.5), torch.ones(1000)
    assert 400 < (dropout(ones) == 0).sum() < 600
    assert torch.equal(dropout.eval()(ones), ones)
    assert dropout.train()(ones.to("meta")).shape == (1000,)


def test_gradients_pass_where_values_are_kept() -> None:
    values = torch.ones(1000, requires_grad=True)
    kept = drop(values, 0.2)
    kept.sum().backward()
    assert torch.equal(values.grad, kept.detach())


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropped_share_is_the_rate_and_the_rest_is_scaled(rate: float) -> None:
    torch.manual_seed(0)
    kept = drop(torch.ones(1000, 1000), rate)
    assert torch.mean((kept == 0).float()).item() == pytest.approx(rate, abs=0.002)
    torch.testing.assert_close(kept[kept > 0].unique(), torch.tensor([1 / (1 - rate)]), rtol=1e-4, atol=0.0)
    assert kept.mean().item() == pytest.approx(1.0, abs=0.01)


def test_values_keep_their_layout() -> None:
    values = torch.arange(1.0, 2401.0).view(10, 20, 12).permute(2, 0, 1)
    torch.manual_seed(0)
    kept = drop(values, 0.5)
    assert kept.stride() == values.stride()
    torch.testing.assert_close(kept[kept > 0], 2 * values[kept > 0])
    torch.manual_seed(0)
    assert torch.equal(kept, drop(values.permute(1, 2, 0), 0.5).permute(2, 0, 1))  # as it lies in memory


def test_dropout_is_independent_of_neighbours_and_repeats_with_a_seed() -> None:
    torch.manual_seed(5)
    first = drop(torch.ones(400, 1000), 0.5)
    torch.manual_seed(5)
    assert torch.equal(first, drop(torch.ones(400, 1000), 0.5))
    zeros = (first == 0).float() - 0.5
    for shift in (1, 2, 3, 4):
        assert abs((zeros[:, shift:] * zeros[:, :-shift]).mean().item()) < 0.002


@pytest.mark.parametrize("shape", [(1,), (3, 7), (2, 3, 5), (0, 4)])
def test_any_shape_is_kept(shape: tuple[int, ...]) -> None:
    assert drop(torch.ones(shape), 0.3).shape == shape


def test_extreme_rates_keep_values_finite() -> None:
    assert torch.equal(drop(torch.ones(50), 0.0), torch.ones(50))
    assert torch.isfinite(drop(torch.ones(50), 0.9999999)).all()
