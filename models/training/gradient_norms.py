"""Gradient norms by layer, and clipping by their common norm."""

import re

import torch

from models.networks.recurrent import RecurrentNetwork

MAX_FLOAT32 = torch.finfo(torch.float32).max


def layer_name(parameter: str) -> str:
    """Return the layer of a parameter: enter.weight → enter, encoder.weight_hh_l1_reverse → encoder.l1."""
    module = parameter.partition(".")[0]
    layer = re.search(r"_l(\d+)(?:_reverse)?$", parameter)
    return f"{module}.l{layer[1]}" if layer else module


class GradientNorms:
    """Gradient norms of an epoch by layer, before clipping. Recording them adds about 1 % to the time of a step."""

    def __init__(self, model: RecurrentNetwork) -> None:
        self.layers: dict[str, list[torch.nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            self.layers.setdefault(layer_name(name), []).append(parameter)
        self.total, self.steps = torch.zeros(len(self.layers), dtype=torch.float64), 0

    def clip(self, limit: float) -> None:
        """Scale all gradients in place so that their common norm is at most `limit`; record the norms before it."""
        gradients = [
            [parameter.grad for parameter in layer if parameter.grad is not None] for layer in self.layers.values()
        ]
        norms = torch.stack([torch.nn.utils.get_total_norm(layer) for layer in gradients])
        parameters = [parameter for layer in self.layers.values() for parameter in layer]
        torch.nn.utils.clip_grads_with_norm_(parameters, limit, torch.linalg.vector_norm(norms))
        self.total = self.total.to(norms.device) + norms.double().clamp(max=MAX_FLOAT32)
        self.steps += 1

    def pop_means(self) -> dict[str, float]:
        """Return the mean norm of each layer since the last call, and reset; an overflow counts as MAX_FLOAT32."""
        means = (self.total / max(self.steps, 1)).tolist()
        self.total, self.steps = torch.zeros_like(self.total), 0
        return dict(zip(self.layers, means, strict=True))
