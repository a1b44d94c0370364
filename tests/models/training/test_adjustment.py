"""Whether windows are adjusted, by what the linear map has found and what a network reads."""

import numpy as np
import pytest

from models.data.windows import WindowRanges
from models.networks.architecture import RecurrentSpec
from models.training.adjustment import choose_adjustment
from models.training.recipe import Recipe
from models.training.training_spec import TrainingSpec

SEASONAL = {"weights": np.zeros((5, 2)), "adjusted_loss": np.array([0.9]), "seasons": np.array([4])}


@pytest.mark.parametrize(
    ("maps", "normalisation", "expected"),
    [
        ({}, "standard", ((), None, None)),
        ({"weights": np.zeros((5, 2))}, "standard", ((), "no_season", None)),
        ({"weights": np.zeros((5, 2)), "adjusted_loss": np.array([np.nan])}, "standard", ((), "not_positive", None)),
        ({"weights": np.zeros((5, 2)), "adjusted_loss": np.array([0.99])}, "standard", ((), "no_gain", 0.99)),
        (SEASONAL, "none", ((), "source_units", 0.9)),
        (SEASONAL, "standard", ((4,), None, 0.9)),
    ],
)
def test_reason_follows_from_the_map_and_the_network(build_panel, maps, normalisation, expected) -> None:
    draw, day = np.random.default_rng(0), np.array([0.5, 1.0, 2.0, 1.0])
    series = {
        name: (np.exp(0.1 * draw.standard_normal(60)) * np.tile(np.roll(day, place), 15)).tolist()
        for place, name in enumerate("abcd")
    }
    panel = build_panel(series, lookback=4, horizon=2)
    train = WindowRanges.from_cutoffs(np.arange(4), panel.lengths - 4)
    model = RecurrentSpec.model_validate({"cell": "gru", "normalisation": normalisation})
    recipe = Recipe(model=model, training=TrainingSpec(), quantiles=(0.5,), view=panel.view)
    assert tuple(choose_adjustment(panel, train, recipe, maps)) == expected


def test_one_series_is_not_adjusted(build_panel) -> None:
    panel = build_panel({"a": [0.5, 1.0, 2.0, 1.0] * 15}, lookback=4, horizon=2)
    train = WindowRanges.from_cutoffs(np.array([0]), panel.lengths - 4)
    recipe = Recipe(model=RecurrentSpec(cell="gru"), training=TrainingSpec(), quantiles=(0.5,), view=panel.view)
    assert choose_adjustment(panel, train, recipe, SEASONAL).not_adjusted == "one_series"
