"""A GRU layer with a backward pass of its own computes the states and gradients of torch.nn.GRU."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from models.networks.gru_layer import gru_states

SIZES = st.integers(1, 5)


def torch_states(x: Tensor, h: Tensor, gru: nn.GRU) -> Tensor:
    """Return the states (T, hidden, b) of torch's own module."""
    states, _ = gru(x.transpose(1, 2), h.t().unsqueeze(0))
    return states.transpose(1, 2)


@settings(max_examples=60)
@given(steps=SIZES, width=SIZES, hidden=SIZES, batch=SIZES, size=st.sampled_from([0.1, 1.0, 30.0]))
def test_states_and_gradients_are_those_of_torch(steps: int, width: int, hidden: int, batch: int, size: float) -> None:
    torch.manual_seed(0)
    gru = nn.GRU(width, hidden).double()
    x = (size * torch.randn(steps, width, batch, dtype=torch.float64)).requires_grad_()
    h = torch.randn(hidden, batch, dtype=torch.float64, requires_grad=True)
    weights = [gru.weight_ih_l0, gru.weight_hh_l0, gru.bias_ih_l0, gru.bias_hh_l0]
    states, expected = gru_states(x, h, weights), torch_states(x, h, gru)
    torch.testing.assert_close(states, expected, rtol=0.0, atol=1e-12)
    direction = torch.randn_like(expected)
    inputs = [x, h, *weights]
    gradients = torch.autograd.grad((states * direction).sum(), inputs)
    references = torch.autograd.grad((expected * direction).sum(), inputs)
    for gradient, reference in zip(gradients, references, strict=True):
        torch.testing.assert_close(gradient, reference, rtol=1e-9, atol=1e-11)


def test_one_step_from_a_known_state() -> None:
    one, zero = torch.ones(3, 1), torch.zeros(3)
    states = gru_states(torch.zeros(1, 1, 1), torch.tensor([[0.5]]), [one, one, zero, zero])
    # r = z = sigmoid(.5) = .622459, n = tanh(.622459 * .5) = .301557, h = n + z (.5 - n)
    torch.testing.assert_close(states, torch.tensor([[[0.425081]]]))


def test_states_are_float32_under_autocast() -> None:
    gru = nn.GRU(3, 4)
    x, h = torch.randn(20, 3, 5), torch.zeros(4, 5)
    weights = [gru.weight_ih_l0, gru.weight_hh_l0, gru.bias_ih_l0, gru.bias_hh_l0]
    with torch.autocast("cpu", torch.bfloat16):
        states = gru_states(x.bfloat16(), h, weights)
    torch.testing.assert_close(states, gru_states(x.bfloat16().float(), h, weights), rtol=0.0, atol=0.0)
    states.sum().backward()
    assert gru.weight_hh_l0.grad is not None
    assert gru.weight_hh_l0.grad.dtype == torch.float32


@pytest.mark.parametrize("width", [3, 64])
def test_products_of_many_units_are_rounded_under_autocast(width: int) -> None:
    torch.manual_seed(0)
    gru = nn.GRU(width, 64)
    x, h = torch.randn(20, width, 8), torch.randn(64, 8)
    weights = [gru.weight_ih_l0, gru.weight_hh_l0, gru.bias_ih_l0, gru.bias_hh_l0]
    direction, results = torch.randn(20, 64, 8), {}
    for name, is_rounded in (("float32", False), ("bfloat16", True)):
        inputs = [x.clone().requires_grad_(), h.clone().requires_grad_(), *weights]
        with torch.autocast("cpu", torch.bfloat16, enabled=is_rounded):
            states = gru_states(inputs[0], inputs[1], weights)
        results[name] = [states.detach(), *torch.autograd.grad((states * direction).sum(), inputs)]
    for rounded, exact in zip(results["bfloat16"], results["float32"], strict=True):
        assert rounded.dtype == torch.float32
        assert 0 < float((rounded - exact).norm() / exact.norm()) < 0.01


def test_huge_inputs_give_finite_states_and_gradients() -> None:
    gru = nn.GRU(1, 2)
    x = torch.tensor([1e30, -1e30, 0.0]).reshape(3, 1, 1).requires_grad_()
    states = gru_states(x, torch.zeros(2, 1), [gru.weight_ih_l0, gru.weight_hh_l0, gru.bias_ih_l0, gru.bias_hh_l0])
    states.sum().backward()
    assert torch.isfinite(states).all()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_a_second_backward_pass_gives_the_same_gradients() -> None:
    gru = nn.GRU(1, 2)
    weights = [gru.weight_ih_l0, gru.weight_hh_l0, gru.bias_ih_l0, gru.bias_hh_l0]
    states = gru_states(torch.randn(3, 1, 4), torch.zeros(2, 4), weights)
    first = torch.autograd.grad(states.sum(), weights, retain_graph=True)
    for gradient, again in zip(first, torch.autograd.grad(states.sum(), weights), strict=True):
        torch.testing.assert_close(again, gradient, rtol=0.0, atol=0.0)
