"""Copying over thirty steps: too far for a vanilla RNN (Bengio et al. 1994), near for a cell with gates.

`make bench` (tests/benchmarks/test_copy_k.py) prints the whole table over k.
"""

import pytest

from tests.models.training.copy_k import learn_to_copy

UNTRAINED_LOSS = 0.25  # the variance is 1/3
K = 30
OTHER_SEEDS = [pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2)]


@pytest.mark.parametrize("seed", [0, *OTHER_SEEDS])
def test_vanilla_rnn_that_learns_nothing_has_short_memory(seed: int) -> None:
    loss, memory = learn_to_copy("rnn", K, seed, kept=K)
    assert loss > UNTRAINED_LOSS
    assert memory.effective_recurrence < 15
    assert not memory.carries_a_season


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("seed", [0, *OTHER_SEEDS])
def test_cells_with_chrono_init_copy_and_have_long_memory(cell: str, seed: int) -> None:
    loss, memory = learn_to_copy(cell, K, seed, kept=K)
    assert loss < 0.01
    assert memory.effective_recurrence >= K
    assert memory.carries_a_season


def test_lstm_with_half_open_gates_has_short_memory() -> None:
    loss, memory = learn_to_copy("lstm", K, seed=0, kept=0)
    assert loss > UNTRAINED_LOSS
    assert memory.effective_recurrence < 15


def test_vanilla_rnn_copies_over_five_steps() -> None:
    loss, memory = learn_to_copy("rnn", 5, seed=0, kept=0)
    assert loss < 0.01
    assert memory.effective_recurrence >= 5
