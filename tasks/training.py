"""Train one network on the training windows. The result is a bundle (weights, settings) and its curves."""

import contextlib
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from data_contracts.spec import Spec
from models.bundle import Bundle
from models.data.panel import Panel
from models.data.windows import WindowIndex
from models.golden import with_golden_forecast
from models.training.recipe import Recipe
from models.training.training_spec import TrainingSpec
from tasks.engine import run_log
from tasks.engine.execution import LOCAL, connected_executor, has_cluster
from tasks.engine.machine_memory import available_memory
from tasks.engine.step import step
from tasks.engine.step_process import StepProcess
from tasks.modeling.candidate import Candidate
from tasks.modeling.choices import describe_choices
from tasks.modeling.memory import enforce_memory_rule, measure_bundle_memory
from tasks.modeling.size_limits import check_network_size
from tasks.modeling.training_data import load_training_part, training_cache_key, warm_start_bundle
from tasks.results.steps import TrainingResult
from tasks.storage.store import Store

if TYPE_CHECKING:  # loads torch
    from models.training.fit import EpochReport, TrainingHistory

log = logging.getLogger("nightcast")

MIN_SUBMITTED_WINDOWS = (
    40_000  # that a network is trained on at most; with fewer, its process starts longer than it trains
)
MAX_LOAD = 0.9  # running processes by core, this one included: above it other work has the cores
PROCESS_BYTES, ROW_BYTES = 700_000_000, 100  # that a process takes, and more for each row of the clean table


class RankSpec(Spec):
    """One of the processes that train a network together, and the port at which rank 0 listens."""

    rank: int
    size: int
    port: int


@step(cache_key=training_cache_key)
def train(
    clean: Artifact,
    windows: Artifact,
    recipe: Recipe,
    incumbent: Candidate | None,
    store: Store,
    rank: RankSpec | None = None,
) -> TrainingResult:
    """Train one network, global over all series, from scratch or from the weights of the champion.

    Args:
        clean: The clean table.
        windows: The windows table of `cut_windows`.
        recipe: The network, its inputs and its training settings.
        incumbent: The champion before this night, from which training may start, or None.
        store: The store that holds the tables and takes the bundle.
        rank: The rank of this process, if another one has started it to train with it; None for the first.

    Returns:
        The challenger with its stored bundle, its learning curves and its memory.

    Raises:
        TrainingFailed: If training does not find finite weights.
        MemoryTooShort: If the network cannot see one season and `training.memory` is `fail`.
        NoSuchDevice: If the device of the settings does not exist on this machine.
        PrecisionNotSupported: If the device does not multiply the precision of the settings in hardware.
        SpecError: If the network would not fit the memory of the machine.
    """
    check_network_size(recipe)
    started = time.perf_counter()
    champion, reason = warm_start_bundle(recipe, incumbent, store)
    part, index = load_training_part(clean, windows, recipe.view, store)
    panel = Panel.from_table(part, recipe.view)
    try:
        inputs = {"clean": clean, "windows": windows, "recipe": recipe, "incumbent": incumbent, "store": store}
        with _joined(rank) if rank else _other_ranks(inputs, recipe.training):
            bundle, history = _train(panel, index, recipe, champion)
    except RankLost as lost:
        log.warning("! %s; network %s is trained by this process alone", lost, recipe.model.name)
        bundle, history = _train(panel, index, recipe, champion)
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
        choices=describe_choices(bundle),
    )


def _train(
    panel: Panel, index: WindowIndex, recipe: Recipe, champion: Bundle | None
) -> "tuple[Bundle, TrainingHistory]":
    """Train a network; with `device: auto` on the CPU if it does not fit the memory of the CUDA device."""
    from models.devices import DeviceMemoryFull  # loads torch, which a cached night does not need

    try:
        return _train_once(panel, index, recipe, champion)
    except DeviceMemoryFull as full:
        if recipe.training.device != "auto":
            raise
        reason = full.reason
    log.warning("! %s: network %s is trained on the CPU, which takes longer", reason, recipe.model.name)
    on_cpu = recipe.training.model_copy(update={"device": "cpu"})
    bundle, history = _train_once(panel, index, recipe.model_copy(update={"training": on_cpu}), champion)
    return bundle, history._replace(note="; ".join(filter(None, (f"trained on the CPU: {reason}", history.note))))


