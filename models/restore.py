"""Restore the network and the window normalisation that a bundle stores."""

from typing import TYPE_CHECKING

from models.bundle import Bundle
from models.data.collation import WindowCollator
from models.data.scaling import Scaling
from models.networks.architecture import NetworkShape, RecurrentSpec

if TYPE_CHECKING:
    from models.networks.recurrent import RecurrentNetwork


def restore_spec(bundle: Bundle) -> RecurrentSpec:
    """Return the architecture of a bundle's network."""
    return RecurrentSpec.model_validate(bundle.recurrent.model)


def segment_steps(bundle: Bundle) -> int:
    """Return the steps that a network reads at a time."""
    return min(restore_spec(bundle).segment or 1, bundle.lookback)


def restore_shape(bundle: Bundle) -> NetworkShape:
    """Return the widths of a bundle's network."""
    return NetworkShape.model_validate(bundle.recurrent.shape)


def restore_collator(bundle: Bundle) -> WindowCollator:
    """Return the window normalisation that the network was trained with."""
    stored, tensors = bundle.recurrent, bundle.tensors
    return WindowCollator(
        lookback=bundle.lookback,
        horizon=bundle.horizon,
        lags=stored.lags,
        scaling=Scaling(tensors["scaling.known"], tensors["scaling.observed"], stored.floor, stored.target),
        vocabulary=stored.vocabulary,
        normalisation=restore_spec(bundle).normalisation,
        filling=stored.filling,
        adjustment=stored.adjustment,
    )


def tensor_prefix(member: int) -> str:
    """Return the prefix of the names of a member's tensors."""
    return f"net{member or ''}."


def restore_network(bundle: Bundle, member: int = 0) -> "RecurrentNetwork":
    """Return the network with its weights, in evaluation mode; of an ensemble, the given member.

    Raises:
        RuntimeError: The weights do not fit the architecture, as in a bundle of another release.
    """
    import torch

    from models.networks.recurrent import RecurrentNetwork

    network = RecurrentNetwork(restore_spec(bundle), restore_shape(bundle))
    prefix = tensor_prefix(member)
    weights = {n.removeprefix(prefix): torch.from_numpy(v) for n, v in bundle.tensors.items() if n.startswith(prefix)}
    network.load_state_dict(weights)
    return network.eval()
