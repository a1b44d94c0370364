"""Figures, never assertions: `make bench` prints what a night costs and what its champion is worth, side by side.

Every line is computed in one run on one machine, so ratios count and absolute times do not.
"""

import statistics
import time

import numpy as np
import pytest
import torch

from models.baselines.seasonal import fit_baselines
from models.data.batches import WindowCollator
from models.data.panel import Panel
from models.predict import predict
from models.restore import restore_collator
from models.training.train_network import train_network
from tasks.modeling.training_data import select_training_part

pytestmark = pytest.mark.benchmark


def rate(work, windows: int, repeats: int = 5) -> float:
    """Windows a second, median over repeats."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return windows / statistics.median(times)


def test_training(demo, capsys):
    spec, clean, index = demo
    part, learned = select_training_part(clean, index, spec.input_spec)
    panel = Panel.from_frame(part, spec.input_spec)
    lines = []
    for recipe in spec.recipes:
        training = recipe.training.model_copy(update={"max_epochs": 3})
        seconds = []
        shorter = recipe.model_copy(update={"training": training})
        bundle, _ = train_network(panel, learned, shorter, (lambda epoch, s=seconds: s.append(epoch.seconds),))
        ours = training.windows_per_epoch / statistics.median(seconds)
        lines.append(f"{recipe.model.name:16s} trains  {ours:7,.0f} windows/s, 1 thread, validation included")
        lines.append(f"{'':16s} gathers {gathering(restore_collator(bundle), panel, learned):7,.0f} windows/s")
    with capsys.disabled():
        print("\n" + "\n".join(lines))


def gathering(gatherer: WindowCollator, panel, index) -> float:
    series, position = (side[:2048] for side in index.of("train"))
    torch.set_num_threads(1)
    return rate(lambda: gatherer.collate(panel, series, position), len(series))


def test_forecasting_ten_thousand_series(demo, capsys):
    spec, clean, index = demo
    part, learned = select_training_part(clean, index, spec.input_spec)
    panel = Panel.from_frame(part, spec.input_spec)
    training = spec.training.model_copy(update={"max_epochs": 1})
    recipes = [recipe.model_copy(update={"training": training}) for recipe in spec.recipes]
    bundles = [train_network(panel, learned, recipe)[0] for recipe in recipes]
    bundles += fit_baselines(panel, learned, spec.input_spec, spec.forecast.quantiles, (24, 168))
    series, position = index.of("train")
    chosen = np.linspace(0, len(series) - 1, 10_000).astype(int)
    with capsys.disabled():
        print()
        for bundle in bundles:
            speed = rate(lambda b=bundle: predict(b, panel, series[chosen], position[chosen]), 10_000, repeats=3)
            print(f"{bundle.name:20s} forecasts {speed:9,.0f} windows/s")
