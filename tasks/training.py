"""Train one network on the training windows. The result is a bundle (weights, settings) and its curves."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from data_contracts.artifact import Artifact
from models.data.panel import Panel
from models.golden import with_golden_forecast
from models.training.recipe import Recipe
from tasks.engine import run_log
from tasks.engine.machine_memory import available_memory
from tasks.engine.step import step
from tasks.modeling.candidate import Candidate
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.memory import enforce_memory_rule, measure_bundle_memory
from tasks.modeling.size_limits import check_network_size
from tasks.modeling.training_data import load_window_index, select_training_part, training_cache_key, warm_start_bundle
from tasks.results.steps import TrainingResult
from tasks.storage.store import Store

if TYPE_CHECKING:  # loads torch
    from models.training.fit import EpochReport

MIN_SUBMITTED_WINDOWS = (
    40_000  # that a network is trained on at most; with fewer, its process starts longer than it trains
)
MAX_LOAD = 0.9  # running processes by core, this one included: above it other work has the cores
PROCESS_BYTES, ROW_BYTES = 700_000_000, 100  # that a process takes, and more for each row of the clean table


@step(cache_key=training_cache_key)
def train(
    clean: Artifact, windows: Artifact, recipe: Recipe, incumbent: Candidate | None, store: Store
) -> TrainingResult:
    """Train one network, global over all series, from scratch or from the weights of the champion.

    Args:
        clean: The clean table.
        windows: The windows table of `cut_windows`.
        recipe: The network, its inputs and its training settings.
        incumbent: The champion before this night, from which training may start, or None.
        store: The store that holds the tables and takes the bundle.

    Returns:
        The challenger with its stored bundle, its learning curves and its memory.

    Raises:
        TrainingFailed: If training does not find finite weights.
        MemoryTooShort: If the network cannot see one season and `training.memory` is `fail`.
        NoSuchDevice: If the device of the settings does not exist on this machine.
        PrecisionNotSupported: If the device does not multiply the precision of the settings in hardware.
        SpecError: If the network would not fit the memory of the machine.
    """
    from models.training.train_network import train_network  # loads torch, which a cached night does not need

    check_network_size(recipe)
    started = time.perf_counter()
    champion, reason = warm_start_bundle(recipe, incumbent, store)
    part, index = select_training_part(load_clean_table(clean, store), load_window_index(windows, store), recipe.view)
    panel = Panel.from_table(part, recipe.view)
    with run_log.progress_bar(recipe.model.name, recipe.training.max_epochs) as advance:

        def show_progress(epoch: "EpochReport") -> None:
            advance(f"loss {epoch.train_loss:.4f}, validation {epoch.validation_loss:.4f}, {format_time_left(epoch)}")

        bundle, history = train_network(panel, index, recipe, (show_progress,), champion)
    bundle = with_golden_forecast(bundle)
    memory = measure_bundle_memory(bundle, panel, index)
    memory_warning = enforce_memory_rule(recipe.training.memory, bundle.name, memory)
    note = "; ".join(filter(None, (reason and f"began from scratch: {reason}", history.note, memory_warning)))
    return TrainingResult(
        candidate=Candidate(
            name=bundle.name, role="challenger", bundle=store.put_bytes(bundle.to_bytes(), "bundle", "safetensors")
        ),
        train_losses=tuple(history.train_losses),
        validation_losses=tuple(history.validation_losses),
        seconds=round(time.perf_counter() - started, 2),
        note=note,
        gradients={layer: tuple(norms) for layer, norms in history.gradients.items()},
        memory=memory,
    )


@contextlib.contextmanager
def trained_side_by_side(
    clean: Artifact, windows: Artifact, recipes: tuple[Recipe, ...], incumbent: Candidate | None, store: Store
) -> Iterator[None]:
    """Train the networks after the first in processes of their own while the block trains the first.

    Only as many networks as there are free cores, within half of the free memory, and on the CPU. The others are
    trained where the block calls `train`, one after the other.

    Args:
        clean: The clean table.
        windows: The windows table of `cut_windows`.
        recipes: The networks, in the order in which the block trains them.
        incumbent: The champion before this night, as for `train`.
        store: The store, as for `train`.

    Yields:
        None.
    """
    submitted = recipes[1:][: _spare_processes(clean, recipes)]
    calls = [
        {"clean": clean, "windows": windows, "recipe": recipe, "incumbent": incumbent, "store": store}
        for recipe in submitted
    ]
    with train.submitted(calls):
        yield


def _spare_processes(clean: Artifact, recipes: tuple[Recipe, ...]) -> int:
    """Return how many networks can be trained in addition to that of this process."""
    longest = max(recipe.training.windows_per_epoch * recipe.training.max_epochs for recipe in recipes)
    on_card = Path("/dev/nvidiactl").exists() and any(recipe.training.device != "cpu" for recipe in recipes)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if on_card or longest < MIN_SUBMITTED_WINDOWS or os.getloadavg()[0] > MAX_LOAD * cores:
        return 0
    cores //= max(recipe.training.threads for recipe in recipes)
    room = available_memory() // 2 // (PROCESS_BYTES + clean.rows * ROW_BYTES)
    return max(0, min(cores - 1, room))


def format_time_left(epoch: "EpochReport") -> str:
    """Format the range of the remaining time: with the earliest possible stop, and with all epochs ("0:12 to 3:40")."""
    soonest, latest = (f"{int(seconds) // 60}:{int(seconds) % 60:02}" for seconds in epoch.remaining_seconds)
    return f"{soonest} to {latest} left" if soonest != latest else f"{latest} left"
