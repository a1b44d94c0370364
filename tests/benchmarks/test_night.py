"""Measurements without assertions: `make bench` prints the speed of training and forecasting.

All lines of one run come from the same machine, so ratios are comparable and absolute times are not.
"""

import functools
import statistics
import time

import numpy as np
import pytest
import torch

from models.baselines.seasonal import fit_baselines
from models.data.collation import WindowCollator
from models.data.panel import Panel
from models.predict import predict
from models.restore import restore_collator
from models.training.fit import EpochReport
from models.training.train_network import train_network
from tasks.modeling.training_data import select_training_part

pytestmark = pytest.mark.benchmark


def _note_seconds(seconds: list[float], epoch: EpochReport) -> None:
    seconds.append(epoch.seconds)


def windows_per_second(work, windows: int, repeats: int = 5) -> float:
    """Return windows per second, the median over repeats."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return windows / statistics.median(times)


def test_training_speed(demo, capsys):
    spec, clean, index = demo
    part, part_index = select_training_part(clean, index, spec.input_spec)
    panel = Panel.from_table(part, spec.input_spec)
    lines = []
    for recipe in spec.recipes:
        training = recipe.training.model_copy(update={"max_epochs": 3})
        seconds: list[float] = []
        shorter = recipe.model_copy(update={"training": training})
        bundle, _ = train_network(panel, part_index, shorter, (functools.partial(_note_seconds, seconds),))
        speed = training.windows_per_epoch / statistics.median(seconds)
        lines.append(f"{recipe.model.name:16s} trains   {speed:7,.0f} windows/s, 1 thread, validation included")
        lines.append(f"{'':16s} collates {collate_speed(restore_collator(bundle), panel, part_index):7,.0f} windows/s")
    with capsys.disabled():
        print("\n" + "\n".join(lines))


def collate_speed(collator: WindowCollator, panel, index) -> float:
    series, position = (side[:2048] for side in index.of("train"))
    torch.set_num_threads(1)
    return windows_per_second(lambda: collator.collate(panel, series, position), len(series))


def test_forecasting_speed_of_ten_thousand_series(demo, capsys):
    spec, clean, index = demo
    part, part_index = select_training_part(clean, index, spec.input_spec)
    panel = Panel.from_table(part, spec.input_spec)
    training = spec.training.model_copy(update={"max_epochs": 1})
    recipes = [recipe.model_copy(update={"training": training}) for recipe in spec.recipes]
    bundles = [train_network(panel, part_index, recipe)[0] for recipe in recipes]
    bundles += fit_baselines(panel, part_index, spec.input_spec, spec.forecast.quantiles, (24, 168))
    series, position = index.of("train")
    chosen = np.linspace(0, len(series) - 1, 10_000).astype(int)
    with capsys.disabled():
        print()
        for bundle in bundles:
            speed = windows_per_second(
                lambda b=bundle: predict(b, panel, series[chosen], position[chosen]), 10_000, repeats=3
            )
            print(f"{bundle.name:20s} forecasts {speed:9,.0f} windows/s")
