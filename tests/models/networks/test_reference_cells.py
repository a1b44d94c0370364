"""The network's encoder is what the equations say, forward and backward, however it is stacked and directed."""

import itertools

import pytest
import torch

from models.networks.recurrent import Recurrent, RecurrentSpec, Shape
from tests.models.networks import reference_cells

KINDS = list(itertools.product(("rnn", "lstm", "gru"), (1, 2, 3), (False, True)))
NEAR = {"rtol": 0.0, "atol": 1e-12}


@pytest.mark.parametrize(("cell", "layers", "both"), KINDS)
def test_states_and_every_gradient_agree_with_the_equations(cell: str, layers: int, both: bool) -> None:
    torch.manual_seed(layers)
    shape = Shape(lookback=9, horizon=2, past=4, future=0, statics=(), quantiles=(0.5,), season=3)
    model = Recurrent(
        RecurrentSpec(cell=cell, hidden=5, layers=layers, bidirectional=both, dropout=0.0), shape
    ).double()
    past = torch.randn(3, 9, 4, dtype=torch.float64, requires_grad=True)
    weights = dict(model.encoder.named_parameters())

    readings = reference_cells.encode(cell, past, weights, layers, both)
    top = [readings[place].states for place in readings if place.startswith(f"l{layers - 1}")]
    expected, states = torch.cat(top, dim=-1), model.encode(past)
    torch.testing.assert_close(states, expected, **NEAR)

    direction = torch.randn_like(expected)
    asked = [past, *weights.values()]
    ours = torch.autograd.grad((states * direction).sum(), asked)
    theirs = torch.autograd.grad((expected * direction).sum(), asked)
    for found, reference in zip(ours, theirs, strict=True):
        assert reference.any()
        torch.testing.assert_close(found, reference, **NEAR)
