"""Readouts turn the states of the encoder into one context; the last state is the hidden state that torch returns."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.networks.readouts import AttentionReadout, LastStateReadout
from models.networks.recurrent import CELLS

KINDS = list(itertools.product(CELLS, (1, 2), (False, True)))


def test_each_direction_is_read_at_its_last_step() -> None:
    states = torch.arange(12.0).reshape(1, 3, 4)
    assert LastStateReadout(4, bidirectional=True)(states).tolist() == [[8.0, 9.0, 2.0, 3.0]]
    assert LastStateReadout(4, bidirectional=False)(states).tolist() == [[8.0, 9.0, 10.0, 11.0]]


@pytest.mark.parametrize(("cell", "layers", "both"), KINDS)
def test_last_state_is_the_hidden_state_that_torch_returns(cell: str, layers: int, both: bool) -> None:
    encoder = CELLS[cell](3, 5, layers, batch_first=True, bidirectional=both)
    states, last = encoder(torch.randn(4, 7, 3))
    hidden = last[0] if cell == "lstm" else last
    expected = torch.cat([hidden[-2], hidden[-1]], dim=-1) if both else hidden[-1]
    torch.testing.assert_close(LastStateReadout(5 * (1 + both), both)(states), expected)


@settings(max_examples=30)
@given(steps=st.integers(1, 12), both=st.booleans(), size=st.floats(0, 1e6))
def test_attention_weights_sum_to_one(steps: int, both: bool, size: float) -> None:
    weights = AttentionReadout(4, both).weights(size * torch.randn(5, steps, 4))
    assert weights.shape == (5, steps)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(5))


def test_attention_can_select_a_single_step() -> None:
    readout = AttentionReadout(2, bidirectional=False)
    with torch.no_grad():
        for layer in (readout.key, readout.query, readout.energy):
            layer.weight.zero_()
        readout.key.bias.zero_()
        readout.key.weight[0, 0] = 1.0
        readout.energy.weight[0, 0] = 100.0
    states = torch.tensor([[[0.0, 1.0], [5.0, 2.0], [0.0, 3.0]]])
    torch.testing.assert_close(readout.weights(states), torch.tensor([[0.0, 1.0, 0.0]]))
