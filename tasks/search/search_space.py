"""The search space of `tune`: the values that each setting may take. To search another setting, add it to a table.

The values that the pipeline itself uses are always included, so that its own models can be the first trials.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from models.baselines.ridge import LOOKBACK_FACTORS, MAX_LOOKBACK, carries_lookback
from models.data.panel import InputSpec
from models.data.windows import WindowRanges
from models.networks.architecture import RecurrentSpec
from models.training.recipe import Recipe


class LogUniform(NamedTuple):
    """A number between `low` and `high`, drawn uniformly on a logarithmic scale."""

    low: float
    high: float


Space = dict[str, tuple[Any, ...] | LogUniform]

MODEL_SPACE: Space = {
    "cell": ("lstm", "gru"),
    "hidden": (32, 64, 128, 256),
    "layers": (1, 2, 3),
    "bidirectional": (False, True),
    "readout": ("last", "attention"),
    "decoding": ("direct", "segment"),
    "dropout": (0.0, 0.1, 0.2, 0.3),
    "skip": (True, False),
    "seasons": (True, False),
}
TRAINING_SPACE: Space = {
    "learning_rate": LogUniform(3e-4, 1e-2),
    "batch_size": (64, 128, 256, 512),
    "average": (0.0, 0.98, 0.99),
    "mirror": (0.0, 0.5),
    "step_weights": ("equal", "decreasing"),
    "weight_decay": (0.0, 1e-5, 1e-4, 1e-3, 1e-2),
}
LOOKBACK = "windowing.lookback"
MAX_SEGMENTS = 64  # of a lookback; a week read hour by hour trains ten times slower
DEFAULT_WORK = 8 * 64**2  # a network of 64 units over eight segments
MAX_SAMPLED_WINDOWS = 20_000  # of the training part, whose history is looked at
MAX_WORK_RATIO = 16  # to the default or the pipeline's largest model: an epoch must not take minutes every night
LOSS_UNIT_SETTINGS = ("head", "normalisation")  # settings of a network that decide the unit of its loss


def build_search_space(recipes: Sequence[Recipe], train: WindowRanges) -> Space:
    """Build the search space of a pipeline: the tables, lookbacks and segments that suit its data, and its own values.

    Args:
        recipes: The pipeline's own recipes, at least one.
        train: The training windows, whose history limits the lookback.

    Returns:
        Values by full name of the setting (`model.hidden`, `training.learning_rate`). A setting with a single value is
        not searched, so it is left out.
    """
    table = {f"model.{name}": values for name, values in MODEL_SPACE.items()}
    table |= {f"training.{name}": values for name, values in TRAINING_SPACE.items()}
    table["model.segment"] = segment_lengths(recipes[0].view)
    table[LOOKBACK] = lookback_lengths(recipes[0].view, train)
    space: Space = {}
    for name in flatten_settings(recipes[0]):
        used = tuple(flatten_settings(recipe)[name] for recipe in recipes)
        offered = table.get(name, ())
        if isinstance(offered, LogUniform):
            space[name] = LogUniform(min(offered.low, *used), max(offered.high, *used))
        elif len(values := tuple(dict.fromkeys((*offered, *used)))) > 1:
            space[name] = values
    return space


def segment_lengths(view: InputSpec) -> tuple[int, ...]:
    """Return fractions and multiples of the season, in steps, that cut the lookback into 2 to MAX_SEGMENTS segments."""
    season = view.season
    lengths = {1, 2 * season} | {season // part for part in (1, 2, 4) if season % part == 0}
    return tuple(sorted(n for n in lengths if 2 * n <= view.lookback <= MAX_SEGMENTS * n))


def lookback_lengths(view: InputSpec, train: WindowRanges) -> tuple[int, ...]:
    """Return the pipeline's lookback, twice and four times of it, in steps, as far as the history carries them.

    A shorter one is not offered: of the windows, which are cut for the pipeline's lookback, it would be empty in some.
    """
    _, position = train.take_evenly(MAX_SAMPLED_WINDOWS)
    lengths = (factor * view.lookback for factor in reversed(LOOKBACK_FACTORS))
    return tuple(n for n in lengths if n == view.lookback or (n <= MAX_LOOKBACK and carries_lookback(position, n)))


def flatten_settings(recipe: Recipe) -> dict[str, Any]:
    """Return the lookback and every setting of the network and of its training by full name, such as `model.hidden`."""
    groups = {"model": recipe.model.model_dump(), "training": recipe.training.model_dump()}
    settings = {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}
    return settings | {LOOKBACK: recipe.view.lookback}


def override_settings(settings: dict[str, Any], base: Recipe) -> Recipe:
    """Return a copy of `base` with other settings.

    Args:
        settings: Values by full name. Log-uniform values are rounded to two digits, as they are written to the YAML.
        base: The recipe that has all other settings.

    Returns:
        The validated recipe.

    Raises:
        ValidationError: If the settings contradict each other.
    """
    groups: dict[str, dict[str, Any]] = {"model": {}, "training": {}, "windowing": {}}
    for name, value in (flatten_settings(base) | settings).items():
        group, field = name.split(".", 1)
        groups[group][field] = float(f"{value:.2g}") if name in settings and _is_log_uniform(name) else value
    view = base.view.model_copy(update=groups.pop("windowing"))
    return Recipe.model_validate({**base.model_dump(exclude={"model", "training"}), **groups, "view": view})


def _is_log_uniform(name: str) -> bool:
    return isinstance(TRAINING_SPACE.get(name.removeprefix("training.")), LogUniform)


def work_per_window(model: RecurrentSpec, view: InputSpec) -> int:
    """Count the multiplications of one window's recurrence, a rough measure of the time of an epoch."""
    steps = math.ceil(view.lookback / min(model.segment or 1, view.lookback))
    return steps * model.layers * (1 + model.bidirectional) * model.hidden**2


def max_work(recipes: Sequence[Recipe]) -> int:
    """Return the largest work per window that a trial may have."""
    return MAX_WORK_RATIO * max(DEFAULT_WORK, *(work_per_window(recipe.model, recipe.view) for recipe in recipes))


def loss_unit(model: RecurrentSpec) -> str:
    """Return the unit of a network's loss: only losses in the same unit can be compared."""
    return str(model.model_dump(include=set(LOSS_UNIT_SETTINGS)))
