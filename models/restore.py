"""Restore the network and the window normalisation that a bundle stores."""

import torch

from models.bundle import Bundle
from models.data.batches import WindowCollator
from models.data.imputation import Filling
from models.data.scaling import Scaling
from models.networks.recurrent import Recurrent, RecurrentSpec, Shape


def restore_collator(bundle: Bundle) -> WindowCollator:
    """How this model's windows were normalised when it learned."""
    told = bundle.settings
    known, observed = bundle.tensors["scaling.known"], bundle.tensors["scaling.observed"]
    scaling = Scaling(known, observed, told["floor"], tuple(told["target"]))
    vocabulary, normalisation = tuple(told["vocabulary"]), told["model"]["normalisation"]
    filling = Filling.from_told(told.get("filling", {}))
    return WindowCollator(
        bundle.lookback, bundle.horizon, tuple(told["lags"]), scaling, vocabulary, normalisation, filling
    )


def tensor_prefix(member: int) -> str:
    """What the names of a member's tensors begin with."""
    return f"net{member or ''}."


def restore_network(bundle: Bundle, member: int = 0) -> Recurrent:
    """The network with its weights, ready to forecast; of several, the one with that number."""
    model = Recurrent(RecurrentSpec(**bundle.settings["model"]), Shape(**bundle.settings["shape"]))
    own = tensor_prefix(member)
    weights = {n.removeprefix(own): torch.from_numpy(v) for n, v in bundle.tensors.items() if n.startswith(own)}
    model.load_state_dict(weights)
    return model.eval()