def _train_once(
    panel: Panel, index: WindowIndex, recipe: Recipe, champion: Bundle | None
) -> "tuple[Bundle, TrainingHistory]":
    from models.training.train_network import train_network

    with run_log.progress_bar(recipe.model.name, recipe.training.max_epochs) as advance:

        def show_progress(epoch: "EpochReport") -> None:
            advance(f"loss {epoch.train_loss:.4f}, validation {epoch.validation_loss:.4f}, {format_time_left(epoch)}")

        return train_network(panel, index, recipe, (show_progress,), champion)


class RankLost(NightcastError):
    """A process that trained a part of each batch has ended."""


def _joined(rank: RankSpec) -> contextlib.AbstractContextManager[None]:
    from models.training.data_parallel import joined_ranks

    return joined_ranks(rank.rank, rank.size, rank.port)


@contextlib.contextmanager
def _other_ranks(inputs: dict[str, Any], training: TrainingSpec) -> Iterator[None]:
    """Start the other processes of a network with `training.workers`, and train with them inside the block."""
    from models.devices import resolve_device
    from models.training.data_parallel import joined_ranks

    size, others = training.workers, list[StepProcess]()
    if size == 1 or resolve_device(training.device).type != "cpu":
        yield
        return
    listener = socket.create_server(("127.0.0.1", 0))
    port = int(listener.getsockname()[1])
    try:
        for number in range(1, size):
            call = inputs | {"rank": RankSpec(rank=number, size=size, port=port)}
            others.append(StepProcess(__name__, "train", TypeAdapter(dict[str, Any]).dump_python(call, mode="json")))
        with joined_ranks(0, size, port, listener, lambda: all(other.is_running for other in others)):
            yield
    except (RuntimeError, OSError) as lost:
        raise RankLost(f"a process of {size} that train together was lost ({str(lost).splitlines()[0]})") from lost
    finally:
        for other in others:
            other.stop()


@contextlib.contextmanager
def trained_side_by_side(
    clean: Artifact,
    windows: Artifact,
    recipes: tuple[Recipe, ...],
    incumbent: Candidate | None,
    store: Store,
) -> Iterator[None]:
    """Train networks in processes of their own while the block trains the others.

    On this machine, the networks after the first: only as many as there are free cores, within half of the free memory,
    and on the CPU. On a cluster, all of them. The others are trained where the block calls `train`, one after the
    other.

    Args:
        clean: The clean table.
        windows: The windows table of `cut_windows`.
        recipes: The networks, in the order in which the block trains them.
        incumbent: The champion before this night, as for `train`.
        store: The store, as for `train`. Workers of a cluster must reach it.

    Yields:
        None.
    """
    submitted = recipes if has_cluster() else recipes[1:][: _spare_processes(clean, recipes)]
    calls = [
        {"clean": clean, "windows": windows, "recipe": recipe, "incumbent": incumbent, "store": store}
        for recipe in submitted
    ]
    with connected_executor() as executor, train.submitted(calls if executor else [], executor or LOCAL):
        yield


def _spare_processes(clean: Artifact, recipes: tuple[Recipe, ...]) -> int:
    """Return how many networks can be trained in addition to that of this process."""
    longest = max(recipe.training.windows_per_epoch * recipe.training.max_epochs for recipe in recipes)
    on_card = Path("/dev/nvidiactl").exists() and any(recipe.training.device != "cpu" for recipe in recipes)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if on_card or longest < MIN_SUBMITTED_WINDOWS or os.getloadavg()[0] > MAX_LOAD * cores:
        return 0
    cores //= max(recipe.training.threads * recipe.training.workers for recipe in recipes)
    room = available_memory() // 2 // (PROCESS_BYTES + clean.rows * ROW_BYTES)
    return max(0, min(cores - 1, room))


def format_time_left(epoch: "EpochReport") -> str:
    """Format the range of the remaining time: with the earliest possible stop, and with all epochs ("0:12 to 3:40")."""
    soonest, latest = (f"{int(seconds) // 60}:{int(seconds) % 60:02}" for seconds in epoch.remaining_seconds)
    return f"{soonest} to {latest} left" if soonest != latest else f"{latest} left"
