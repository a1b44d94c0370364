"""What a trained network remembers: how far back its forecast depends on what it read, and what its gates do."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from data_contracts.spec import Spec
from models.data.batches import Batch
from models.diagnostics.gate_activations import GateActivation, gate_activations
from models.diagnostics.sensitivity import MATTERS, derivatives, perturbed, projected, recall
from models.networks.gates import GateDirection
from models.networks.recurrent import Recurrent

TOLD = 0.5  # of an observation's variance


class GateStatistics(Spec):
    """One gate of one layer over the windows looked at; the candidate (`new`) of LSTM and GRU is listed too."""

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

    `forecast` goes every way through the network (recurrence, linear skip, shown seasons), `recurrence` through the
    encoder's states alone. Both are mean gradient norms over windows, in normalised units.
    """

    cell: str
    season: int
    segment: int
    """steps read at once: one state covers so many lags, yet each lag has a gradient of its own"""
    forecast: tuple[float, ...]
    recurrence: tuple[float, ...]
    effective: int
    """the farthest lag, in steps, at which `forecast` still matters: 5 % of its largest; 0 where none does"""
    effective_recurrence: int
    """the farthest lag at which `recall` is a half or more; 0 where none is"""
    gates: tuple[GateStatistics, ...]
    recall: tuple[float, ...] = ()
    """how much of each observation the encoder's states still tell, apart from all others: 0 nothing, 1 all"""
    exploded: float = 0.0
    """share of windows whose gradients are no finite numbers; they are left out of the means"""

    @property
    def sees_a_season(self) -> bool:
        """Whether the forecast still depends on what happened one season before."""
        return self.effective >= self.season

    @property
    def carries_a_season(self) -> bool:
        """Whether the recurrence alone still tells what happened one season before."""
        return self.effective_recurrence >= self.season


def measure_memory(model: Recurrent, batch: Batch, lags: tuple[int, ...] = ()) -> Memory:
    """Look into a network while it forecasts the windows of `batch`, whose echoes are of `lags`; nothing is changed.

    `forecast[k-1]` is the norm, over the horizon, of d(point forecast)/d(y at lag k), in normalised units and with
    what y was normalised by given. `recurrence[k-1]` is that of the context which the readout makes of the states. In
    a network that reads both ways it is that of the way forward: the way back ends at the oldest step, and needs no
    memory to know it. A lag matters to the forecast from 5 % of the largest norm on, as does a pixel to the effective
    receptive field (Luo et al. 2016, arXiv 1701.04128). Some dozens of windows are enough.
    """
    look = copy.deepcopy(model).eval().requires_grad_(False)
    entered: list[Tensor] = []
    states: list[Tensor] = []
    look.encoder.register_forward_pre_hook(lambda _, given: entered.append(given[0].detach()))
    look.readout.register_forward_pre_hook(lambda _, given: states.append(given[0]))
    with torch.enable_grad():
        nudge = torch.zeros_like(batch.linear).requires_grad_()
        forecast = projected(look.point(perturbed(batch, nudge, lags)), nudge)
        context = derivatives(look.readout(_way_forward(states[0], model.spec.hidden)), nudge)
    finite = (forecast.sum(dim=(1, 2)) + context.sum(dim=(1, 2))).isfinite()
    norms = _mean(forecast[finite].norm(dim=1))
    told = _mean(recall(context[finite]))
    with torch.no_grad():
        gates = tuple(_use(opening) for opening in gate_activations(look.encoder, entered[0]))
    return Memory(
        cell=model.spec.cell,
        season=model.shape.season,
        segment=model.segment,
        forecast=norms,
        recurrence=_mean(context[finite].norm(dim=1)),
        effective=last_significant_lag(norms, MATTERS * max(norms)),
        effective_recurrence=last_significant_lag(told, TOLD),
        gates=gates,
        recall=told,
        exploded=1.0 - finite.double().mean().item(),
    )


def last_significant_lag(curve: Sequence[float], least: float) -> int:
    """The farthest lag at which there is something, and at least so much; 0 where there is none."""
    return max((lag for lag, value in enumerate(curve, 1) if value >= least and value > 0), default=0)


def _way_forward(states: Tensor, hidden: int) -> Tensor:
    """The same states, those of the way back as if they were constants."""
    return torch.cat([states[..., :hidden], states[..., hidden:].detach()], dim=-1)


def _mean(by_window: Tensor) -> tuple[float, ...]:
    """(b, L) → one number a lag; 0 where no window is left."""
    return tuple((by_window.sum(dim=0) / max(len(by_window), 1)).tolist())


def _use(opening: GateActivation) -> GateStatistics:
    values = opening.values.double()
    return GateStatistics(
        layer=opening.layer,
        gate=opening.gate,
        direction=opening.direction,
        mean=values.mean().item(),
        low=(values < (-0.9 if opening.gate == "new" else 0.1)).double().mean().item(),
        high=(values > 0.9).double().mean().item(),
        by_step=tuple(values.mean(dim=(0, 2)).tolist()),
    )
