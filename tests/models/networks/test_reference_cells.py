"""States and gradients of the encoder agree with the equations of the cells, for any layers and directions."""

import itertools

import pytest
import torch

from models.networks.architecture import NetworkShape, RecurrentSpec
from models.networks.recurrent import RecurrentNetwork
from tests.models.networks import reference_cells

KINDS = list(itertools.product(("rnn", "lstm", "gru"), (1, 2, 3), (False, True), (9, 18)))
TOLERANCE = {"rtol": 0.0, "atol": 1e-12}


@pytest.mark.parametrize(("cell", "layers", "both", "lookback"), KINDS)
def test_states_and_gradients_agree_with_the_equations(cell: str, layers: int, both: bool, lookback: int) -> None:
    torch.manual_seed(layers)
    shape = NetworkShape(lookback=lookback, horizon=2, past=4, future=0, statics=(), quantiles=(0.5,), season=3)
    model = RecurrentNetwork(
        RecurrentSpec(cell=cell, hidden=5, layers=layers, bidirectional=both, dropout=0.0), shape
    ).double()
    past = torch.randn(3, lookback, 4, dtype=torch.float64, requires_grad=True)
    weights = dict(model.encoder.named_parameters())

    readings = reference_cells.encode(cell, past, weights, layers, both)
    top = [reading.states for layer, reading in readings.items() if layer.startswith(f"l{layers - 1}")]
    expected, states = torch.cat(top, dim=-1), model.encode(past)
    torch.testing.assert_close(states, expected, **TOLERANCE)

    direction = torch.randn_like(expected)
    inputs = [past, *weights.values()]
    gradients = torch.autograd.grad((states * direction).sum(), inputs)
    references = torch.autograd.grad((expected * direction).sum(), inputs)
    for gradient, reference in zip(gradients, references, strict=True):
        assert reference.any()
        torch.testing.assert_close(gradient, reference, **TOLERANCE)
