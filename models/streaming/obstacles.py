"""What keeps a network from streaming exactly: an old input that reads differently once a newer one has arrived."""

from models.bundle import Bundle
from models.data.panel import InputSpec
from models.networks.architecture import RecurrentSpec
from models.restore import restore_spec


def list_obstacles(spec: RecurrentSpec, view: InputSpec) -> tuple[str, ...]:
    """List why a kept state of a network is not what reading its whole history again would give.

    Args:
        spec: The architecture.
        view: What the network reads.

    Returns:
        A sentence per reason; none if each step, or each whole segment, moves the state on exactly.
    """
    reasons = []
    if spec.normalisation != "none":
        reasons.append(f"normalisation `{spec.normalisation}` shifts and scales a window by all of its lookback")
    if spec.bidirectional:
        reasons.append("a bidirectional encoder reads the lookback from its end")
    if spec.readout == "attention":
        reasons.append("attention reads the states of all steps, not the last state alone")
    if covariates := (*view.features.known_columns, *view.features.observed):
        reasons.append(f"covariates are scaled by their own lookback ({', '.join(covariates)})")
    if view.fill_of("y") not in ("none", "zero"):
        reasons.append(f"gaps are filled from other steps of the window (`{view.fill_of('y')}`)")
    return tuple(reasons)


def streaming_obstacles(bundle: Bundle) -> tuple[str, ...]:
    """List why a kept state of a stored model is not exact, as `list_obstacles` does."""
    if bundle.kind != "recurrent":
        return (f"{bundle.name} has no state: it is computed from the lookback",)
    return list_obstacles(restore_spec(bundle), bundle.view)


def streams_exactly(bundle: Bundle) -> bool:
    """Return whether a kept state equals reading the whole history again, at each step or at each end of a segment."""
    return not streaming_obstacles(bundle)


def describe_streaming(spec: RecurrentSpec, view: InputSpec) -> str:
    """Return in a sentence how `nightcast serve` moves this network on by one observation."""
    if reasons := list_obstacles(spec, view):
        return f"{spec.name} reads its lookback again for each observation: {'; '.join(reasons)}"
    segment = spec.segment or 1
    if segment > 1:
        return (
            f"{spec.name} can go on from a kept state at the end of each segment of {segment} steps (--state carried)"
        )
    return f"{spec.name} can go on from a kept state at each step (--state carried)"
