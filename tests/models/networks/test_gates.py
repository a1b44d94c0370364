"""Gates agree with the equations of the cells; gate biases start so that states are kept for as long as asked."""

import itertools

import pytest
import torch

from models.diagnostics.gate_activations import gate_activations
from models.networks.gates import GATES, chrono_init_
from models.networks.recurrent import CELLS
from tests.models.networks import reference_cells

KINDS = list(itertools.product(CELLS, (1, 3), (False, True)))


@pytest.mark.parametrize(("cell", "layers", "both"), KINDS)
def test_gates_agree_with_the_equations(cell: str, layers: int, both: bool) -> None:
    torch.manual_seed(0)
    encoder = CELLS[cell](2, 3, layers, batch_first=True, bidirectional=both).double()
    inputs = torch.randn(4, 6, 2, dtype=torch.float64)
    readings = reference_cells.encode(cell, inputs, dict(encoder.named_parameters()), layers, both)
    expected = {(layer, gate): values for layer, reading in readings.items() for gate, values in reading.gates.items()}
    suffixes = {"forward": "", "backward": "_reverse"}
    gates = {
        (f"l{activation.layer}{suffixes[activation.direction]}", activation.gate): activation.values
        for activation in gate_activations(encoder, inputs)
    }
    assert gates.keys() == expected.keys()
    for key, values in expected.items():
        torch.testing.assert_close(gates[key], values, rtol=0.0, atol=1e-12, msg=str(key))


@pytest.mark.parametrize(("cell", "gate"), [("lstm", "forget"), ("gru", "update")])
def test_units_start_by_keeping_their_state_for_one_to_n_steps(cell: str, gate: str) -> None:
    encoder = CELLS[cell](2, 3, 2, batch_first=True, bidirectional=True)
    for name, weight in encoder.named_parameters():
        if name.startswith("weight"):
            torch.nn.init.zeros_(weight)
    chrono_init_(encoder, 10)
    gates = [
        activation.values[0, 0]
        for activation in gate_activations(encoder, torch.randn(1, 1, 2))
        if activation.gate == gate
    ]
    assert len(gates) == 4
    for values in gates:
        torch.testing.assert_close(values, torch.tensor([1 / 2, 5 / 6, 9 / 10]))  # by n / (n + 1): 1, 5 and 9 steps


def test_input_gate_of_lstm_starts_as_complement_of_forget_gate() -> None:
    encoder = CELLS["lstm"](2, 3, batch_first=True)
    torch.nn.init.zeros_(encoder.weight_ih_l0)
    chrono_init_(encoder, 10)
    gates = {activation.gate: activation.values[0, 0] for activation in gate_activations(encoder, torch.randn(1, 1, 2))}
    torch.testing.assert_close(gates["input"], 1 - gates["forget"])


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_gates_start_half_open_for_fewer_than_three_steps(steps: int) -> None:
    encoder = CELLS["gru"](2, 3, batch_first=True)
    torch.nn.init.zeros_(encoder.weight_ih_l0)
    chrono_init_(encoder, steps)
    activations = gate_activations(encoder, torch.randn(1, 1, 2))
    (update,) = (activation.values for activation in activations if activation.gate == "update")
    assert update.tolist() == [[[0.5, 0.5, 0.5]]]


def test_chrono_init_leaves_vanilla_rnn_unchanged() -> None:
    encoder = CELLS["rnn"](2, 3, batch_first=True)
    before = {name: weight.clone() for name, weight in encoder.named_parameters()}
    chrono_init_(encoder, 10)
    assert GATES[type(encoder)] == ("new",)
    assert all(torch.equal(weight, before[name]) for name, weight in encoder.named_parameters())
