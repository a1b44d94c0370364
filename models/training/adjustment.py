"""Whether the windows of a network are seasonally adjusted, and the reason if not."""

from typing import NamedTuple

import numpy as np

from models.bundle import Bundle, RecurrentSettings
from models.data.panel import Panel
from models.data.seasonal_adjustment import NotAdjusted, learnable_seasons
from models.data.windows import WindowRanges
from models.training.recipe import Recipe


class Adjustment(NamedTuple):
    """Seasons, in steps, that the windows of a network are adjusted for; if there are none, the reason."""

    seasons: tuple[int, ...]
    not_adjusted: NotAdjusted | None
    loss: float | None  # of the adjusted linear map on the validation part, relative to one without

    @classmethod
    def stored_in(cls, bundle: Bundle) -> "Adjustment":
        """Return that of a trained network."""
        settings = bundle.recurrent
        return cls(settings.adjustment, settings.not_adjusted, settings.adjusted_loss)

    def recorded_in(self, settings: RecurrentSettings) -> RecurrentSettings:
        """Return the settings with the reason and the loss."""
        return settings.model_copy(update={"not_adjusted": self.not_adjusted, "adjusted_loss": self.loss})


def choose_adjustment(panel: Panel, train: WindowRanges, recipe: Recipe, maps: dict[str, np.ndarray]) -> Adjustment:
    """Choose the seasons that the windows of a network are adjusted for.

    Args:
        panel: The series.
        train: The training windows.
        recipe: Architecture and training settings.
        maps: The maps of `fit_linear`; empty if the network uses none.

    Returns:
        The seasons of the linear map, if the network could not learn them from its inputs; else none, and the reason.
    """
    if not maps or "adjusted_loss" not in maps:
        return Adjustment((), "no_season" if maps else None, None)
    loss = float(maps["adjusted_loss"][0])
    if np.isnan(loss):
        return Adjustment((), "not_positive", None)
    if "seasons" not in maps:
        return Adjustment((), "no_gain", loss)
    seasons = tuple(int(season) for season in maps["seasons"])
    if recipe.model.normalisation == "none" or recipe.model.head == "negative_binomial":
        return Adjustment((), "source_units", loss)
    reason = learnable_seasons(panel, train, seasons)
    return Adjustment(() if reason else seasons, reason, loss)
