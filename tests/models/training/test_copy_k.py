"""Thirty steps: farther than a vanilla RNN learns to remember (Bengio et al. 1994), near for a cell with gates.

The table over k that this is a line of: `make bench`, tests/benchmarks/test_copy_k.py.
"""

import pytest

from tests.models.training.copy_k import learn_to_copy

NOTHING_LEARNED = 0.25  # where the variance is 1/3
K = 30


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_vanilla_rnn_is_flagged_where_it_learned_nothing(seed: int) -> None:
    loss, memory = learn_to_copy("rnn", K, seed, kept=K)
    assert loss > NOTHING_LEARNED
    assert memory.effective_recurrence < 15
    assert not memory.carries_a_season


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("seed", [0, 1])
def test_cells_whose_gates_start_by_keeping_pass(cell: str, seed: int) -> None:
    loss, memory = learn_to_copy(cell, K, seed, kept=K)
    assert loss < 0.01
    assert memory.effective_recurrence >= K
    assert memory.carries_a_season


def test_an_lstm_whose_gates_start_half_open_is_flagged_too() -> None:
    loss, memory = learn_to_copy("lstm", K, seed=0, kept=0)
    assert loss > NOTHING_LEARNED
    assert memory.effective_recurrence < 15


def test_a_vanilla_rnn_passes_where_it_learned_to_copy() -> None:
    loss, memory = learn_to_copy("rnn", 5, seed=0, kept=0)
    assert loss < 0.01
    assert memory.effective_recurrence >= 5
