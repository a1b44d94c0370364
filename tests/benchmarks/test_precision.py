"""Figures, never assertions: what bfloat16 gains in speed and costs in accuracy on this machine, pair by pair.

Speed: steps of the two precisions take turns in one run. Accuracy: the same seeds in both; the share is the mean of
the paired ratios of validation losses, both judged in float32. Where the gain is not worth its cost, or the machine
does not multiply bfloat16 itself, leave `training.precision` as it is.
"""

import statistics
import time

import numpy as np
import pytest
import torch

from models.batches import Batch
from models.devices import same_threads
from models.features import FeatureSpec
from models.fit import TrainingSpec
from models.forecaster import Recipe, train_network
from models.gradients import Gradients
from models.panel import Panel, View
from models.precision import lowered, multiplies_bfloat16
from models.recurrent import Recurrent, RecurrentSpec, Shape
from models.windows import WindowSpec, cut_index

pytestmark = pytest.mark.benchmark

SIZES = [(64, 2, 24, 168), (128, 1, 24, 720), (64, 1, 1, 168), (128, 1, 1, 168)]
QUANTILES = (0.05, 0.1, 0.5, 0.9, 0.95)


def batch_of(lookback: int, windows: int = 128, columns: int = 12, horizon: int = 24) -> Batch:
    draw = torch.Generator().manual_seed(0)
    shapes = {"past": (lookback, columns), "future": (horizon, columns), "level": (3,), "linear": (lookback,)}
    shapes |= {"target": (horizon,), "location": (1,), "scale": (1,)}
    tensors = {name: torch.randn(windows, *shape, generator=draw) for name, shape in shapes.items()}
    return Batch(static=torch.zeros(windows, 0, dtype=torch.int64), **tensors)


def step_of(network: Recurrent, batch: Batch, precision, watched: bool = True):
    optimiser, gradients = torch.optim.AdamW(network.parameters(), 1e-3), Gradients(network)

    def step() -> None:
        with lowered(precision, torch.device("cpu")):
            loss = network.loss(batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if watched:
            gradients.clip(1.0)
        else:
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()

    return step


def taking_turns(steps: dict, windows: int, seconds: float = 4.0) -> dict:
    """Windows a second by name, medians over turns of one step each."""
    times = {name: [] for name in steps}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(times[next(iter(times))]) < 5:
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - started)
    return {name: windows / statistics.median(found[1:]) for name, found in times.items()}


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_speed(cell, capsys):
    lines = [f"\nthis CPU multiplies bfloat16 itself: {multiplies_bfloat16(torch.device('cpu'))}; windows a second"]
    for hidden, layers, segment, lookback in SIZES:
        spec = RecurrentSpec(cell=cell, hidden=hidden, layers=layers, segment=segment)
        shape = Shape(
            lookback=lookback, horizon=24, past=12, future=12, statics=(), quantiles=QUANTILES, season=24
        )  # fmt: skip
        network, batch = Recurrent(spec, shape), batch_of(lookback)
        steps = {name: step_of(network, batch, name) for name in ("float32", "bfloat16")}
        steps["plain clipping"] = step_of(network, batch, "float32", watched=False)
        with same_threads(1):
            found = taking_turns(steps, len(batch.past))
        lines.append(
            f"{spec.name:14s} lookback {lookback:3d}  float32 {found['float32']:7,.0f}"
            f"  bfloat16 {found['bfloat16']:7,.0f}  ×{found['bfloat16'] / found['float32']:.2f}   norms by layer cost"
            f" {found['plain clipping'] / found['float32'] - 1:+.1%} of a step"
        )
    with capsys.disabled():
        print("\n".join(lines))  # noqa: T201 - a benchmark prints


def waves(build_frame, series: int = 6, days: int = 120) -> Panel:
    """Hourly series with a day, a week and a plan in them, and as much noise as signal."""
    draw, hours = np.random.default_rng(0), np.arange(24 * days)
    plan = {f"s{one}": draw.standard_normal(len(hours)) for one in range(series)}
    day, week = np.sin(2 * np.pi * hours / 24), np.sin(2 * np.pi * hours / 168)
    values = {
        name: 10 + 3 * day + 2 * week + np.maximum(told, 0) + draw.standard_normal(len(hours))
        for name, told in plan.items()
    }
    view = View(features=FeatureSpec(known=("plan", "hour")), freq="h", zone="UTC", lookback=168, horizon=24)
    return Panel.from_frame(build_frame(values, "h", plan=plan), view)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_accuracy(cell, build_frame, capsys):
    panel = waves(build_frame)
    index = cut_index(panel, WindowSpec(horizon=24, validation="14d", test="14d"), panel.grid[24 * 120 - 1], 14)
    spec = RecurrentSpec(cell=cell, hidden=64, layers=2, segment=24)
    ratios = []
    for seed in range(6):
        best = {}
        for precision in ("float32", "bfloat16"):
            training = TrainingSpec(
                seed=seed, precision=precision, max_epochs=8, windows_per_epoch=4096, device="cpu"
            )  # fmt: skip
            recipe = Recipe(model=spec, training=training, quantiles=QUANTILES, view=panel.view)
            best[precision] = min(train_network(panel, index, recipe)[1].validation_losses)
        ratios.append(best["bfloat16"] / best["float32"] - 1)
    mean, error = statistics.mean(ratios), statistics.stdev(ratios) / len(ratios) ** 0.5
    with capsys.disabled():
        print(f"\n{spec.name}: bfloat16 changes the best validation loss by {mean:+.2%} ± {error:.2%} (6 paired seeds)")  # noqa: T201 - a benchmark prints
