"""Gates computed anew are those of the equations; a start that keeps is a start that keeps for as long as it says."""

import itertools

import pytest
import torch

from models.diagnostics.gate_activations import gate_activations
from models.networks.gates import GATES, chrono_init_
from models.networks.recurrent import CELLS
from tests.models.networks import reference_cells

KINDS = list(itertools.product(CELLS, (1, 3), (False, True)))


@pytest.mark.parametrize(("cell", "layers", "both"), KINDS)
def test_every_gate_is_open_as_far_as_the_equations_say(cell: str, layers: int, both: bool) -> None:
    torch.manual_seed(0)
    encoder = CELLS[cell](2, 3, layers, batch_first=True, bidirectional=both).double()
    entered = torch.randn(4, 6, 2, dtype=torch.float64)
    readings = reference_cells.encode(cell, entered, dict(encoder.named_parameters()), layers, both)
    expected = {(place, gate): values for place, one in readings.items() for gate, values in one.gates.items()}
    ending = {"forward": "", "backward": "_reverse"}
    found = {(f"l{o.layer}{ending[o.direction]}", o.gate): o.values for o in gate_activations(encoder, entered)}
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        torch.testing.assert_close(found[key], values, rtol=0.0, atol=1e-12, msg=str(key))


@pytest.mark.parametrize(("cell", "gate"), [("lstm", "forget"), ("gru", "update")])
def test_units_start_by_keeping_for_one_to_so_many_steps(cell: str, gate: str) -> None:
    encoder = CELLS[cell](2, 3, 2, batch_first=True, bidirectional=True)
    for name, weight in encoder.named_parameters():
        if name.startswith("weight"):
            torch.nn.init.zeros_(weight)
    chrono_init_(encoder, 10)
    found = [o.values[0, 0] for o in gate_activations(encoder, torch.randn(1, 1, 2)) if o.gate == gate]
    assert len(found) == 4
    for values in found:
        torch.testing.assert_close(values, torch.tensor([1 / 2, 5 / 6, 9 / 10]))  # by n / (n + 1): 1, 5 and 9 steps


def test_an_lstm_starts_by_writing_as_little_as_it_forgets() -> None:
    encoder = CELLS["lstm"](2, 3, batch_first=True)
    torch.nn.init.zeros_(encoder.weight_ih_l0)
    chrono_init_(encoder, 10)
    found = {o.gate: o.values[0, 0] for o in gate_activations(encoder, torch.randn(1, 1, 2))}
    torch.testing.assert_close(found["input"], 1 - found["forget"])


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_season_of_hardly_any_steps_leaves_the_gates_half_open(steps: int) -> None:
    encoder = CELLS["gru"](2, 3, batch_first=True)
    torch.nn.init.zeros_(encoder.weight_ih_l0)
    chrono_init_(encoder, steps)
    (update,) = (o.values for o in gate_activations(encoder, torch.randn(1, 1, 2)) if o.gate == "update")
    assert update.tolist() == [[[0.5, 0.5, 0.5]]]


def test_a_vanilla_rnn_has_nothing_to_keep_with() -> None:
    encoder = CELLS["rnn"](2, 3, batch_first=True)
    before = {name: weight.clone() for name, weight in encoder.named_parameters()}
    chrono_init_(encoder, 10)
    assert GATES[type(encoder)] == ("new",)
    assert all(torch.equal(weight, before[name]) for name, weight in encoder.named_parameters())
