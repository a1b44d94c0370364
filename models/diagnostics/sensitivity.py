"""Sensitivity of a network's outputs to each observation of the lookback: derivatives by lag, newest first.

b windows · L lags · n outputs · J (b, n, L) the Jacobian of the outputs by the normalised target, with the location
and scale of the normalisation held constant
"""

import dataclasses

import torch
from torch import Tensor

from models.data.batches import Batch
from models.diagnostics.measurements import SIGNIFICANT_SHARE

MAX_PROJECTIONS = 16


def perturbed(batch: Batch, perturbation: Tensor, lags: tuple[int, ...]) -> Batch:
    """Add `perturbation` to the observations in every input of the network that shows them.

    These are the target column of `past`; `linear`, in which the last observation replaces a missing value; and the
    values of the seasonal lags in `future`. A perturbation of zeros changes nothing. Autograd follows it everywhere.

    Args:
        batch: Windows, not changed.
        perturbation: Normalised change of each observation, (b, L), oldest first.
        lags: Seasonal lags of `batch.future`, in steps.

    Returns:
        The perturbed batch.
    """
    lookback, horizon = perturbation.shape[1], batch.future.shape[1]
    observed = batch.past[..., 1] > 0
    last = torch.where(observed, torch.arange(lookback), -1).cummax(dim=1).values
    carried = perturbation.gather(1, last.clamp(min=0)) * (last >= 0)
    target = batch.past[..., :1] + (perturbation * observed).unsqueeze(-1)
    seasonal = torch.zeros_like(batch.future)
    ahead = torch.arange(1, horizon + 1)
    for index, lag in enumerate(lags, -len(lags)):
        source = lookback - 1 + ahead - lag * -(-ahead // lag)
        visible = (batch.future[..., 2 * index + 1] > 0) & (source >= 0)
        seasonal[..., 2 * index] = perturbation[:, source.clamp(min=0)] * visible
    past = torch.cat([target, batch.past[..., 1:]], dim=-1)
    return dataclasses.replace(batch, past=past, linear=batch.linear + carried, future=batch.future + seasonal)


def compute_jacobian(outputs: Tensor, perturbation: Tensor) -> Tensor:
    """Return J (b, n, L) in float64 of outputs (b, n): exact, with n backward passes."""
    return _differentiate(torch.eye(outputs.shape[1]).unsqueeze(1), outputs, perturbation)


def project_jacobian(outputs: Tensor, perturbation: Tensor) -> Tensor:
    """Compute a matrix with few rows whose column norms are those of the Jacobian, or estimates of them.

    Over random signs v the mean of (vᵀJ)² is the squared norm of each column of J, however many outputs there are. The
    signs come from a generator of their own with a fixed seed.

    Args:
        outputs: Outputs of the network, (b, n).
        perturbation: The tensor that the outputs were computed from, (b, L), oldest first.

    Returns:
        (b, at most MAX_PROJECTIONS, L) in float64, newest lag first; J itself if n is at most MAX_PROJECTIONS.

    Source: Hutchinson 1990.
    """
    count, width = outputs.shape
    if width <= MAX_PROJECTIONS:
        return compute_jacobian(outputs, perturbation)
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (MAX_PROJECTIONS, count, width), generator=generator) * 2.0 - 1.0
    return _differentiate(signs / MAX_PROJECTIONS**0.5, outputs, perturbation)


def _differentiate(directions: Tensor, outputs: Tensor, perturbation: Tensor) -> Tensor:
    rows = [
        torch.autograd.grad((outputs * direction).sum(), perturbation, retain_graph=True)[0] for direction in directions
    ]
    return torch.stack(rows, dim=1).double().flip(2)


def compute_recall(jacobian: Tensor) -> Tensor:
    """Compute how much of the observation at each lag can be read from the outputs, apart from all other lags.

    Recall is the share of an observation's variance that the best linear estimate from the outputs recovers, if
    observations are independent and the outputs carry noise of 5 % of the largest norm. A norm alone does not
    measure memory: a running sum depends on every step that it has read, but no single step can be recovered from it;
    the same holds for a chaotic network.

    Args:
        jacobian: J (b, n, L) in float64.

    Returns:
        Recall (b, L), from 0 to 1.

    Source: the memory function of Jaeger (2001), from derivatives as in Ganguli, Huh and Sompolinsky (2008).
    """
    noise = (SIGNIFICANT_SHARE * jacobian.norm(dim=1).amax(dim=1)).square().clamp(min=1e-100)
    covariance = jacobian @ jacobian.mT + noise[:, None, None] * torch.eye(jacobian.shape[1], dtype=jacobian.dtype)
    return (jacobian * torch.linalg.solve(covariance, jacobian)).sum(dim=1)
