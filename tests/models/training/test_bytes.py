"""Promise 2 across processes: a seed gives the same weights, byte for byte, also after a killed training."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

# Trains in its own process, in float32 and as `auto` says; given a number of steps, the process kills itself there.
TRAINING = """
import hashlib, os, signal, sys
sys.path[:0] = ["tests/models", "."]
import torch
from conftest import noisy_days, panel_of
from models.data.features import FeatureSpec
from models.training.optimiser import EagerAdamW
from models.training.training_spec import TrainingSpec
from models.training.recipe import Recipe
from models.training.train_network import train_network
from models.networks.architecture import RecurrentSpec
from models.data.windows import WindowSpec, build_window_index
panel = panel_of(noisy_days(), lookback=24, horizon=6, freq="h", features=FeatureSpec())
index = build_window_index(panel, WindowSpec(horizon=6, validation="5d", test="5d"), panel.grid[24 * 40 - 1], origins=5)
dies_at = int(sys.argv[1])
step, taken = EagerAdamW.step, []
def counted_step(*args, **kwargs):
    taken.append(1)
    if len(taken) == dies_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*args, **kwargs)
EagerAdamW.step = counted_step
model = RecurrentSpec(cell="lstm", hidden=8, layers=2, segment=6)
for precision in ("float32", "auto"):
    training = TrainingSpec(max_epochs=3, windows_per_epoch=512, precision=precision, device="cpu")
    recipe = Recipe(model=model, training=training, quantiles=(0.1, 0.5, 0.9), view=panel.view)
    bundle, _ = train_network(panel, index, recipe)
    print(len(taken), hashlib.sha256(bundle.to_bytes()).hexdigest())
"""


def start_training(dies_at: int = 0, **environment: str) -> subprocess.Popen[str]:
    command, environ = [sys.executable, "-c", TRAINING, str(dies_at)], {**os.environ, **environment}
    return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_processes_train_the_same_bytes_also_after_a_kill_within_an_epoch() -> None:
    finished, killed = start_training(PYTHONHASHSEED="1"), start_training(dies_at=6)
    output, errors = finished.communicate(timeout=120)
    assert killed.communicate(timeout=120)[0] == ""
    assert killed.returncode == -signal.SIGKILL
    assert [line.split()[0] for line in output.splitlines()] == ["12", "24"], errors  # twice 3 epochs of 4 steps
    assert len({line.split()[1] for line in output.splitlines()}) == 2  # the settings have the precision as written
    again = start_training(PYTHONHASHSEED="2", OMP_NUM_THREADS="2")
    assert again.communicate(timeout=120)[0] == output
