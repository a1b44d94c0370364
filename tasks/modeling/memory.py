"""Measure how far back a trained network sees, and apply the pipeline's memory rule."""

import logging
from typing import Literal

from data_contracts.errors import MemoryTooShort
from models.bundle import Bundle
from models.data.panel import Panel
from models.data.windows import WindowIndex
from models.diagnostics.effective_memory import explain_short_memory
from models.diagnostics.measurements import Memory
from models.restore import restore_collator, restore_network

log = logging.getLogger("nightcast")

MAX_WINDOWS = 64  # spread evenly over the validation part


def measure_bundle_memory(bundle: Bundle, panel: Panel, index: WindowIndex) -> Memory:
    """Measure how many past steps the forecast of a network depends on.

    Takes a fraction of the time of an epoch: it reads at most MAX_WINDOWS validation windows.

    Args:
        bundle: A recurrent network.
        panel: The series that the network was trained on.
        index: The windows over the panel.

    Returns:
        The memory, with lengths in steps.
    """
    from models.data.batches import Batch  # these load torch, which a cached night does not need
    from models.devices import fixed_threads
    from models.diagnostics.memory import measure_memory

    series, position = index.parts["validation"].take_evenly(MAX_WINDOWS)
    batch = Batch.from_arrays(restore_collator(bundle).collate(panel, series, position))
    with fixed_threads(bundle.recurrent.training.threads):
        return measure_memory(restore_network(bundle), batch, bundle.recurrent.lags)


def enforce_memory_rule(rule: Literal["warn", "fail"], model: str, memory: Memory) -> str:
    """Apply the memory rule of the pipeline to a network that cannot see one season back.

    Returns:
        Why the memory is too short, which is also logged; empty if the network sees one season.

    Raises:
        MemoryTooShort: If the memory is too short and the rule is `fail`.
    """
    warning = explain_short_memory(memory)
    if warning and rule == "fail":
        raise MemoryTooShort(model, memory.effective, memory.season, warning)
    if warning:
        log.warning("! %-13s %s", model, warning)
    return warning
