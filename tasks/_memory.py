"""What a trained network remembers, in windows of the validation part, and in words."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from data_contracts.errors import SeasonOutOfSight
from models.bundle import Bundle, gatherer_of, network_of
from models.devices import same_threads
from models.diagnostics import GateUse, Memory, remember
from models.panel import Panel
from models.windows import WindowIndex
from tasks import _journal

WINDOWS = 64  # spread evenly over the validation part


def memory_of(bundle: Bundle, panel: Panel, index: WindowIndex) -> Memory:
    """How far back the network of a bundle sees; takes a fraction of an epoch."""
    series, position = index.of("validation")
    some = np.linspace(0, len(series) - 1, min(len(series), WINDOWS)).astype(int)
    batch = gatherer_of(bundle).gather(panel, series[some], position[some])
    with same_threads(bundle.settings["training"]["threads"]):
        return remember(network_of(bundle), batch, tuple(bundle.settings["lags"]))


def out_of_sight(memory: Memory) -> str:
    """Why a network can't see one season back; empty where it does."""
    if memory.sees_a_season:
        return ""
    lookback, season = len(memory.forecast), memory.season
    if lookback < season:
        return f"it can't see a season back: its lookback of {lookback} steps is shorter than a season of {season}"
    if not memory.effective:
        return f"it can't see a season ({season} steps) back: nothing that it reads matters to its forecast"
    return (
        f"it can't see a season back: its forecast depends on the last {memory.effective} of the {lookback} steps "
        f"that it reads, and a season is {season}"
    )


def held_to(rule: Literal["warn", "fail"], model: str, memory: Memory) -> str:
    """What there is to say of a network that can't see a season, which is logged. Raises SeasonOutOfSight."""
    blind = out_of_sight(memory)
    if blind and rule == "fail":
        raise SeasonOutOfSight(model, memory.effective, memory.season, blind)
    if blind:
        _journal.log.warning("! %-13s %s", model, blind)
    return blind


def saturation(uses: tuple[GateUse, ...]) -> float:
    """Mean share of activations that are as good as shut or open; NaN where no gate was looked at."""
    gates = [use for use in uses if use.gate != "new"] or list(uses)
    return sum(use.low + use.high for use in gates) / len(gates) if gates else float("nan")


def metrics(memory: Memory) -> Iterator[tuple[str, float]]:
    """Name and value of each number that goes with a training run."""
    yield "effective_memory", float(memory.effective)
    yield "effective_memory_recurrence", float(memory.effective_recurrence)
    yield "gate_saturation", saturation(memory.gates)
    for use in memory.gates:
        way = ".back" if use.direction == "backward" else ""
        for name in ("mean", "low", "high"):
            yield f"gate.l{use.layer}{way}.{use.gate}.{name}", float(getattr(use, name))
