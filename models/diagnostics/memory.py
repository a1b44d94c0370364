"""Memory of a trained network: how far back its forecast depends on its inputs, and how open its gates are."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from data_contracts.spec import Spec
from models.data.batches import Batch
from models.diagnostics.gate_activations import GateActivation, gate_activations
from models.diagnostics.sensitivity import (
    SIGNIFICANT_SHARE,
    compute_jacobian,
    compute_recall,
    perturbed,
    project_jacobian,
)
from models.networks.gates import GateDirection
from models.networks.recurrent import RecurrentNetwork

MIN_RECALL = 0.5  # share of an observation's variance


class GateStatistics(Spec):
    """One gate of one layer over a batch of windows; the candidate (`new`) of LSTM and GRU is listed too."""

    layer: int
    """0 reads the input"""
    gate: str
    """input, forget, output, new (LSTM) · reset, update, new (GRU) · new (rnn)"""
    mean: float
    low: float
    """share of activations below 0.1; of a tanh, below -0.9"""
    high: float
    """share of activations above 0.9"""
    by_step: tuple[float, ...]
    """mean activation at each step of the recurrence, oldest first"""
    direction: GateDirection = "forward"


class Memory(Spec):
    """How much a network's forecast depends on each lag; index 0 is the last observation (lag 1).

    `forecast` covers all paths through the network (recurrence, linear skip, seasonal lags), `recurrence` only the
    states of the encoder. Both are mean gradient norms over windows, in normalised units.
    """

    cell: str
    season: int
    segment: int
    """steps that are read at once: one state covers that many lags, but each lag has a gradient of its own"""
    forecast: tuple[float, ...]
    recurrence: tuple[float, ...]
    effective: int
    """the farthest lag, in steps, at which `forecast` is at least 5 % of its maximum; 0 if the forecast is constant"""
    effective_recurrence: int
    """the farthest lag at which `recall` is at least 0.5; 0 if it is so nowhere"""
    gates: tuple[GateStatistics, ...]
    recall: tuple[float, ...] = ()
    """share of each observation that can be read from the encoder's states, apart from all others: 0 to 1"""
    exploded: float = 0.0
    """share of windows whose gradients are not finite; the means leave them out"""

    @property
    def sees_a_season(self) -> bool:
        """Whether the forecast depends on the observation one season back."""
        return self.effective >= self.season

    @property
    def carries_a_season(self) -> bool:
        """Whether the observation one season back can be read from the states of the recurrence."""
        return self.effective_recurrence >= self.season


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
