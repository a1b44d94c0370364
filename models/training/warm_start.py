"""A warm start: what a network takes over from the champion, and what must stay for its weights to mean the same.

scaling      the champion's: its weights have learned covariates in those units
vocabulary   the champion's codes, then tonight's new values; each new value begins as "unknown", the row of code 0
weights      all; intervals and stopping are tonight's own
"""

import dataclasses
import itertools

import numpy as np
import torch
from torch import Tensor

from models.bundle import Bundle
from models.data.batches import WindowCollator
from models.data.scaling import Scaling
from models.networks.recurrent import Recurrent
from models.restore import restore_collator, restore_network
from models.training.recipe import Recipe

DIFFERENCES = (
    "the champion is another kind of network",
    "the champion sees other columns or other windows",
    "the champion forecasts other quantiles",
    "the champion is shown other seasons",
    "the champion has another number of members",
)
FARTHEST = 3.0


def obstacle(champion: Bundle, recipe: Recipe, trained_until: str, fresh: WindowCollator) -> str:
    """Why a network of this recipe can't begin with the champion's weights; empty where it can.

    `fresh` is how the windows would be normalised without a champion. A champion that has learned from later rows
    than tonight's training part would bring along what the network is going to be judged by.
    """
    if champion.kind != "recurrent":
        return "the champion is no network"
    stored = champion.recurrent
    before = stored.model, stored.view, stored.quantiles, stored.lags, stored.members
    now = recipe.model.model_dump(mode="json"), recipe.view, recipe.quantiles, fresh.lags, recipe.training.members
    for old, new, reason in zip(before, now, DIFFERENCES, strict=True):
        if old != new:
            return reason
    if stored.trained_until is None or stored.trained_until > trained_until:
        return f"the champion has learned from later rows than {trained_until}"
    if _far(restore_collator(champion).scaling, fresh.scaling):
        return "the data have moved too far from those that the champion first saw"
    try:
        restore_network(champion)
    except RuntimeError:
        return "the champion's weights are those of another release"
    return ""


def _far(theirs: Scaling, ours: Scaling) -> bool:
    """Whether a mean has moved by more than three deviations, or a deviation by more than a factor of three."""
    moments = [(theirs.known, ours.known), (theirs.observed, ours.observed)]
    if any((np.abs(new[0] - old[0]) > FARTHEST * old[1]).any() for old, new in moments):
        return True
    ratios = np.concatenate([*(new[1] / old[1] for old, new in moments), [ours.floor / theirs.floor]])
    return bool((np.abs(np.log(ratios)) > np.log(FARTHEST)).any())


def merge_vocabulary(champion: Bundle, fresh: WindowCollator) -> WindowCollator:
    """How the champion's windows were normalised, with codes for the static values that it does not know."""
    known = restore_collator(champion)
    vocabulary = tuple(_grown(*words) for words in zip(known.vocabulary, fresh.vocabulary, strict=True))
    return dataclasses.replace(known, vocabulary=vocabulary)


def _grown(known: dict[str, int], tonight: dict[str, int]) -> dict[str, int]:
    codes = itertools.count(max(known.values(), default=0) + 1)
    return known | {value: next(codes) for value in sorted(tonight) if value not in known}


def load_weights(network: Recurrent, champion: Bundle, member: int) -> None:
    """Load the weights of a member of the champion; a table of static values that has grown repeats its row 0."""
    theirs = restore_network(champion, member).state_dict()
    network.load_state_dict({name: _padded(theirs[name], own) for name, own in network.state_dict().items()})


def _padded(weights: Tensor, own: Tensor) -> Tensor:
    if weights.shape == own.shape:
        return weights
    return torch.cat([weights, weights[:1].expand(len(own) - len(weights), -1)])
