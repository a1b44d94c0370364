"""Part of `make bench`: windows per second of training, beside a plain PyTorch loop and the machine's peak.

Hidden 64, 2 layers, lookback 168, horizon 24, batches of 128 windows of 7 hourly series with 8,640 rows, as of ETTh1.
The plain loop takes windows of one column, an LSTM or GRU, a linear layer, the squared error and Adam. Blocks of steps
alternate in one process; those of this project run as in a night, with the memory that they free kept. The plain loop
is measured with that option of glibc too. The share of the peak is the arithmetic of the recurrent layers, three times
that of their forward pass. Peers, in environments of their own, follow: see PEERS.
"""

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from models.data.features import FeatureSpec
from models.data.panel import InputSpec, Panel
from models.data.scaling import series_std
from models.data.windows import WindowSpec, build_window_index
from models.devices import fixed_threads, run_on_device
from models.networks.architecture import RecurrentSpec
from models.networks.recurrent import RecurrentNetwork
from models.training.fit import NetworkTrainer, Windows
from models.training.precision import resolve_precision
from models.training.recipe import Recipe
from models.training.train_network import _collate_on, _fit_collator, _network_shape
from models.training.training_spec import TrainingSpec

pytestmark = pytest.mark.benchmark

LOOKBACK, HORIZON, BATCH, HIDDEN, LAYERS, STEPS, BLOCKS, WARM_UP = 168, 24, 128, 64, 2, 8, 5, 3
QUANTILES = (0.05, 0.1, 0.5, 0.9, 0.95)
GATES = {"lstm": 4, "gru": 3}
CPU = torch.device("cpu")
Step = Callable[[], None]
PEERS = {
    "darts": os.environ.get("NIGHTCAST_BENCH_DARTS", ""),
    "neuralforecast": os.environ.get("NIGHTCAST_BENCH_NEURALFORECAST", ""),
}
"""The Python of an environment with the library; empty: it is left out."""
PEER_SCRIPT = Path(__file__).with_name("training_peer.py")


def panel() -> Panel:
    """Return 7 series with seasons of a day and a week, and noise."""
    draw, hours = np.random.default_rng(0), np.arange(8640)
    season = np.sin(hours * 2 * np.pi / 24) + 0.5 * np.sin(hours * 2 * np.pi / 168)
    times = pd.date_range("2024-01-01", periods=len(hours), freq="h", tz="UTC").as_unit("us")
    parts = [
        pd.DataFrame({"unique_id": f"s{n}", "ds": times, "y": (n + 1) * (season + draw.normal(0, 0.3, len(hours)))})
        for n in range(7)
    ]
    view = InputSpec(features=FeatureSpec(), freq="h", zone="UTC", lookback=LOOKBACK, horizon=HORIZON)
    return Panel.from_frame(pd.concat(parts, ignore_index=True), view)


def plain_step(cell: str, data: Panel) -> Step:
    """Return a training step of a plain loop over normalised windows of y."""
    values = torch.from_numpy(data.y.reshape(7, -1).astype(np.float32))
    values = (values - values.mean(1, keepdim=True)) / values.std(1, keepdim=True)
    windows = values.unfold(1, LOOKBACK + HORIZON, 1).reshape(-1, LOOKBACK + HORIZON)
    encoder = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](1, HIDDEN, LAYERS, batch_first=True)
    out = torch.nn.Linear(HIDDEN, HORIZON)
    optimiser = torch.optim.Adam([*encoder.parameters(), *out.parameters()], 1e-3)
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        batch = windows[torch.randint(len(windows), (BATCH,), generator=generator)]
        states, _ = encoder(batch[:, :LOOKBACK, None])
        loss = torch.nn.functional.mse_loss(out(states[:, -1]), batch[:, LOOKBACK:])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def own_step(model: RecurrentSpec, data: Panel, precision) -> Step:
    """Return a training step of this project: windows are drawn, collated and learned from."""
    spec = WindowSpec(lookback=LOOKBACK, horizon=HORIZON, validation="7d", test="7d")
    train = build_window_index(data, spec, data.grid[8639], origins=5).parts["train"]
    training = TrainingSpec(batch_size=BATCH, precision=precision)
    recipe = Recipe(model=model, training=training, quantiles=QUANTILES, view=data.view)
    collator = _fit_collator(data, train, recipe, ())
    collate = _collate_on(CPU, collator, data, series_std(data, train), np.ones(HORIZON))
    network = RecurrentNetwork(model, _network_shape(recipe, collator, data))
    trainer = NetworkTrainer(network, collate, training, 1000)
    draw = np.random.default_rng(0)

    def step() -> None:
        trainer.train_epoch(Windows(*train.take(draw.integers(0, len(train), BATCH))))

    return step


