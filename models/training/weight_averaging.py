"""Moving average of the weights: smoother than the weights of a single step, and often better on later data.

Source: Polyak and Juditsky 1992; for the last weights of deep networks Izmailov et al. 2018 (arXiv 1803.05407).
"""

import copy

import torch
from torch import nn

from models.networks.recurrent import RecurrentNetwork


class ExponentialMovingAverage:
    """`model` holds the average of the weights of `source` over the steps; with `decay` 0 it is `source`."""

    def __init__(self, source: RecurrentNetwork, decay: float) -> None:
        self.source, self.decay, self.steps_taken = source, decay, 0
        self.model = copy.deepcopy(source) if decay else source
        self._means: list[torch.Tensor] = list(self.model.parameters())
        self._weights: list[torch.Tensor] = list(source.parameters())
        for module in self.model.modules():
            if isinstance(module, nn.RNNBase):  # cuDNN would pack the weights of a copy in every call
                module.flatten_parameters()

    @torch.no_grad()
    def update(self) -> None:
        """Add the weights after a step. Early averages are shorter, so that the initial weights fade sooner."""
        if self.decay:
            self.steps_taken += 1
            decay = min(self.decay, (1 + self.steps_taken) / (10 + self.steps_taken))
            torch._foreach_lerp_(self._means, self._weights, 1 - decay)

    def reset(self, weights: dict[str, torch.Tensor]) -> None:
        """Set both the source and its average to `weights`."""
        self.steps_taken = 0
        for model in (self.source, self.model):
            model.load_state_dict(weights)
