"""Figures, never assertions: how many steps each cell learns to remember, and what its diagnosis says of it.

`keeps` starts the gates so that they keep for up to k steps; `torch` starts them half open.
"""

import pytest

from tests.models.training.copy_k import learn_to_copy

pytestmark = pytest.mark.benchmark

STARTS = (("rnn", False), ("lstm", False), ("lstm", True), ("gru", False), ("gru", True))
SEEDS = range(3)


def test_copying_the_value_of_k_steps_ago(capsys):
    with capsys.disabled():
        head = f"   k cell  start  {'loss by seed, 1/3 is nothing learned':22s} effective memory"
        print(f"\n{head}")
        for k in (5, 10, 20, 30, 50, 100):
            for cell, keeps in STARTS:
                found = [learn_to_copy(cell, k, seed, kept=k if keeps else 0) for seed in SEEDS]
                losses = " ".join(f"{one.loss:.4f}" for one in found)
                reach = " ".join(f"{one.memory.effective_recurrence:3d}" for one in found)
                start = "keeps" if keeps else "torch"
                print(f"{k:4d} {cell:5s} {start:6s} {losses:22s} {reach}")
