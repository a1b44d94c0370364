"""Measure how far back a trained network sees, and apply the pipeline's memory rule."""

import logging
from typing import Literal

import numpy as np

from data_contracts.errors import MemoryTooShort
from models.bundle import Bundle
from models.data.panel import Panel
from models.data.windows import WindowIndex
from models.devices import same_threads
from models.diagnostics.effective_memory import explain_short_memory
from models.diagnostics.memory import Memory, measure_memory
from models.restore import restore_collator, restore_network

log = logging.getLogger("nightcast")

MAX_WINDOWS = 64  # spread evenly over the validation part


def measure_bundle_memory(bundle: Bundle, panel: Panel, index: WindowIndex) -> Memory:
    """How far back the network of a bundle sees; takes a fraction of an epoch."""
    series, position = index.of("validation")
    some = np.linspace(0, len(series) - 1, min(len(series), MAX_WINDOWS)).astype(int)
    batch = restore_collator(bundle).collate(panel, series[some], position[some])
    with same_threads(bundle.recurrent.training.threads):
        return measure_memory(restore_network(bundle), batch, bundle.recurrent.lags)


def enforce_memory_rule(rule: Literal["warn", "fail"], model: str, memory: Memory) -> str:
    """What there is to say of a network that can't see a season, which is logged. Raises MemoryTooShort."""
    blind = explain_short_memory(memory)
    if blind and rule == "fail":
        raise MemoryTooShort(model, memory.effective, memory.season, blind)
    if blind:
        log.warning("! %-13s %s", model, blind)
    return blind
