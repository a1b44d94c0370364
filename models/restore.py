"""Restore the network and the window normalisation that a bundle stores."""

import torch

from models.bundle import Bundle
from models.data.batches import Gatherer
from models.data.imputation import Filling
from models.data.scaling import Scaling
from models.networks.recurrent import Recurrent, RecurrentSpec, Shape


def gatherer_of(bundle: Bundle) -> Gatherer:
    """How this model's windows were normalised when it learned."""
    told = bundle.settings
    known, observed = bundle.tensors["scaling.known"], bundle.tensors["scaling.observed"]
    scaling = Scaling(known, observed, told["floor"], tuple(told["target"]))
    vocabulary, normalisation = tuple(told["vocabulary"]), told["model"]["normalisation"]
    filling = Filling.from_told(told.get("filling", {}))
    return Gatherer(bundle.lookback, bundle.horizon, tuple(told["lags"]), scaling, vocabulary, normalisation, filling)


def prefix(member: int) -> str:
    """What the names of a member's tensors begin with."""
    return f"net{member or ''}."


def network_of(bundle: Bundle, member: int = 0) -> Recurrent:
    """The network with its weights, ready to forecast; of several, the one with that number."""
    model = Recurrent(RecurrentSpec(**bundle.settings["model"]), Shape(**bundle.settings["shape"]))
    own = prefix(member)
    weights = {n.removeprefix(own): torch.from_numpy(v) for n, v in bundle.tensors.items() if n.startswith(own)}
    model.load_state_dict(weights)
    return model.eval()
