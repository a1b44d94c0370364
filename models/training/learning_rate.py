"""The learning rate of every step: held, lowered where validation stalls, or down a cosine after a warm-up.

cosine: up a straight line over the first twentieth of all steps, then down half a cosine to almost nothing at the
last step (Loshchilov and Hutter 2017, arXiv 1608.03983; warm-up: Goyal et al. 2017, arXiv 1706.02677).
"""

import math
from typing import Literal

import torch

Schedule = Literal["plateau", "cosine", "constant"]
WARM_UP = 0.05


def cosine_factor(step: int, steps: int) -> float:
    """Share of the peak rate at `step` 0 … steps - 1 of the cosine schedule; never 0, so that every step teaches."""
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * min(step - warm, steps - warm - 1) / (steps - warm)))


class LearningRateSchedule:
    """The learning rate of an optimiser that takes at most `steps` steps."""

    def __init__(self, schedule: Schedule, optimiser: torch.optim.Optimizer, steps: int) -> None:
        self.schedule, self.optimiser, self.steps, self.taken = schedule, optimiser, steps, 0
        self.peak = float(optimiser.param_groups[0]["lr"])
        self._stalled = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.4, patience=0, threshold=1e-3)
        self._follow()

    @property
    def now(self) -> float:
        return float(self.optimiser.param_groups[0]["lr"])

    def step(self) -> None:
        """After each step."""
        self.taken += 1
        self._follow()

    def on_validation(self, validation_loss: float) -> None:
        """After each epoch: a plateau is an epoch whose validation loss is not a thousandth better than the best."""
        if self.schedule == "plateau":
            self._stalled.step(validation_loss)

    def lower(self, factor: float) -> None:
        """From now on `factor` times what it would be."""
        self.peak *= factor
        for group in self.optimiser.param_groups:
            group["lr"] *= factor

    def _follow(self) -> None:
        if self.schedule == "cosine":
            for group in self.optimiser.param_groups:
                group["lr"] = self.peak * cosine_factor(self.taken, self.steps)
