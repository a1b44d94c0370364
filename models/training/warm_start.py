"""A warm start: training starts from the champion's weights if they mean the same in the new network.

scaling      the champion's, because its weights expect covariates in those units; so is the seasonal adjustment
vocabulary   the champion's codes, then codes of new values, which start with the embedding of code 0 (unknown)
weights      all; calibration and early stopping start anew
"""

import dataclasses
import itertools

import numpy as np
import torch
from torch import Tensor

from models.bundle import Bundle
from models.data.collation import WindowCollator
from models.data.scaling import Scaling
from models.networks.recurrent import RecurrentNetwork
from models.restore import restore_collator, restore_network
from models.training.recipe import Recipe

DIFFERENCES = (
    "the champion is another kind of network",
    "the champion reads other columns or other windows",
    "the champion forecasts other quantiles",
    "the champion reads other seasonal lags",
    "the champion has another number of members",
)
MAX_DRIFT = 3.0  # of a mean in standard deviations, of a standard deviation as a factor


def obstacle(champion: Bundle, recipe: Recipe, trained_until: str, fresh: WindowCollator) -> str:
    """Explain why training cannot start from the champion's weights.

    A champion that was trained on later rows is refused: its weights would leak the rows that the network is evaluated
    on.

    Args:
        champion: The current champion, of any kind.
        recipe: The recipe of the new network.
        trained_until: Time of the last training target of the new network, UTC.
        fresh: The collator fitted without a champion.

    Returns:
        The reason as a clause; empty if the weights can be used.
    """
    if champion.kind != "recurrent":
        return "the champion is not a recurrent network"
    stored = champion.recurrent
    before = stored.model, stored.view, stored.quantiles, stored.lags, stored.members
    now = recipe.model.model_dump(mode="json"), recipe.view, recipe.quantiles, fresh.lags, recipe.training.members
    for old, new, reason in zip(before, now, DIFFERENCES, strict=True):
        if old != new:
            return reason
    if stored.trained_until is None or stored.trained_until > trained_until:
        return f"the champion was trained on later rows than {trained_until}"
    if _has_drifted(restore_collator(champion).scaling, fresh.scaling):
        return "the inputs have drifted too far from the data that the champion was first trained on"
    try:
        restore_network(champion)
    except RuntimeError:
        return "the champion's weights do not fit this release of Nightcast"
    return ""


def _has_drifted(before: Scaling, now: Scaling) -> bool:
    """Return whether a mean or a standard deviation has moved by more than MAX_DRIFT."""
    moments = [(before.known, now.known), (before.observed, now.observed)]
    if any((np.abs(new[0] - old[0]) > MAX_DRIFT * old[1]).any() for old, new in moments):
        return True
    ratios = np.concatenate([*(new[1] / old[1] for old, new in moments), [now.floor / before.floor]])
    return bool((np.abs(np.log(ratios)) > np.log(MAX_DRIFT)).any())


def merge_vocabulary(champion: Bundle, fresh: WindowCollator) -> WindowCollator:
    """Return the champion's collator with additional codes for the static values that only `fresh` knows."""
    collator = restore_collator(champion)
    vocabulary = tuple(_add_codes(*codes) for codes in zip(collator.vocabulary, fresh.vocabulary, strict=True))
    return dataclasses.replace(collator, vocabulary=vocabulary)


def _add_codes(codes: dict[str, int], fresh: dict[str, int]) -> dict[str, int]:
    new_codes = itertools.count(max(codes.values(), default=0) + 1)
    return codes | {value: next(new_codes) for value in sorted(fresh) if value not in codes}


def load_weights(network: RecurrentNetwork, champion: Bundle, member: int) -> None:
    """Load a member's weights into `network`; new rows of an embedding of static values are copies of its row 0."""
    weights = restore_network(champion, member).state_dict()
    network.load_state_dict({name: _grow(weights[name], len(own)) for name, own in network.state_dict().items()})


def _grow(weights: Tensor, rows: int) -> Tensor:
    if len(weights) == rows:
        return weights
    return torch.cat([weights, weights[:1].expand(rows - len(weights), -1)])
