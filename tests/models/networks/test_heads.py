"""Quantiles never cross; losses and quantiles of each head agree with their definition and with scipy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.data.batches import Batch
from models.networks.architecture import HeadName
from models.networks.heads import QuantileHead, build_head, pinball_loss


def _batch(target: torch.Tensor, location: float = 0.0, scale: float = 1.0) -> Batch:
    """Windows with a target, a location and a scale; a head reads nothing else."""
    count = len(target)
    empty, ones = torch.zeros(count, 0), torch.ones(count, 1, dtype=torch.float64)
    return Batch(
        past=empty,
        future=empty,
        static=empty,
        level=empty,
        linear=empty,
        target=target,
        location=location * ones,
        scale=scale * ones,
        clock=torch.zeros(count, dtype=torch.int64),
        error_weights=torch.ones(count, 1),
    )


@settings(max_examples=50)
@given(
    levels=st.sets(st.sampled_from([0.01, 0.1, 0.3, 0.7, 0.9, 0.99])),
    seed=st.integers(0, 2**31),
    size=st.floats(0, 1e4),
)
def test_quantiles_never_cross(levels: set[float], seed: int, size: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    ordered = tuple(sorted({*levels, 0.5}))
    raw = size * torch.randn(5, 3, len(ordered), generator=generator)
    quantiles = QuantileHead(ordered)(raw, raw[..., 0], _batch(raw[..., 0]))
    assert quantiles.shape == (5, 3, len(ordered))
    assert (quantiles.diff(dim=-1) >= 0).all()


def test_pinball_loss_agrees_with_its_definition() -> None:
    levels = torch.tensor([0.1, 0.9])
    loss = pinball_loss(torch.tensor([[[8.0, 8.0]]]), torch.tensor([[10.0]]), levels, torch.ones(1, 1))
    assert loss.item() == pytest.approx((0.2 + 1.8) / 2)


def test_missing_target_adds_no_loss_and_no_gradient() -> None:
    levels = torch.tensor([0.5])
    forecast = torch.tensor([[[1.0], [5.0]]], requires_grad=True)
    loss = pinball_loss(forecast, torch.tensor([[3.0, float("nan")]]), levels, torch.ones(1, 1))
    loss.backward()
    assert loss.item() == 1.0
    assert forecast.grad is not None
    assert forecast.grad.flatten().tolist() == [-0.5, 0.0]


def test_loss_is_zero_without_observed_targets() -> None:
    missing = torch.tensor([[float("nan")]])
    assert pinball_loss(torch.zeros(1, 1, 1), missing, torch.tensor([0.5]), torch.ones(1, 1)).item() == 0.0


TARGET = torch.tensor([[3.0, float("nan")], [0.0, 7.0]])


@pytest.mark.parametrize(("name", "loss"), [("mae", (2 + 1 + 6) / 3), ("mse", (4 + 1 + 36) / 3), ("huber", 2.5)])
def test_point_head_has_the_loss_of_its_name(name: HeadName, loss: float) -> None:
    head, base = build_head(name, (0.1, 0.5)), torch.ones(2, 2)
    params = head(torch.zeros(2, 2, 1), base, _batch(TARGET))
    assert head.loss(params, _batch(TARGET)).item() == pytest.approx(loss)
    assert head.point(params, _batch(TARGET)).tolist() == base.tolist()
    assert head.quantiles(params, _batch(TARGET)).tolist() == [[[1.0, 1.0]] * 2] * 2


def test_student_t_agrees_with_scipy() -> None:
    head, raw = build_head("student_t", (0.05, 0.5, 0.95)), torch.randn(2, 2, 3)
    params = head(raw, torch.ones(2, 2), _batch(TARGET))
    location, scale, freedom = params.double().numpy().transpose(2, 0, 1)
    assert (freedom > 2).all()
    known = np.isfinite(TARGET.numpy())
    log_likelihood = stats.t.logpdf(TARGET.numpy()[known], freedom[known], location[known], scale[known])
    assert head.loss(params, _batch(TARGET)).item() == pytest.approx(-log_likelihood.mean(), rel=1e-5)
    expected = [stats.t.ppf(level, freedom, location, scale) for level in (0.05, 0.5, 0.95)]
    np.testing.assert_allclose(head.quantiles(params, _batch(TARGET)), np.stack(expected, axis=-1), rtol=1e-5)


def test_negative_binomial_agrees_with_scipy() -> None:
    counts = torch.tensor([[3.0, float("nan")], [0.0, 7.0]])
    batch = _batch((counts - 2.0) / 4.0, location=2.0, scale=4.0)
    head, raw = build_head("negative_binomial", (0.05, 0.5, 0.95)), torch.randn(2, 2, 2)
    params = head(raw, torch.zeros(2, 2), batch)
    mean, dispersion = params.double().numpy().transpose(2, 0, 1)
    known, n = np.isfinite(counts.numpy()), 1 / dispersion
    log_likelihood = stats.nbinom.logpmf(counts.numpy()[known], n[known], (n / (n + mean))[known])
    assert head.loss(params, batch).item() == pytest.approx(-log_likelihood.mean(), rel=1e-4)
    quantiles = head.quantiles(params, batch).numpy() * 4.0 + 2.0
    expected = [stats.nbinom.ppf(level, n, n / (n + mean)) for level in (0.05, 0.5, 0.95)]
    np.testing.assert_allclose(quantiles, np.stack(expected, axis=-1), atol=1e-9)
    np.testing.assert_allclose(head.point(params, batch) * 4.0 + 2.0, mean, rtol=1e-5)
