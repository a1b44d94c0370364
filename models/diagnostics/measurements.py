"""What is measured of a trained network. This file imports no torch: results of runs are read without it."""

from typing import Literal

from data_contracts.spec import Spec

SIGNIFICANT_SHARE = 0.05  # share of the largest norm from which a lag matters


class GateStatistics(Spec):
    """One gate of one layer over a batch of windows; the candidate (`new`) of LSTM and GRU is listed too."""

    layer: int
    """0 reads the input"""
    gate: str
    """input, forget, output, new (LSTM) · reset, update, new (GRU) · new (rnn)"""
    mean: float
    low: float
    """share of activations below 0.1; of a tanh, below -0.9"""
    high: float
    """share of activations above 0.9"""
    by_step: tuple[float, ...]
    """mean activation at each step of the recurrence, oldest first"""
    direction: Literal["forward", "backward"] = "forward"


class Memory(Spec):
    """How much a network's forecast depends on each lag; index 0 is the last observation (lag 1).

    `forecast` covers all paths through the network (recurrence, linear skip, seasonal lags), `recurrence` only the
    states of the encoder. Both are mean gradient norms over windows, in normalised units.
    """

    cell: str
    season: int
    segment: int
    """steps that are read at once: one state covers that many lags, but each lag has a gradient of its own"""
    forecast: tuple[float, ...]
    recurrence: tuple[float, ...]
    effective: int
    """the farthest lag, in steps, at which `forecast` is at least 5 % of its maximum; 0 if the forecast is constant"""
    effective_recurrence: int
    """the farthest lag at which `recall` is at least 0.5; 0 if it is so nowhere"""
    gates: tuple[GateStatistics, ...]
    recall: tuple[float, ...] = ()
    """share of each observation that can be read from the encoder's states, apart from all others: 0 to 1"""
    exploded: float = 0.0
    """share of windows whose gradients are not finite; the means leave them out"""

    @property
    def sees_a_season(self) -> bool:
        """Whether the forecast depends on the observation one season back."""
        return self.effective >= self.season

    @property
    def carries_a_season(self) -> bool:
        """Whether the observation one season back can be read from the states of the recurrence."""
        return self.effective_recurrence >= self.season
