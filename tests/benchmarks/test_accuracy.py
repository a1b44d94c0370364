"""`make bench-accuracy`: forecasts on ETTh1 vs. the published table, the linear model and seasonal naive.

One configuration for all horizons and both lookbacks. It was chosen on training and validation rows (first on the
split of the protocol, then once more with rows 5760 to 8640 as validation); only the printed table uses the test part.
Members and step weights were chosen on the split of the protocol alone.
"""

import resource
import time

import numpy as np
import pytest

from models.networks.architecture import RecurrentSpec
from models.predict import predict
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
    weight_decay=0.0, average=0.99, mirror=0.5, step_weights="decreasing", members=2, threads=2, precision="auto",
)  # fmt: skip
SEEDS = (0, 100, 200)


def train_and_score(lookback: int, horizon: int, model: RecurrentSpec, training: TrainingSpec, part: str) -> Score:
    """Train once; score all windows of the part."""
    panel = etth1(lookback, horizon)
    index = build_index(panel, lookback, horizon)
    recipe = Recipe(model=model, training=training, quantiles=(0.5,), view=panel.view)
    bundle, _ = train_network(panel, index, recipe)
    windows = index.of(part)
    return score(predict(bundle, panel, *windows)[..., 0], actuals(panel, windows, horizon))


@pytest.mark.parametrize("lookback", [720, 96])
@pytest.mark.parametrize("horizon", HORIZONS)
def test_etth1(lookback: int, horizon: int, capsys) -> None:
    scores, seconds = [], []
    for seed in SEEDS:
        started = time.perf_counter()
        training = TRAINING.model_copy(update={"seed": seed})
        scores.append(train_and_score(lookback, horizon, MODEL, training, "test"))
        seconds.append(time.perf_counter() - started)
    mean, spread = np.mean(scores, axis=0), np.std(scores, axis=0)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with capsys.disabled():
        print(
            f"\nETTh1 lookback {lookback} horizon {horizon} MSE/MAE: Nightcast {Score(*mean)} ± {Score(*spread)}"
            f" | best known {KNOWN[lookback][horizon]} | linear {linear_score(horizon, lookback)}"
            f" | one ridge regression {single_map_score(horizon, lookback)}"
            f" | seasonal naive {naive_score(horizon)} | {max(seconds):.0f} s at most to train and score,"
            f" {memory:.0f} MB at most so far"
        )
