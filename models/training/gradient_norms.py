"""How strongly training pulls at each layer: gradient norms by group, and clipping by their common norm."""

import re

import torch

from models.networks.recurrent import Recurrent

LARGEST = torch.finfo(torch.float32).max


def group_of(parameter: str) -> str:
    """enter.weight → enter, encoder.weight_hh_l1_reverse → encoder.l1."""
    first = parameter.partition(".")[0]
    layer = re.search(r"_l(\d+)(?:_reverse)?$", parameter)
    return f"{first}.l{layer[1]}" if layer else first


class Gradients:
    """The norms of one epoch's gradients before clipping, by group; adds about a hundredth to a step's time."""

    def __init__(self, model: Recurrent) -> None:
        self.groups: dict[str, list[torch.nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            self.groups.setdefault(group_of(name), []).append(parameter)
        self.total, self.steps = torch.zeros(len(self.groups), dtype=torch.float64), 0

    def clip(self, limit: float) -> None:
        """Scale all gradients so that their common norm is at most `limit`, and remember what it was."""
        found = [[one.grad for one in group if one.grad is not None] for group in self.groups.values()]
        norms = torch.stack([torch.nn.utils.get_total_norm(grads) for grads in found])
        parameters = [one for group in self.groups.values() for one in group]
        torch.nn.utils.clip_grads_with_norm_(parameters, limit, torch.linalg.vector_norm(norms))
        self.total = self.total.to(norms.device) + norms.double().clamp(max=LARGEST)
        self.steps += 1

    def means(self) -> dict[str, float]:
        """Mean norm of each group since the last call, for a new start; an overflow is the largest float."""
        means = (self.total / max(self.steps, 1)).tolist()
        self.total, self.steps = torch.zeros_like(self.total), 0
        return dict(zip(self.groups, means, strict=True))
