"""What a drawing must know of a network: its size, and how much of the gradient reaches each step of its recurrence."""

import math
from typing import NamedTuple

from models.diagnostics.memory import Memory
from models.networks.recurrent import RecurrentSpec, Shape


class NetworkView(NamedTuple):
    """A trained network and what it remembers."""

    name: str
    spec: RecurrentSpec
    shape: Shape
    memory: Memory


class RecurrenceStep(NamedTuple):
    """One step of the recurrence: the lags that it reads, and the largest gradient among them over the largest."""

    nearest: int
    farthest: int
    share: float


class Gap(NamedTuple):
    """Steps that are left out of the drawing, and the largest share among them."""

    steps: int
    share: float


def recurrence_steps(memory: Memory) -> list[RecurrenceStep]:
    """Every step, oldest first."""
    lookback, segment = len(memory.recurrence), max(memory.segment, 1)
    shares = relative_to_largest(memory.recurrence)
    found = []
    for start in range(0, lookback, segment):
        stop = min(start + segment, lookback)
        found.append(RecurrenceStep(start + 1, stop, max(shares[start:stop])))
    return found[::-1]


def relative_to_largest(curve: tuple[float, ...]) -> list[float]:
    """Each value over the largest; 0 where there is none, or it is no finite number."""
    sound = [value if math.isfinite(value) and value > 0 else 0.0 for value in curve]
    largest = max(sound, default=0.0)
    return [value / largest if largest > 0 else 0.0 for value in sound]


def elide_middle(steps: list[RecurrenceStep], room: int) -> list[RecurrenceStep | Gap]:
    """At most `room` places: the oldest steps, a gap, and twice as many of the newest."""
    if len(steps) <= room:
        return list(steps)
    old = max(1, (room - 1) // 3)
    new = room - 1 - old
    middle = steps[old:-new]
    return [*steps[:old], Gap(len(middle), max(one.share for one in middle)), *steps[-new:]]
