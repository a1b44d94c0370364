"""Where `tune` looks: the values that a setting may take. A new setting of a network is one more line of `MODEL`.

What the pipeline itself uses is always among them, so its own models can be the first trials.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from models.data.panel import InputSpec
from models.networks.recurrent import RecurrentSpec
from models.training.recipe import Recipe


class LogUniform(NamedTuple):
    """Any number between the two, drawn on a logarithmic scale."""

    low: float
    high: float


Space = dict[str, tuple[Any, ...] | LogUniform]

MODEL: Space = {
    "cell": ("lstm", "gru"),
    "hidden": (32, 64, 128, 256),
    "layers": (1, 2, 3),
    "bidirectional": (False, True),
    "readout": ("last", "attention"),
    "decoding": ("direct", "segment"),
    "dropout": (0.0, 0.1, 0.2, 0.3),
}
TRAINING: Space = {
    "learning_rate": LogUniform(3e-4, 1e-2),
    "batch_size": (64, 128, 256, 512),
    "average": (0.0, 0.98),
    "mirror": (0.0, 0.5),
    "weight_decay": (0.0, 1e-5, 1e-4, 1e-3, 1e-2),
}
MAX_EXTRA_SEGMENTS = 64  # segments: what is read hour by hour over a week learns ten times slower
DEFAULT_WORK = 8 * 64**2  # a network of 64 over eight segments
MAX_WORK = 16  # times that, or the largest of the pipeline's own: an epoch of a minute is no finding for every night
UNIT = ("head", "normalisation")  # settings of a network in whose units the loss of an epoch is


def build_search_space(recipes: Sequence[Recipe]) -> Space:
    """By full name (`model.hidden`, `training.learning_rate`): the table, the segments that suit the data, and theirs.

    A setting that has one value only stays as it is and is left out.
    """
    table = {f"model.{name}": values for name, values in MODEL.items()}
    table |= {f"training.{name}": values for name, values in TRAINING.items()}
    table["model.segment"] = segments(recipes[0].view)
    space: Space = {}
    for name in searched_settings(recipes[0]):
        theirs = tuple(searched_settings(recipe)[name] for recipe in recipes)
        ours = table.get(name, ())
        if isinstance(ours, LogUniform):
            space[name] = LogUniform(min(ours.low, *theirs), max(ours.high, *theirs))
        elif len(values := tuple(dict.fromkeys((*ours, *theirs)))) > 1:
            space[name] = values
    return space


def segments(view: InputSpec) -> tuple[int, ...]:
    """Whole parts and multiples of the season that make at least two and at most `LONGEST` segments of the lookback."""
    season = view.season
    lengths = {1, 2 * season} | {season // part for part in (1, 2, 4) if season % part == 0}
    return tuple(sorted(n for n in lengths if 2 * n <= view.lookback <= MAX_EXTRA_SEGMENTS * n))


def searched_settings(recipe: Recipe) -> dict[str, Any]:
    """Every setting of the network and of its training by its full name."""
    model, training = recipe.model.model_dump(), recipe.training.model_dump()
    return {f"model.{name}": value for name, value in model.items()} | {
        f"training.{name}": value for name, value in training.items()
    }


def recipe_of(settings: dict[str, Any], base: Recipe) -> Recipe:
    """`base` with these settings laid over it; rates are rounded to two digits, as they will stand in the YAML.

    Raises ValidationError where they do not go together.
    """
    told: dict[str, dict[str, Any]] = {"model": {}, "training": {}}
    for name, value in (searched_settings(base) | settings).items():
        room, field = name.split(".", 1)
        told[room][field] = float(f"{value:.2g}") if name in settings and _is_rate(name) else value
    return Recipe.model_validate({**base.model_dump(exclude={"model", "training"}), **told})


def _is_rate(name: str) -> bool:
    return isinstance(TRAINING.get(name.removeprefix("training.")), LogUniform)


def work(model: RecurrentSpec, view: InputSpec) -> int:
    """Multiplications of one window's recurrence, a rough measure of what an epoch takes."""
    steps = math.ceil(view.lookback / min(model.segment or 1, view.lookback))
    return steps * model.layers * (1 + model.bidirectional) * model.hidden**2


def max_work(recipes: Sequence[Recipe]) -> int:
    """How much a trial may take."""
    return MAX_WORK * max(DEFAULT_WORK, *(work(recipe.model, recipe.view) for recipe in recipes))


def loss_unit(model: RecurrentSpec) -> str:
    """What the losses of two networks must share before one can be told to be behind the other."""
    return str(model.model_dump(include=set(UNIT)))
