"""The training loop: early stopping on the validation part, the best weights kept, and a way back from an explosion."""

import contextlib
import copy
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt

from data_contracts.errors import TrainingFailed
from data_contracts.spec import Spec
from models.batches import Batch
from models.recurrent import Recurrent

Windows = tuple[np.ndarray, np.ndarray]
Gather = Callable[[np.ndarray, np.ndarray], Batch]
SECOND_CHANCES = 3


class TrainingSpec(Spec):
    """How a network learns. An epoch takes at most `windows_per_epoch` windows, drawn anew each time."""

    batch_size: PositiveInt = 128
    learning_rate: PositiveFloat = 0.002
    max_epochs: PositiveInt = 30
    patience: PositiveInt = 3
    seed: int = 0
    windows_per_epoch: PositiveInt = 8192
    validation_windows: PositiveInt = 4096
    weight_decay: float = Field(1e-4, ge=0)
    clip: PositiveFloat = 1.0
    threads: PositiveInt = Field(1, description="more threads than free cores is many times slower")


class Epoch(NamedTuple):
    """What hooks are told after each epoch; losses are mean pinball losses in normalised units."""

    number: int
    of: int
    train_loss: float
    validation_loss: float
    seconds: float


class History(NamedTuple):
    """One loss an epoch, and what was unusual."""

    train_losses: list[float]
    validation_losses: list[float]
    note: str = ""


@contextlib.contextmanager
def same_threads(threads: int) -> Iterator[None]:
    """Sums depend on how many threads share them; the caller's number comes back after."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def same_numbers(seed: int, threads: int) -> Iterator[None]:
    """The same seed and threads give the same bytes; the caller's random state and threads come back after."""
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        with same_threads(threads):
            yield
    finally:
        torch.set_rng_state(state)


class Best:
    """The weights with the least validation loss so far, and the epochs since."""

    def __init__(self, model: Recurrent) -> None:
        self.loss, self.waited, self.weights = float("inf"), 0, copy.deepcopy(model.state_dict())

    def offer(self, model: Recurrent, loss: float) -> None:
        self.waited += 1
        if loss < self.loss * (1 - 1e-4):
            self.loss, self.waited, self.weights = loss, 0, copy.deepcopy(model.state_dict())


def fit(
    model: Recurrent,
    gather: Gather,
    parts: tuple[Windows, Windows],
    spec: TrainingSpec,
    on_epoch: Sequence[Callable[[Epoch], None]] = (),
) -> History:
    """Teach `model` in place; `parts` are the (series, position) of training and validation windows.

    Raises TrainingFailed where the loss is not finite again and again.
    """
    draw, best, history, explosions = np.random.default_rng(spec.seed), Best(model), History([], []), list[int]()
    watched = _some(parts[1], spec.validation_windows, np.random.default_rng(spec.seed))
    optimiser = torch.optim.AdamW(model.parameters(), spec.learning_rate, weight_decay=spec.weight_decay)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.4, patience=0, threshold=1e-3)
    for number in range(1, spec.max_epochs + 1):
        started = time.perf_counter()
        train_loss = _learn(model, gather, _some(parts[0], spec.windows_per_epoch, draw), optimiser, spec)
        validation_loss = _judge(model, gather, watched, spec.batch_size)
        if not np.isfinite(train_loss + validation_loss):
            explosions.append(number)
            _retreat(model, best, optimiser)
            if len(explosions) >= SECOND_CHANCES:
                break
            continue
        history.train_losses.append(train_loss)
        history.validation_losses.append(validation_loss)
        for hook in on_epoch:
            hook(Epoch(number, spec.max_epochs, train_loss, validation_loss, time.perf_counter() - started))
        schedule.step(validation_loss)
        best.offer(model, validation_loss)
        if best.waited >= spec.patience:
            break
    if len(explosions) >= SECOND_CHANCES or not history.validation_losses:
        raise TrainingFailed(model.spec.name, "its loss is not finite", "Lower training.learning_rate.")
    model.load_state_dict(best.weights)
    model.eval()
    return history._replace(note=_note(explosions))


def _retreat(model: Recurrent, best: Best, optimiser: torch.optim.Optimizer) -> None:
    """Back to finite weights, with a tenth of the rate and no memory of the gradients that led astray."""
    model.load_state_dict(best.weights)
    optimiser.state.clear()
    for group in optimiser.param_groups:
        group["lr"] *= 0.1


def _note(explosions: list[int]) -> str:
    told = ", ".join(map(str, explosions))
    return f"the loss exploded in epoch {told}: went back to finite weights with a tenth of the rate" if told else ""


def _learn(
    model: Recurrent, gather: Gather, windows: Windows, optimiser: torch.optim.Optimizer, spec: TrainingSpec
) -> float:
    """One pass over `windows`; the mean loss."""
    model.train()
    total, count = 0.0, 0
    for series, position in _batches(windows, spec.batch_size):
        batch = gather(series, position)
        loss = model.loss(batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # so in torch's own annotations
        torch.nn.utils.clip_grad_norm_(model.parameters(), spec.clip)
        optimiser.step()
        total, count = total + loss.item() * len(series), count + len(series)
    return total / max(count, 1)


@torch.no_grad()
def _judge(model: Recurrent, gather: Gather, windows: Windows, batch_size: int) -> float:
    model.eval()
    total, count = 0.0, 0
    for series, position in _batches(windows, 4 * batch_size):
        batch = gather(series, position)
        total += model.loss(batch).item() * len(series)
        count += len(series)
    return total / max(count, 1)


def _some(windows: Windows, count: int, draw: np.random.Generator) -> Windows:
    """At most `count` windows in random order."""
    chosen = draw.permutation(len(windows[0]))[:count]
    return windows[0][chosen], windows[1][chosen]


def _batches(windows: Windows, size: int) -> Iterator[Windows]:
    for start in range(0, len(windows[0]), size):
        yield windows[0][start : start + size], windows[1][start : start + size]
