"""Dropout whose masks are drawn in bulk: on a CPU torch draws a number for each value, a tenth of a training step."""

import torch
from torch import Tensor, nn

LEVELS = 2**16  # a mask compares 16 random bits with the rate


class Dropout(nn.Dropout):
    """torch.nn.Dropout; in training on a CPU each random number decides on four values."""

    def forward(self, values: Tensor) -> Tensor:
        """Return values of any shape; in training each is 0 with probability `p`, and else divided by 1 - p."""
        if self.training and values.device.type == "cpu":
            return drop(values, self.p)
        dropped: Tensor = super().forward(values)
        return dropped


def drop(values: Tensor, rate: float) -> Tensor:
    """Set values to 0 at random and scale the rest, so that the expectation stays the same.

    Args:
        values: On a CPU, of any shape.
        rate: Probability that a value becomes 0, from 0 to below 1; rounded to a multiple of 1 / LEVELS.

    Returns:
        The values, each 0 or divided by the probability that it is kept.
    """
    dropped = min(round(rate * LEVELS), LEVELS - 1)
    if not dropped:
        return values
    order = list(range(values.dim()))
    if not values.is_contiguous():
        order.sort(key=values.stride, reverse=True)
    as_stored = values.permute(order)  # else a product of two layouts takes several times as long
    numbers = torch.empty(-(-values.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    bits = numbers.view(torch.int16)[: values.numel()].view(as_stored.shape)
    kept = (bits >= dropped - LEVELS // 2).to(values.dtype).mul_(LEVELS / (LEVELS - dropped))
    return (as_stored * kept).permute([order.index(dimension) for dimension in range(values.dim())])
