"""Quantiles that can't cross, and the loss that teaches them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.batches import Batch
from models.heads import Quantiles, pinball_loss


def _batch(target: torch.Tensor, location: float = 0.0, scale: float = 1.0) -> Batch:
    """Windows of which a head sees only the target and what it was divided by."""
    count = len(target)
    nothing, one = torch.zeros(count, 0), torch.ones(count, 1, dtype=torch.float64)
    return Batch(
        past=nothing,
        future=nothing,
        static=nothing,
        level=nothing,
        linear=nothing,
        target=target,
        location=location * one,
        scale=scale * one,
        clock=torch.zeros(count, dtype=torch.int64),
        loudness=torch.ones(count, 1),
    )


@settings(max_examples=50, deadline=None)
@given(
    levels=st.sets(st.sampled_from([0.01, 0.1, 0.3, 0.7, 0.9, 0.99])),
    seed=st.integers(0, 2**31),
    size=st.floats(0, 1e4),
)
def test_quantiles_never_cross(levels: set[float], seed: int, size: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    ordered = tuple(sorted({*levels, 0.5}))
    raw = size * torch.randn(5, 3, len(ordered), generator=generator)
    found = Quantiles(ordered)(raw, raw[..., 0], _batch(raw[..., 0]))
    assert found.shape == (5, 3, len(ordered))
    assert (found.diff(dim=-1) >= 0).all()


def test_the_loss_is_that_of_the_definition() -> None:
    levels = torch.tensor([0.1, 0.9])
    loss = pinball_loss(torch.tensor([[[8.0, 8.0]]]), torch.tensor([[10.0]]), levels, torch.ones(1, 1))
    assert loss.item() == pytest.approx((0.2 + 1.8) / 2)


def test_a_missing_target_neither_counts_nor_poisons() -> None:
    levels = torch.tensor([0.5])
    forecast = torch.tensor([[[1.0], [5.0]]], requires_grad=True)
    loss = pinball_loss(forecast, torch.tensor([[3.0, float("nan")]]), levels, torch.ones(1, 1))
    loss.backward()
    assert loss.item() == 1.0
    assert forecast.grad is not None
    assert forecast.grad.flatten().tolist() == [-0.5, 0.0]


def test_nothing_but_missing_targets_is_no_loss() -> None:
    nothing = torch.tensor([[float("nan")]])
    assert pinball_loss(torch.zeros(1, 1, 1), nothing, torch.tensor([0.5]), torch.ones(1, 1)).item() == 0.0