def measure_peer(kind: str, cell: str, threads: int, data: Panel, folder: Path) -> dict[str, float]:
    """Return processor and wall seconds of a training step of another library, in a process of its own."""
    times = data.grid[: len(data.y) // len(data.ids)].tz_localize(None)  # without the horizon
    frame = pd.DataFrame(
        {"unique_id": np.repeat(data.ids, len(times)), "ds": np.tile(times, len(data.ids)), "y": data.y}
    )
    frame.to_parquet(folder / "history.parquet", index=False)
    task = {"lookback": LOOKBACK, "horizon": HORIZON, "batch": BATCH, "hidden": HIDDEN, "layers": LAYERS}
    (folder / "task.json").write_text(json.dumps(task | {"warm_up": 5, "steps": BLOCKS * STEPS}), encoding="utf-8")
    command = (PEERS[kind], str(PEER_SCRIPT), kind, cell, str(threads), str(folder))
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{kind} failed: {done.stderr[-2000:]}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def gflop(cell: str) -> float:
    """Return the arithmetic of the recurrent layers for a batch, with one input column."""
    inputs = [1, *[HIDDEN] * (LAYERS - 1)]
    return 3 * BATCH * LOOKBACK * sum(2 * GATES[cell] * HIDDEN * (width + HIDDEN) for width in inputs) / 1e9


def measure(steps: dict[str, Step], plain: frozenset[str]) -> dict[str, dict[str, float]]:
    """Return processor and wall seconds of a step by name: medians over alternating blocks of steps.

    Args:
        steps: Training steps by name.
        plain: Names of those that run with the allocator as it is.
    """
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}

    def run_block(name: str) -> None:
        for number in range(WARM_UP + STEPS):
            wall, cpu = time.perf_counter(), time.process_time()
            steps[name]()
            if number >= WARM_UP:
                seconds[name].append((time.process_time() - cpu, time.perf_counter() - wall))

    for _ in range(BLOCKS):
        for name in steps:
            run = partial(run_block, name)
            run() if name in plain else run_on_device(CPU, name, run)
    return {
        name: dict(zip(("cpu_s", "wall_s"), (statistics.median(of) for of in zip(*taken, strict=True)), strict=True))
        for name, taken in seconds.items()
    }


def product(precision: torch.dtype) -> Step:
    """Return a matrix product of 2 GFLOP."""
    a, b = (torch.randn(1024, 1024).to(precision) for _ in range(2))
    return lambda: (a @ b, None)[1]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_training(capsys, tmp_path, cell, threads) -> None:
    data, day = panel(), RecurrentSpec(cell=cell, segment=24)
    whole = RecurrentSpec(cell=cell, hidden=HIDDEN, layers=LAYERS, segment=1)
    steps = {
        "plain loop": plain_step(cell, data),
        "plain, memory kept": plain_step(cell, data),
        "segment: 1": own_step(whole, data, "float32"),
        "segment: 1, auto": own_step(whole, data, "auto"),
        "default, float32": own_step(day, data, "float32"),
        "default": own_step(day, data, "auto"),
        "matrix product": product(torch.float32),
    }
    with fixed_threads(threads):
        figures = measure(steps, frozenset({"plain loop", "matrix product"}))
    peak = 2 * 1024**3 / 1e9 / figures.pop("matrix product")["wall_s"]
    figures |= {kind: measure_peer(kind, cell, threads, data, tmp_path) for kind, python in PEERS.items() if python}
    for of in figures.values():
        of |= {"windows_per_s": BATCH / of["wall_s"], "ratio": figures["plain loop"]["wall_s"] / of["wall_s"]}
        of["cpu_ratio"] = figures["plain loop"]["cpu_s"] / of["cpu_s"]
    with capsys.disabled():
        print(
            f"\n{cell}, {threads} threads: medians of {BLOCKS * STEPS} steps; float32 product {peak:,.0f} GFLOP/s; "
            f"auto: {resolve_precision('auto', CPU)}\n"
            f"{'':18}{'windows/s':>10}{'x plain':>9}{'in cpu s':>10}{'of peak':>9}"
        )
        for name, of in figures.items():
            share = f"{gflop(cell) / of['wall_s'] / peak:9.0%}" if "default" not in name else ""
            print(f"{name:18}{of['windows_per_s']:10,.0f}{of['ratio']:9.2f}{of['cpu_ratio']:10.2f}{share}")
        print(json.dumps({"benchmark": "training", "cell": cell, "threads": threads, "gflop_per_s": peak, **figures}))
