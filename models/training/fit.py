"""The training loop: early stopping on the validation part, the best weights kept, and a way back from an explosion."""

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt

from data_contracts.errors import TrainingFailed
from data_contracts.spec import Spec
from models.data.batches import Batch
from models.devices import Device
from models.networks.recurrent import Recurrent
from models.training.gradient_norms import Gradients
from models.training.learning_rate import LearningRateSchedule, Schedule
from models.training.precision import Precision, lowered
from models.training.weight_averaging import ExponentialMovingAverage

Windows = tuple[np.ndarray, np.ndarray]
Gather = Callable[[np.ndarray, np.ndarray], Batch]
SECOND_CHANCES = 3


class TrainingSpec(Spec):
    """How a network learns. An epoch takes at most `windows_per_epoch` windows, drawn anew each time."""

    batch_size: PositiveInt = 128
    learning_rate: PositiveFloat = 0.002
    schedule: Schedule = Field("plateau", description="cosine runs over all of max_epochs, so give it few")
    max_epochs: PositiveInt = 30
    patience: PositiveInt = 3
    seed: int = 0
    windows_per_epoch: PositiveInt = 8192
    validation_windows: PositiveInt = 4096
    weight_decay: float = Field(1e-4, ge=0)
    clip: PositiveFloat = 1.0
    average: float = Field(
        0.98, ge=0, lt=1, description="decay a step of the mean of the weights that is kept; 0: none"
    )
    mirror: float = Field(0.0, ge=0, le=1, description="share of training windows that are shown upside down")
    members: PositiveInt = Field(1, description="networks with seeds of their own; the forecast is their mean")
    threads: PositiveInt = Field(1, description="more threads than free cores is many times slower")
    device: Device = Field("auto", description="auto is CUDA where there is one; a forecast is made on the CPU")
    precision: Precision = Field("auto", description="of forward and backward passes; weights are always float32")
    memory: Literal["warn", "fail"] = Field("warn", description="of a model that can't see one season back")
    start: Literal["scratch", "champion"] = Field("scratch", description="whose weights training begins with")


class Epoch(NamedTuple):
    """What hooks are told after each epoch; losses are mean pinball losses in normalised units."""

    number: int
    of: int
    train_loss: float
    validation_loss: float
    seconds: float
    left_seconds: tuple[float, float]
    """If no later epoch is better, and if training goes on to the last epoch."""


class History(NamedTuple):
    """One loss and one mean gradient norm of each layer (before clipping) an epoch, and what was unusual."""

    train_losses: list[float]
    validation_losses: list[float]
    gradients: dict[str, list[float]]
    note: str = ""

    def add(self, train_loss: float, validation_loss: float, norms: dict[str, float]) -> None:
        self.train_losses.append(train_loss)
        self.validation_losses.append(validation_loss)
        for layer, norm in norms.items():
            self.gradients.setdefault(layer, []).append(norm)


class EarlyStopping:
    """The weights with the least validation loss so far, and the epochs since."""

    def __init__(self, model: Recurrent, loss: float = math.inf) -> None:
        self.loss, self.waited, self.beaten = loss if math.isfinite(loss) else math.inf, 0, False
        self.weights = copy.deepcopy(model.state_dict())

    def update(self, model: Recurrent, loss: float) -> None:
        self.waited += 1
        if loss < self.loss * (1 - 1e-4):
            self.loss, self.waited, self.beaten = loss, 0, True
            self.weights = copy.deepcopy(model.state_dict())


