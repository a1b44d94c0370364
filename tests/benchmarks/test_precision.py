"""Prints figures, asserts nothing: what bfloat16 gains in speed and costs in accuracy on this machine.

Speed: steps of the two precisions alternate in one run. Accuracy: both use the same seeds; the share is the mean of the
paired ratios of validation losses, both computed in float32. If the gain is not worth its cost, or the machine does not
multiply bfloat16 in hardware, leave `training.precision` as it is.
"""

import statistics
import time

import pytest
import torch

from models.data.batches import Batch
from models.data.panel import Panel
from models.devices import fixed_threads
from models.networks.architecture import NetworkShape, RecurrentSpec
from models.networks.recurrent import RecurrentNetwork
from models.training.gradient_norms import GradientNorms
from models.training.precision import autocast, supports_bfloat16
from models.training.train_network import train_network
from tasks.modeling.training_data import select_training_part

pytestmark = pytest.mark.benchmark

SIZES = [(64, 2, 24, 168), (128, 1, 24, 720), (64, 1, 1, 168), (128, 1, 1, 168)]
CPU = torch.device("cpu")
QUANTILES = (0.05, 0.1, 0.5, 0.9, 0.95)


def batch_of(lookback: int, windows: int = 128, columns: int = 12, horizon: int = 24) -> Batch:
    generator = torch.Generator().manual_seed(0)
    shapes = {"past": (lookback, columns), "future": (horizon, columns), "level": (3,), "linear": (lookback,)}
    shapes |= {"target": (horizon,), "location": (1,), "scale": (1,)}
    tensors = {name: torch.randn(windows, *shape, generator=generator) for name, shape in shapes.items()}
    tensors |= {"static": torch.zeros(windows, 0, dtype=torch.int64), "clock": torch.zeros(windows, dtype=torch.int64)}
    return Batch(error_weights=torch.ones(windows, 1), **tensors)


def build_step(network: RecurrentNetwork, batch: Batch, precision, gradients: GradientNorms, device=CPU):
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3)

    def step() -> None:
        with autocast(precision, device):
            loss = network.loss(batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        gradients.clip(1.0)
        optimiser.step()

    return step


def measure_alternating(steps: dict, windows: int, seconds: float = 8.0) -> dict:
    """Return windows per second of processor time by name: medians over alternating steps."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(times[next(iter(times))]) < 5:
        for name, step in steps.items():
            started = time.process_time()  # one thread; other work on the machine does not count
            step()
            times[name].append(time.process_time() - started)
    return {name: windows / statistics.median(durations[1:]) for name, durations in times.items()}


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_speed(cell, capsys):
    lines = [
        f"\nthis CPU multiplies bfloat16 in hardware: {supports_bfloat16(torch.device('cpu'))}; windows per second"
    ]
    for hidden, layers, segment, lookback in SIZES:
        spec = RecurrentSpec(cell=cell, hidden=hidden, layers=layers, segment=segment)
        shape = NetworkShape(
            lookback=lookback, horizon=24, past=12, future=12, statics=(), quantiles=QUANTILES, season=24
        )  # fmt: skip
        network, batch = RecurrentNetwork(spec, shape), batch_of(lookback)
        gradients = GradientNorms(network)
        steps = {name: build_step(network, batch, name, gradients) for name in ("float32", "bfloat16")}
        steps["norms"] = lambda g=gradients: g.clip(1.0)
        steps["plain"] = lambda n=network: torch.nn.utils.clip_grad_norm_(n.parameters(), 1.0)
        with fixed_threads(1):
            rates = measure_alternating(steps, len(batch.past))
        lines.append(
            f"{spec.name:14s} lookback {lookback:3d}  float32 {rates['float32']:7,.0f}"
            f"  bfloat16 {rates['bfloat16']:7,.0f}  ×{rates['bfloat16'] / rates['float32']:.2f}"
            f"  norms by layer {rates['float32'] / rates['norms'] - rates['float32'] / rates['plain']:+.2%} of a step"
        )
    with capsys.disabled():
        print("\n".join(lines))


@pytest.mark.parametrize("index", [0, 1])
def test_accuracy(demo, index, capsys):
    spec, clean, windows = demo
    part, part_windows = select_training_part(clean, windows, spec.input_spec)
    panel, recipe = Panel.from_table(part, spec.input_spec), spec.recipes[index]
    ratios = []
    for seed in range(5):
        best = {}
        for precision in ("float32", "bfloat16"):
            changes = {"seed": seed, "precision": precision, "windows_per_epoch": 4096, "device": "cpu"}
            training = recipe.training.model_copy(update=changes)
            _, history = train_network(panel, part_windows, recipe.model_copy(update={"training": training}))
            best[precision] = min(history.validation_losses)
        ratios.append(best["bfloat16"] / best["float32"] - 1)
    mean, error = statistics.mean(ratios), statistics.stdev(ratios) / len(ratios) ** 0.5
    sentence = f"bfloat16 changes the best validation loss by {mean:+.2%} ± {error:.2%} ({len(ratios)} paired seeds)"
    with capsys.disabled():
        print(f"\n{recipe.model.name}: {sentence}")
