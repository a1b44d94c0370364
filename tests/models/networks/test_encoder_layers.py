"""Layer by layer, an encoder computes what torch's module computes; dropout is between layers alone."""

import itertools

import pytest
import torch

from models.networks.decoders import CELLS
from models.networks.encoder_layers import MIN_STEPS, is_faster_by_layers, run_layers

KINDS = list(itertools.product(CELLS, (1, 2, 3), (False, True), (False, True)))


@pytest.mark.parametrize(("cell", "layers", "both", "continued"), KINDS)
def test_states_and_gradients_are_those_of_the_module(cell: str, layers: int, both: bool, continued: bool) -> None:
    torch.manual_seed(0)
    encoder = CELLS[cell](3, 5, layers, batch_first=True, bidirectional=both).double()
    inputs = torch.randn(4, 20, 3, dtype=torch.float64, requires_grad=True)
    parts = 2 if cell == "lstm" else 1
    state = [torch.randn(layers * (1 + both), 4, 5, dtype=torch.float64) for _ in range(parts)] if continued else []
    states, last = run_layers(encoder, inputs, tuple(state))
    expected, after = encoder(inputs, (tuple(state) if cell == "lstm" else state[0]) if continued else None)
    torch.testing.assert_close(states, expected, rtol=0.0, atol=1e-12)
    torch.testing.assert_close(last, after if cell == "lstm" else (after,), rtol=0.0, atol=1e-12)
    sources = [inputs, *encoder.parameters()]
    gradients, references = (
        torch.autograd.grad(sum((values.sin().sum() for values in (of, *ends)), torch.tensor(0.0)), sources)
        for of, ends in ((states, last), (expected, after if cell == "lstm" else (after,)))
    )
    for gradient, reference in zip(gradients, references, strict=True):
        torch.testing.assert_close(gradient, reference, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("cell", "layers", "faster"), [("gru", 1, True), ("lstm", 1, False), ("lstm", 2, True)])
def test_long_sequences_in_training_are_run_layer_by_layer(cell: str, layers: int, faster: bool) -> None:
    encoder = CELLS[cell](3, 5, layers, batch_first=True, dropout=0.1 if layers > 1 else 0.0)
    long, short = torch.zeros(2, MIN_STEPS, 3), torch.zeros(2, MIN_STEPS - 1, 3)
    assert is_faster_by_layers(encoder, long) is faster
    assert not is_faster_by_layers(encoder, short)
    assert not is_faster_by_layers(encoder, long.to("meta"))
    assert not is_faster_by_layers(encoder.eval(), long)


def test_layers_are_run_with_dropout_between_them_alone() -> None:
    torch.manual_seed(0)
    encoder = CELLS["lstm"](3, 5, 2, batch_first=True, dropout=0.5)
    inputs = torch.randn(64, 20, 3)
    one, other = run_layers(encoder, inputs), run_layers(encoder, inputs)
    assert not torch.equal(one[0], other[0])
    torch.testing.assert_close(one[1][0][0], other[1][0][0])  # the last state of the first layer
    assert one[0].all()  # the states of the last layer have no zeros