class NetworkTrainer:
    """A network, and all that changes its weights."""

    def __init__(self, model: Recurrent, gather: Gather, spec: TrainingSpec, steps: int) -> None:
        self.model, self.collate, self.spec = model, gather, spec
        self.kept = ExponentialMovingAverage(model, spec.average)
        self.optimiser = torch.optim.AdamW(model.parameters(), spec.learning_rate, weight_decay=spec.weight_decay)
        self.rate, self.gradients = LearningRateSchedule(spec.schedule, self.optimiser, steps), Gradients(model)
        self.device = next(model.parameters()).device

    def train_epoch(self, windows: Windows) -> float:
        """One pass over `windows`; the mean loss."""
        self.model.train()
        total, count = 0.0, 0
        for series, position in _batches(windows, self.spec.batch_size):
            batch = self._mirrored(self.collate(series, position))
            with lowered(self.spec.precision, self.device):
                loss = self.model.loss(batch)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # so in torch's own annotations
            self.gradients.clip(self.spec.clip)
            self.optimiser.step()
            self.rate.step()
            self.kept.update()
            total, count = total + loss.item() * len(series), count + len(series)
        return total / max(count, 1)

    def _mirrored(self, batch: Batch) -> Batch:
        if not self.spec.mirror:
            return batch
        chosen = torch.rand(len(batch.target), device=self.device) < self.spec.mirror
        return batch.flip_sign(chosen, self.model.shape.echoes)

    @torch.no_grad()
    def validate(self, windows: Windows) -> float:
        """The mean loss in float32, as the model will forecast."""
        self.kept.model.eval()
        total, count = 0.0, 0
        for series, position in _batches(windows, 4 * self.spec.batch_size):
            total += self.kept.model.loss(self.collate(series, position)).item() * len(series)
            count += len(series)
        return total / max(count, 1)

    def restore(self, weights: dict[str, torch.Tensor]) -> None:
        """Back to finite weights, with a tenth of the rate and no memory of the gradients that led astray."""
        self.kept.restart(weights)
        self.optimiser.state.clear()
        self.rate.lower(0.1)


def fit(
    model: Recurrent,
    gather: Gather,
    parts: tuple[Windows, Windows],
    spec: TrainingSpec,
    on_epoch: Sequence[Callable[[Epoch], None]] = (),
    warm: bool = False,
) -> History:
    """Teach `model` in place; `parts` are the (series, position) of training and validation windows.

    A `warm` model keeps the weights that it came with where no epoch betters them. Raises TrainingFailed where the
    loss is not finite again and again.
    """
    draw, history, explosions = np.random.default_rng(spec.seed), History([], [], {}), list[int]()
    watched = _some(parts[1], spec.validation_windows, np.random.default_rng(spec.seed))
    steps = -(-min(len(parts[0][0]), spec.windows_per_epoch) // spec.batch_size)
    learner = NetworkTrainer(model, gather, spec, steps * spec.max_epochs)
    best = EarlyStopping(model, learner.validate(watched) if warm else math.inf)
    for number in range(1, spec.max_epochs + 1):
        started = time.perf_counter()
        train_loss = learner.train_epoch(_some(parts[0], spec.windows_per_epoch, draw))
        validation_loss, norms = learner.validate(watched), learner.gradients.means()
        if not np.isfinite(train_loss + validation_loss):
            explosions.append(number)
            learner.restore(best.weights)
            if len(explosions) >= SECOND_CHANCES:
                break
            continue
        learner.rate.on_validation(validation_loss)
        best.update(learner.kept.model, validation_loss)
        history.add(train_loss, validation_loss, norms)
        seconds = time.perf_counter() - started
        left = _left(number, best, seconds, spec)
        for hook in on_epoch:
            hook(Epoch(number, spec.max_epochs, train_loss, validation_loss, seconds, left))
        if best.waited >= spec.patience:
            break
    if len(explosions) >= SECOND_CHANCES or not history.validation_losses:
        raise TrainingFailed(model.spec.name, "its loss is not finite", "Lower training.learning_rate.")
    model.load_state_dict(best.weights)
    model.eval()
    return history._replace(note=_note(explosions, best))


def _left(number: int, best: EarlyStopping, seconds: float, spec: TrainingSpec) -> tuple[float, float]:
    """At `seconds` an epoch, what is left at least and at most."""
    last = spec.max_epochs - number
    soonest = min(last, spec.patience - best.waited)
    return seconds * soonest, seconds * (last if soonest else 0)


def _note(explosions: list[int], best: EarlyStopping) -> str:
    told = []
    if explosions:
        epochs = ", ".join(map(str, explosions))
        told.append(f"the loss exploded in epoch {epochs}: went back to finite weights with a tenth of the rate")
    if not best.beaten:
        told.append(f"no epoch was better than the weights it began with (validation loss {best.loss:.4f})")
    return "; ".join(told)


def _some(windows: Windows, count: int, draw: np.random.Generator) -> Windows:
    """At most `count` windows in random order."""
    chosen = draw.permutation(len(windows[0]))[:count]
    return windows[0][chosen], windows[1][chosen]


def _batches(windows: Windows, size: int) -> Iterator[Windows]:
    for start in range(0, len(windows[0]), size):
        yield windows[0][start : start + size], windows[1][start : start + size]
