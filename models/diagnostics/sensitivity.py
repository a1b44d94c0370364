"""What each observation of the lookback does to what a network makes of it: derivatives by lag, newest first.

b windows · L lags · n outputs · J (b, n, L) their derivatives by the normalised target, what it was normalised by given
"""

import dataclasses

import torch
from torch import Tensor

from models.data.batches import Batch

PROJECTIONS = 16
MATTERS = 0.05  # of the largest norm


def perturbed(batch: Batch, nudge: Tensor, lags: tuple[int, ...]) -> Batch:
    """The same batch; `nudge` (b, L), oldest first, is added to the observations wherever a network is shown them.

    That is the target's column of `past`, `linear`, where a missing value is the last one seen, and the echoes in
    `future` of the seasons `lags`. A nudge of zeros changes nothing, and autograd follows it everywhere.
    """
    lookback, horizon = nudge.shape[1], batch.future.shape[1]
    seen = batch.past[..., 1] > 0
    last = torch.where(seen, torch.arange(lookback), -1).cummax(dim=1).values
    carried = nudge.gather(1, last.clamp(min=0)) * (last >= 0)
    target = batch.past[..., :1] + (nudge * seen).unsqueeze(-1)
    echoes = torch.zeros_like(batch.future)
    ahead = torch.arange(1, horizon + 1)
    for place, lag in enumerate(lags, -len(lags)):
        shown = lookback - 1 + ahead - lag * -(-ahead // lag)
        visible = (batch.future[..., 2 * place + 1] > 0) & (shown >= 0)
        echoes[..., 2 * place] = nudge[:, shown.clamp(min=0)] * visible
    past = torch.cat([target, batch.past[..., 1:]], dim=-1)
    return dataclasses.replace(batch, past=past, linear=batch.linear + carried, future=batch.future + echoes)


def derivatives(outputs: Tensor, nudge: Tensor) -> Tensor:
    """J (b, n, L) in float64 of outputs (b, n): exact, at the price of n backward passes."""
    return _along(torch.eye(outputs.shape[1]).unsqueeze(1), outputs, nudge)


def projected(outputs: Tensor, nudge: Tensor) -> Tensor:
    """(b, at most PROJECTIONS, L), whose norm over dimension 1 is that of J, or an estimate where outputs are many.

    Over random signs v the mean of (vᵀJ)² is the square of the norm of each column of J (Hutchinson 1990), however
    long the horizon. The signs are the same ones each time, and nobody else's random numbers are used up.
    """
    count, width = outputs.shape
    if width <= PROJECTIONS:
        return derivatives(outputs, nudge)
    draw = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (PROJECTIONS, count, width), generator=draw) * 2.0 - 1.0
    return _along(signs / PROJECTIONS**0.5, outputs, nudge)


def _along(directions: Tensor, outputs: Tensor, nudge: Tensor) -> Tensor:
    rows = [torch.autograd.grad((outputs * one).sum(), nudge, retain_graph=True)[0] for one in directions]
    return torch.stack(rows, dim=1).double().flip(2)


def recall(jacobian: Tensor) -> Tensor:
    """(b, L) from 0 to 1: how much of the observation at each lag the outputs still tell, apart from all others.

    The share of its variance that the best linear reading of the outputs recovers, were observations independent and
    the outputs blurred by noise of MATTERS of the largest norm: the memory function of Jaeger (2001), by derivatives
    as in Ganguli, Huh & Sompolinsky (2008). A norm alone is no memory: a running sum depends on every step it ever
    read and can tell none of them, and neither can a chaotic network.
    """
    blur = (MATTERS * jacobian.norm(dim=1).amax(dim=1)).square().clamp(min=1e-100)
    spread = jacobian @ jacobian.mT + blur[:, None, None] * torch.eye(jacobian.shape[1], dtype=jacobian.dtype)
    return (jacobian * torch.linalg.solve(spread, jacobian)).sum(dim=1)
