"""`make bench-accuracy`: forecasts on ETTh1 vs. the published table, the linear model and seasonal naive.

One configuration for all horizons and lookbacks. The linear map that the network is blended with reads up to four
lookbacks and at most 1,440 steps, or, for the comparison with the published, nothing before the lookback. The
configuration was chosen on training and validation rows (first on the split of the protocol, then once more with rows
5760 to 8640 as validation); only the printed table uses the test part. Members and step weights were chosen on the
split of the protocol alone. The validation part of a horizon also chooses between the lookbacks of 720 and 1,440, by
its mean squared error, which is printed beside the table; and it decides the weights of the network and the linear
map. Three members lower that error compared with two (at 720 from 1.2094 to 1.2073), but were tried after the test
errors of two had been seen.
NIGHTCAST_BENCH_THREADS is the number of threads, by default 2. NIGHTCAST_BENCH_MAP=within scores only the comparison
with the published, in two thirds of the time.
"""

import os
import resource
import time
from dataclasses import replace

import numpy as np
import pytest

from models.baselines.ridge import LOOKBACK_FACTORS, fit_linear
from models.bundle import LINEAR_MAP, MEDIAN_SEASONS, stored_maps
from models.data.scaling import series_std
from models.networks.architecture import RecurrentSpec
from models.predict import Predictor
from models.training.blending import calibrated
from models.training.fit import WindowSplit
from models.training.recipe import Recipe
from models.training.train_network import train_network
from models.training.training_spec import TrainingSpec
from tests.benchmarks.long_horizon import (
    HORIZONS,
    KNOWN,
    Score,
    actuals,
    build_index,
    etth1,
    linear_score,
    naive_score,
    score,
    single_map_score,
)

pytestmark = pytest.mark.benchmark

MODEL = RecurrentSpec(
    cell="gru", hidden=512, segment=24, decoding="segment", head="mae", dropout=0.3, skip=False, seasons=False
)
TRAINING = TrainingSpec(
    batch_size=256, learning_rate=1e-3, schedule="cosine", max_epochs=5, windows_per_epoch=13_000, patience=1,
    weight_decay=0.0, average=0.99, mirror=0.5, step_weights="decreasing", members=3, precision="auto",
    threads=int(os.environ.get("NIGHTCAST_BENCH_THREADS", "2")),
)  # fmt: skip
SEEDS = (0, 100, 200)
MAX_STEPS = 1440  # that a map or a network reads


def choose_maps(lookback: int) -> dict[str, tuple[int, ...]]:
    """Return how many lookbacks each linear map may read: `longer`, as in a night, and `within` the lookback."""
    longer = tuple(factor for factor in LOOKBACK_FACTORS if factor * lookback <= MAX_STEPS)
    both = {"longer": longer, "within": (1,)}
    return {"within": (1,)} if longer == (1,) or os.environ.get("NIGHTCAST_BENCH_MAP") == "within" else both


def train_and_score(lookback: int, horizon: int, training: TrainingSpec) -> dict[str, dict[str, Score]]:
    """Train once; score all windows of the validation and test parts, blended with each of two linear maps.

    Returns:
        By name of the map, as in `choose_maps`, and by part.
    """
    panel = etth1(lookback, horizon)
    index = build_index(panel, lookback, horizon)
    maps = {name: fit_linear(panel, index, panel.view, factors) for name, factors in choose_maps(lookback).items()}
    recipe = Recipe(model=MODEL, training=training, quantiles=(0.5,), view=panel.view)
    bundle, _ = train_network(panel, index, recipe, linear=next(iter(maps.values())))
    scores: dict[str, dict[str, Score]] = {}
    stds = series_std(panel, index.parts["train"])
    split = WindowSplit(index.parts["train"], index.parts["validation"])
    network = {name: values for name, values in bundle.tensors.items() if not name.startswith(LINEAR_MAP)}
    for name, fitted in maps.items():
        linear = {f"{LINEAR_MAP}{key}": values for key, values in stored_maps(fitted).items()}
        kept = {key: values for key, values in network.items() if name == "longer" or key != MEDIAN_SEASONS}
        blended = replace(bundle, tensors=kept | linear)
        predictor = Predictor(calibrated(blended, panel, split, training.validation_windows, stds))
        scores[name] = {}
        for part in ("validation", "test"):
            windows = index.of(part)
            median = predictor.quantiles(panel, *windows)[..., 0]
            scores[name][part] = score(median, actuals(panel, windows, horizon))
    return scores


@pytest.mark.parametrize("lookback", [1440, 720, 96])
@pytest.mark.parametrize("horizon", HORIZONS)
def test_etth1(lookback: int, horizon: int, capsys) -> None:
    scores, seconds = [], []
    for seed in SEEDS:
        started = time.perf_counter(), time.process_time()
        scores.append(train_and_score(lookback, horizon, TRAINING.model_copy(update={"seed": seed})))
        seconds.append((time.perf_counter() - started[0], time.process_time() - started[1]))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, processor = np.max(seconds, axis=0)
    with capsys.disabled():
        for name, factors in choose_maps(lookback).items():
            parts = {part: [of_seed[name][part] for of_seed in scores] for part in ("validation", "test")}
            mean = {part: Score(*np.mean(values, axis=0)) for part, values in parts.items()}
            print(
                f"\nETTh1 lookback {lookback}, map {name}, horizon {horizon} MSE/MAE: Nightcast {mean['test']} ± "
                f"{Score(*np.std(parts['test'], axis=0))} (validation {mean['validation']})"
                f" | best known {KNOWN[lookback][horizon]} | linear {linear_score(horizon, lookback, factors)}"
                f" | one ridge regression {single_map_score(horizon, lookback)} | seasonal naive {naive_score(horizon)}"
            )
        print(
            f"to train and score: at most {wall:.0f} s, {processor:.0f} s of processors, {memory:.0f} MB at most so far"
        )
