"""The moving average of the weights: smoother than any one step's, and often better on what comes after.

Polyak and Juditsky 1992; of the last weights in deep networks Izmailov et al. 2018 (arXiv 1803.05407).
"""

import copy

import torch

from models.networks.recurrent import Recurrent


class ExponentialMovingAverage:
    """What is judged and kept: the average of `model`'s weights over the steps, or with `decay` 0 the model itself."""

    def __init__(self, model: Recurrent, decay: float) -> None:
        self.source, self.decay, self.taken = model, decay, 0
        self.model = copy.deepcopy(model) if decay else model

    @torch.no_grad()
    def update(self) -> None:
        """After each step. Early on the average is shorter, so that it does not remember how training began."""
        if self.decay:
            self.taken += 1
            decay = min(self.decay, (1 + self.taken) / (10 + self.taken))
            for mean, weight in zip(self.model.parameters(), self.source.parameters(), strict=True):
                mean.lerp_(weight, 1 - decay)

    def restart(self, weights: dict[str, torch.Tensor]) -> None:
        """Forget the way so far: both go back to `weights`."""
        self.taken = 0
        for model in (self.source, self.model):
            model.load_state_dict(weights)
