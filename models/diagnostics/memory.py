"""Memory of a trained network: how far back its forecast depends on its inputs, and how open its gates are."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from models.data.batches import Batch
from models.diagnostics.gate_activations import GateActivation, gate_activations
from models.diagnostics.measurements import SIGNIFICANT_SHARE, GateStatistics, Memory
from models.diagnostics.sensitivity import compute_jacobian, compute_recall, perturbed, project_jacobian
from models.networks.recurrent import RecurrentNetwork

MIN_RECALL = 0.5  # share of an observation's variance


def measure_memory(model: RecurrentNetwork, batch: Batch, lags: tuple[int, ...] = ()) -> Memory:
    """Measure the memory of a network on the windows of `batch`; some dozens of windows are enough.

    `forecast[k-1]` is the norm, over the horizon, of d(point forecast)/d(y at lag k), in normalised units, with the
    location and scale of the normalisation held constant. `recurrence[k-1]` is the same for the context that the
    readout makes of the states. In a bidirectional network it covers the forward direction only: the backward direction
    ends at the oldest step and needs no memory to know it.

    Args:
        model: The network; it is not changed.
        batch: Windows on the CPU.
        lags: Seasonal lags of `batch.future`, in steps.

    Returns:
        Gradient norms and recall by lag, and statistics of the gates.

    Source: 5 % of the largest norm bounds the effective receptive field of Luo et al. 2016 (arXiv 1701.04128).
    """
    network = copy.deepcopy(model).eval().requires_grad_(False)
    inputs: list[Tensor] = []
    states: list[Tensor] = []
    network.encoder.register_forward_pre_hook(lambda _, args: inputs.append(args[0].detach()))
    network.readout.register_forward_pre_hook(lambda _, args: states.append(args[0]))
    with torch.enable_grad():
        perturbation = torch.zeros_like(batch.linear).requires_grad_()
        forecast = project_jacobian(network.point(perturbed(batch, perturbation, lags)), perturbation)
        context = compute_jacobian(network.readout(_detach_backward(states[0], model.spec.hidden)), perturbation)
    finite = (forecast.sum(dim=(1, 2)) + context.sum(dim=(1, 2))).isfinite()
    norms = _mean_by_lag(forecast[finite].norm(dim=1))
    recall = _mean_by_lag(compute_recall(context[finite]))
    with torch.no_grad():
        gates = tuple(_summarise(activation) for activation in gate_activations(network.encoder, inputs[0]))
    return Memory(
        cell=model.spec.cell,
        season=model.shape.season,
        segment=model.segment,
        forecast=norms,
        recurrence=_mean_by_lag(context[finite].norm(dim=1)),
        effective=last_significant_lag(norms, SIGNIFICANT_SHARE * max(norms)),
        effective_recurrence=last_significant_lag(recall, MIN_RECALL),
        gates=gates,
        recall=recall,
        exploded=1.0 - finite.double().mean().item(),
    )


def last_significant_lag(curve: Sequence[float], threshold: float) -> int:
    """Return the farthest lag whose value is positive and at least `threshold`; 0 if no value is."""
    return max((lag for lag, value in enumerate(curve, 1) if value >= threshold and value > 0), default=0)


def _detach_backward(states: Tensor, hidden: int) -> Tensor:
    """Return the states with those of the backward direction as constants."""
    return torch.cat([states[..., :hidden], states[..., hidden:].detach()], dim=-1)


def _mean_by_lag(values: Tensor) -> tuple[float, ...]:
    """Average (b, L) over the windows; 0 without windows."""
    return tuple((values.sum(dim=0) / max(len(values), 1)).tolist())


def _summarise(activation: GateActivation) -> GateStatistics:
    values = activation.values.double()
    return GateStatistics(
        layer=activation.layer,
        gate=activation.gate,
        direction=activation.direction,
        mean=values.mean().item(),
        low=(values < (-0.9 if activation.gate == "new" else 0.1)).double().mean().item(),
        high=(values > 0.9).double().mean().item(),
        by_step=tuple(values.mean(dim=(0, 2)).tolist()),
    )
