"""The data of a network's drawings: its size, and the share of the gradient that reaches each recurrent step."""

import math
from typing import NamedTuple

from models.diagnostics.measurements import Memory
from models.networks.architecture import NetworkShape, RecurrentSpec


class NetworkView(NamedTuple):
    """A trained network with its measured memory."""

    name: str
    spec: RecurrentSpec
    shape: NetworkShape
    memory: Memory


class RecurrenceStep(NamedTuple):
    """One step of the recurrence: the lags it reads, and its gradient as a share of the largest."""

    nearest: int
    farthest: int
    share: float


class Gap(NamedTuple):
    """Steps that are left out of the drawing, and the largest share among them."""

    steps: int
    share: float


def recurrence_steps(memory: Memory) -> list[RecurrenceStep]:
    """Return every step of the recurrence, oldest first; the share of a segment is the largest of its lags."""
    lookback, segment = len(memory.recurrence), max(memory.segment, 1)
    shares = relative_to_largest(memory.recurrence)
    steps = []
    for start in range(0, lookback, segment):
        stop = min(start + segment, lookback)
        steps.append(RecurrenceStep(start + 1, stop, max(shares[start:stop])))
    return steps[::-1]


def relative_to_largest(curve: tuple[float, ...]) -> list[float]:
    """Divide each value by the largest finite one; values that are not finite and positive become 0."""
    valid = [value if math.isfinite(value) and value > 0 else 0.0 for value in curve]
    largest = max(valid, default=0.0)
    return [value / largest if largest > 0 else 0.0 for value in valid]


def elide_middle(steps: list[RecurrenceStep], max_columns: int) -> list[RecurrenceStep | Gap]:
    """Shorten to `max_columns` columns: the oldest steps, a gap, and twice as many of the newest steps."""
    if len(steps) <= max_columns:
        return list(steps)
    old = max(1, (max_columns - 1) // 3)
    new = max_columns - 1 - old
    middle = steps[old:-new]
    return [*steps[:old], Gap(len(middle), max(step.share for step in middle)), *steps[-new:]]
