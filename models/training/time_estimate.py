"""How long training would take here: a few steps of the very network, timed, and scaled to all of them."""

import contextlib
import time
from typing import NamedTuple

from models.data.panel import Panel
from models.data.windows import WindowIndex
from models.training.fit import Epoch
from models.training.recipe import Recipe
from models.training.train_network import train_network

STEPS, ROUNDS = 4, 3  # training steps an epoch that is timed; the first round warms the machine up
SLOW = 20.0  # seconds after which no further round is timed


class TimeEstimate(NamedTuple):
    """Seconds that training takes on this machine, if it stops as early as it may, and if it goes on to the end."""

    model: str
    epoch: float
    least: float
    most: float


class _StopTraining(Exception):
    """Ends a training that was only begun to be timed."""


def estimate_time(panel: Panel, index: WindowIndex, recipe: Recipe) -> TimeEstimate:
    """An estimate of one model's training; other work on the machine makes it longer, and its first epoch is slow."""
    spec = recipe.training
    windows = min(len(index.of("train")[0]), spec.windows_per_epoch)
    watched = min(len(index.of("validation")[0]), spec.validation_windows)
    both = _timed(panel, index, recipe, STEPS * spec.batch_size, 4 * spec.batch_size)
    few = _timed(panel, index, recipe, spec.batch_size, 4 * spec.batch_size)
    steps = min(STEPS, -(-windows // spec.batch_size))
    step = max(both - few, both * 0.2) / max(steps - 1, 1)
    judged = max(few - step, 0.0)
    epoch = step * windows / spec.batch_size + judged * watched / min(4 * spec.batch_size, max(watched, 1))
    least = min(spec.patience + 1, spec.max_epochs) * epoch * spec.members
    return TimeEstimate(recipe.model.name, epoch, least, spec.max_epochs * epoch * spec.members)


def _timed(panel: Panel, index: WindowIndex, recipe: Recipe, windows: int, watched: int) -> float:
    """The quickest of a few epochs of so many training and validation windows."""
    few = {"max_epochs": ROUNDS, "patience": ROUNDS, "windows_per_epoch": windows, "validation_windows": watched}
    short = recipe.model_copy(update={"training": recipe.training.model_copy(update={**few, "members": 1})})
    started, told = time.perf_counter(), list[float]()

    def watch(epoch: Epoch) -> None:
        told.append(epoch.seconds)
        if len(told) == ROUNDS or time.perf_counter() - started > SLOW:
            raise _StopTraining

    with contextlib.suppress(_StopTraining):
        train_network(panel, index, short, (watch,))
    return min(told)
