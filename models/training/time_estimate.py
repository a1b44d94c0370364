"""Estimate the training time on this machine: time a few steps of the network and scale them to the whole training."""

import contextlib
import time
from typing import NamedTuple

from models.data.panel import Panel
from models.data.windows import WindowIndex
from models.training.fit import EpochReport
from models.training.recipe import Recipe
from models.training.train_network import train_network

TIMED_STEPS = 4  # training steps of an epoch that is timed
TIMED_EPOCHS = 3  # the first warms the machine up
MAX_TIMING_S = 20.0  # after which no further epoch is timed


class TimeEstimate(NamedTuple):
    """Seconds of an epoch of one network, and of training all members if it stops as early, or as late, as it can."""

    model: str
    epoch_seconds: float
    min_seconds: float
    max_seconds: float


class _StopTraining(Exception):
    """Ends a training that was started only to be timed."""


def estimate_time(panel: Panel, index: WindowIndex, recipe: Recipe) -> TimeEstimate:
    """Estimate how long one model trains if nothing else runs on the machine; its first epoch takes longer.

    Args:
        panel: The series.
        index: Training and validation windows of the panel.
        recipe: The network and its training settings.

    Returns:
        Seconds of an epoch of one member, and of the shortest and the longest training of all members.
    """
    spec = recipe.training
    train_count = min(len(index.parts["train"]), spec.windows_per_epoch)
    validation_count = min(len(index.parts["validation"]), spec.validation_windows)
    several_steps = _time_epoch(panel, index, recipe, TIMED_STEPS * spec.batch_size, 4 * spec.batch_size)
    single_step = _time_epoch(panel, index, recipe, spec.batch_size, 4 * spec.batch_size)
    steps = min(TIMED_STEPS, -(-train_count // spec.batch_size))
    step = max(several_steps - single_step, several_steps * 0.2) / max(steps - 1, 1)
    timed_validation = max(single_step - step, 0.0)
    validation = timed_validation * validation_count / min(4 * spec.batch_size, max(validation_count, 1))
    epoch = step * train_count / spec.batch_size + validation
    shortest = min(spec.patience + 1, spec.max_epochs) * epoch * spec.members
    return TimeEstimate(recipe.model.name, epoch, shortest, spec.max_epochs * epoch * spec.members)


def _time_epoch(panel: Panel, index: WindowIndex, recipe: Recipe, train_count: int, validation_count: int) -> float:
    """Return the seconds of the fastest of a few epochs with so few training and validation windows."""
    changes = {"max_epochs": TIMED_EPOCHS, "patience": TIMED_EPOCHS, "members": 1}
    changes |= {"windows_per_epoch": train_count, "validation_windows": validation_count}
    short = recipe.model_copy(update={"training": recipe.training.model_copy(update=changes)})
    started, durations = time.perf_counter(), list[float]()

    def record(epoch: EpochReport) -> None:
        durations.append(epoch.seconds)
        if len(durations) == TIMED_EPOCHS or time.perf_counter() - started > MAX_TIMING_S:
            raise _StopTraining

    with contextlib.suppress(_StopTraining):
        train_network(panel, index, short, (record,), linear={})  # the closed-form map takes seconds, and once
    return min(durations)
