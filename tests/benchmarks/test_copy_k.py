"""Prints figures, asserts nothing: over how many steps each cell learns to copy a value, and its effective memory.

`keeps` starts the gates so that they keep for up to k steps (chrono_init_); `torch` starts them half open.
"""

import pytest

from tests.models.training.copy_k import learn_to_copy

pytestmark = pytest.mark.benchmark

STARTS = (("rnn", False), ("lstm", False), ("lstm", True), ("gru", False), ("gru", True))
SEEDS = range(3)


def test_copy_task_over_k_steps(capsys):
    with capsys.disabled():
        head = f"   k cell  start  {'loss by seed, 1/3: nothing learned':22s} effective memory"
        print(f"\n{head}")
        for k in (5, 10, 20, 30, 50, 100):
            for cell, keeps in STARTS:
                results = [learn_to_copy(cell, k, seed, kept=k if keeps else 0) for seed in SEEDS]
                losses = " ".join(f"{result.loss:.4f}" for result in results)
                memory = " ".join(f"{result.memory.effective_recurrence:3d}" for result in results)
                start = "keeps" if keeps else "torch"
                print(f"{k:4d} {cell:5s} {start:6s} {losses:22s} {memory}")
