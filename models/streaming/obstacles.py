"""What keeps a network from streaming exactly: an old input that reads differently once a newer one has arrived."""

from models.bundle import Bundle
from models.restore import restore_spec


def streaming_obstacles(bundle: Bundle) -> tuple[str, ...]:
    """List why a kept state of this model is not what reading its whole history again would give.

    Args:
        bundle: A model of any kind.

    Returns:
        A sentence per reason; none if each step, or each whole segment, moves the state on exactly.
    """
    if bundle.kind != "recurrent":
        return (f"{bundle.name} has no state: it is computed from the lookback",)
    spec, filling, features = restore_spec(bundle), bundle.recurrent.filling, bundle.view.features
    reasons = []
    if spec.normalisation != "none":
        reasons.append(f"normalisation `{spec.normalisation}` shifts and scales a window by all of its lookback")
    if spec.bidirectional:
        reasons.append("a bidirectional encoder reads the lookback from its end")
    if spec.readout == "attention":
        reasons.append("attention reads the states of all steps, not the last one alone")
    if features.known_columns or features.observed:
        columns = ", ".join((*features.known_columns, *features.observed))
        reasons.append(f"covariates are scaled by their own lookback ({columns})")
    if filling.y not in ("none", "zero"):
        reasons.append(f"gaps are filled from other steps of the window (`{filling.y}`)")
    return tuple(reasons)


def streams_exactly(bundle: Bundle) -> bool:
    """Return whether a kept state equals reading the whole history again, at each step or at each end of a segment."""
    return not streaming_obstacles(bundle)
