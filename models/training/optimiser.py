"""AdamW of torch without the import of torch._dynamo, which takes as long as that of torch itself.

torch wraps the methods of its optimisers so that `torch.compile` leaves them alone; the wrappers import its compiler at
the first call. Nothing here is compiled. The methods below are those of torch without their wrappers: the arithmetic
and its bytes are the same.
"""

import inspect
from typing import Any

import torch
from torch import nn

from models.training.training_spec import TrainingSpec


def _unwrapped(method: Any) -> Any:
    """Return a method as torch wrote it, without decorators."""
    return inspect.unwrap(method)


class AdamW(torch.optim.AdamW):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv 1711.05101)."""

    add_param_group = _unwrapped(torch.optim.Optimizer.add_param_group)
    zero_grad = _unwrapped(torch.optim.Optimizer.zero_grad)
    step = torch.no_grad()(_unwrapped(torch.optim.Adam.step))


def build_optimiser(network: nn.Module, spec: TrainingSpec) -> AdamW:
    """Return the optimiser of all weights of a network, with the learning rate and the weight decay of `spec`."""
    return AdamW(network.parameters(), spec.learning_rate, weight_decay=spec.weight_decay)
