"""The optimiser, and its learning rate: constant, lowered on a plateau of the validation loss, or a cosine.

cosine: rises linearly over the first twentieth of all steps, then falls along half a cosine to almost 0 at the last
step (Loshchilov and Hutter 2017, arXiv 1608.03983; warm-up: Goyal et al. 2017, arXiv 1706.02677).
"""

import inspect
import math

import torch

from models.training.training_spec import ScheduleName

WARM_UP_SHARE = 0.05


class EagerAdamW(torch.optim.AdamW):
    """AdamW without the wrappers for torch.compile, which import the compiler: seconds of start-up for nothing here."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))
    zero_grad = inspect.unwrap(torch.optim.AdamW.zero_grad)
    add_param_group = inspect.unwrap(torch.optim.AdamW.add_param_group)


def cosine_factor(step: int, steps: int) -> float:
    """Return the share of the peak rate at `step` 0 … steps - 1; never 0, so that each step changes the weights."""
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * min(step - warm_up, steps - warm_up - 1) / (steps - warm_up)))


class LearningRateSchedule:
    """The learning rate of an optimiser that takes at most `steps` steps."""

    def __init__(self, schedule: ScheduleName, optimiser: torch.optim.Optimizer, steps: int) -> None:
        self.schedule, self.optimiser, self.steps, self.steps_taken = schedule, optimiser, steps, 0
        self.peak = float(optimiser.param_groups[0]["lr"])
        self._plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.4, patience=0, threshold=1e-3)
        self._apply()

    @property
    def current(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def step(self) -> None:
        """Update the rate after a training step."""
        self.steps_taken += 1
        self._apply()

    def on_validation(self, validation_loss: float) -> None:
        """Update the rate after an epoch; on a plateau, the loss is not 0.1 % lower than the lowest so far."""
        if self.schedule == "plateau":
            self._plateau.step(validation_loss)

    def lower(self, factor: float) -> None:
        """Multiply the current rate and all later rates by `factor`."""
        self.peak *= factor
        for group in self.optimiser.param_groups:
            group["lr"] *= factor

    def _apply(self) -> None:
        if self.schedule == "cosine":
            for group in self.optimiser.param_groups:
                group["lr"] = self.peak * cosine_factor(self.steps_taken, self.steps)
