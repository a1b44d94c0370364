"""What a trained network remembers: how far back its forecast depends on what it read, and what its gates do."""

from data_contracts.spec import Spec


class GateUse(Spec):
    """One gate of one layer over the windows looked at; the candidate (`new`) of LSTM and GRU is listed too."""

    layer: int
    gate: str
    """input, forget, output, new (LSTM) · reset, update, new (GRU) · new (rnn)"""
    mean: float
    low: float
    """share of activations below 0.1; of a tanh, below -0.9"""
    high: float
    """share of activations above 0.9"""
    by_step: tuple[float, ...]
    """mean activation at each step of the recurrence, oldest first"""


class Memory(Spec):
    """How much a network's forecast depends on each lag; index 0 is the last observation (lag 1).

    `forecast` goes every way through the network (recurrence, linear skip, shown seasons), `recurrence` through the
    encoder's states alone. Both are mean gradient norms over windows, in normalised units.
    """

    cell: str
    season: int
    segment: int
    forecast: tuple[float, ...]
    recurrence: tuple[float, ...]
    effective: int
    """the farthest lag, in steps, at which `forecast` still matters"""
    effective_recurrence: int
    gates: tuple[GateUse, ...]

    @property
    def sees_a_season(self) -> bool:
        """Whether the forecast still depends on what happened one season before."""
        return self.effective >= self.season
