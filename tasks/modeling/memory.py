"""Measure how far back a trained network sees, and apply the pipeline's memory rule."""

import logging
from typing import Literal

import numpy as np

from data_contracts.errors import SeasonOutOfSight
from models.bundle import Bundle
from models.data.panel import Panel
from models.data.windows import WindowIndex
from models.devices import same_threads
from models.diagnostics.effective_memory import out_of_sight
from models.diagnostics.memory import Memory, remember
from models.restore import gatherer_of, network_of

log = logging.getLogger("nightcast")

WINDOWS = 64  # spread evenly over the validation part


def memory_of(bundle: Bundle, panel: Panel, index: WindowIndex) -> Memory:
    """How far back the network of a bundle sees; takes a fraction of an epoch."""
    series, position = index.of("validation")
    some = np.linspace(0, len(series) - 1, min(len(series), WINDOWS)).astype(int)
    batch = gatherer_of(bundle).gather(panel, series[some], position[some])
    with same_threads(bundle.settings["training"]["threads"]):
        return remember(network_of(bundle), batch, tuple(bundle.settings["lags"]))


def held_to(rule: Literal["warn", "fail"], model: str, memory: Memory) -> str:
    """What there is to say of a network that can't see a season, which is logged. Raises SeasonOutOfSight."""
    blind = out_of_sight(memory)
    if blind and rule == "fail":
        raise SeasonOutOfSight(model, memory.effective, memory.season, blind)
    if blind:
        log.warning("! %-13s %s", model, blind)
    return blind
