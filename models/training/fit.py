"""The training loop: early stopping on the validation part, the best weights kept, recovery from a diverged epoch."""

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from data_contracts.errors import TrainingFailed
from models.data.batches import Batch
from models.data.windows import WindowRanges
from models.networks.recurrent import RecurrentNetwork
from models.training.data_parallel import backward, mean_over_ranks, part_of_rank, rank_and_size
from models.training.gradient_norms import GradientNorms
from models.training.optimiser import EagerAdamW, LearningRateSchedule
from models.training.precision import autocast
from models.training.training_spec import TrainingSpec
from models.training.weight_averaging import ExponentialMovingAverage

Collate = Callable[[np.ndarray, np.ndarray], Batch]
MAX_DIVERGED_EPOCHS = 3


class Windows(NamedTuple):
    """Chosen windows of a panel: series code and step of the cutoff within the series, both (n,)."""

    series: np.ndarray
    position: np.ndarray


class WindowSplit(NamedTuple):
    """The windows that a network is trained on and those that decide when training stops."""

    train: WindowRanges
    validation: WindowRanges


class EpochReport(NamedTuple):
    """Report of an epoch, passed to the hooks; losses are mean pinball losses in normalised units."""

    number: int
    max_epochs: int
    train_loss: float
    validation_loss: float
    seconds: float
    remaining_seconds: tuple[float, float]
    """Remaining seconds: if no later epoch improves, and if training runs to the last epoch."""


class TrainingHistory(NamedTuple):
    """Losses of each epoch, its mean gradient norm by layer (before clipping), and a note on unusual events."""

    train_losses: list[float]
    validation_losses: list[float]
    gradients: dict[str, list[float]]
    note: str = ""

    def add(self, train_loss: float, validation_loss: float, norms: dict[str, float]) -> None:
        """Append an epoch."""
        self.train_losses.append(train_loss)
        self.validation_losses.append(validation_loss)
        for layer, norm in norms.items():
            self.gradients.setdefault(layer, []).append(norm)


class EarlyStopping:
    """The weights with the lowest validation loss so far, and the number of epochs since."""

    def __init__(self, model: RecurrentNetwork, loss: float = math.inf) -> None:
        self.loss = loss if math.isfinite(loss) else math.inf
        self.epochs_without_improvement, self.improved = 0, False
        self.weights = copy.deepcopy(model.state_dict())

    def update(self, model: RecurrentNetwork, loss: float) -> None:
        """Compare the validation loss of an epoch with the lowest; keep the weights if it is lower."""
        self.epochs_without_improvement += 1
        if loss < self.loss * (1 - 1e-4):
            self.loss, self.epochs_without_improvement, self.improved = loss, 0, True
            self.weights = copy.deepcopy(model.state_dict())


class NetworkTrainer:
    """A network, its optimiser, its learning rate and the average of its weights."""

    def __init__(self, model: RecurrentNetwork, collate: Collate, spec: TrainingSpec, steps: int) -> None:
        self.model, self.collate, self.spec = model, collate, spec
        self.average = ExponentialMovingAverage(model, spec.average)
        self.optimiser = EagerAdamW(model.parameters(), spec.learning_rate, weight_decay=spec.weight_decay, fused=True)
        self.learning_rate = LearningRateSchedule(spec.schedule, self.optimiser, steps)
        self.gradient_norms = GradientNorms(model)
        self.device = next(model.parameters()).device

    def train_epoch(self, windows: Windows) -> float:
        """Train on each of `windows` once; return the mean loss."""
        self.model.train()
        total, count = 0.0, 0
        for series, position in _batches(windows, self.spec.batch_size):
            part = part_of_rank(len(series))
            batch = self._flip_signs(self.collate(series[part], position[part]))
            with autocast(self.spec.precision, self.device):
                loss = self.model.loss(batch)
            self.optimiser.zero_grad(set_to_none=True)
            mean_loss = backward(loss, batch, self.model.parameters())
            self.gradient_norms.clip(self.spec.clip)
            self.optimiser.step()
            self.learning_rate.step()
            self.average.update()
            total, count = total + mean_loss * len(series), count + len(series)
        return total / max(count, 1)

    def _flip_signs(self, batch: Batch) -> Batch:
        if not self.spec.mirror:
            return batch
        chosen = torch.rand(len(batch.target), device=self.device) < self.spec.mirror
        return batch.flip_sign(chosen, self.model.shape.echoes)

    @torch.no_grad()
    def validate(self, windows: Windows) -> float:
        """Return the mean loss of the averaged weights in float32, the precision of forecasts."""
        self.average.model.eval()
        total, count = 0.0, 0
        for series, position in _batches(windows, 4 * self.spec.batch_size):
            part = part_of_rank(len(series))
            batch = self.collate(series[part], position[part])
            total += mean_over_ranks(self.average.model.loss(batch).item(), batch) * len(series)
            count += len(series)
        return total / max(count, 1)

    def restore(self, weights: dict[str, torch.Tensor]) -> None:
        """Return to finite `weights`, forget the optimiser's moments and divide the learning rate by ten."""
        self.average.reset(weights)
        self.optimiser.state.clear()
        self.learning_rate.lower(0.1)


def fit(
    model: RecurrentNetwork,
    collate: Collate,
    windows: WindowSplit,
    spec: TrainingSpec,
    on_epoch: Sequence[Callable[[EpochReport], None]] = (),
    warm: bool = False,
) -> TrainingHistory:
    """Train `model` in place and leave it with its best weights.

    Args:
        model: The network, on the device that it is trained on.
        collate: Builds the batch of the windows with the given series and position.
        windows: Training and validation windows.
        spec: Training settings.
        on_epoch: Hooks that are called after each epoch.
        warm: Keep the weights that the model came with if no epoch improves on them.

    Returns:
        Losses and gradient norms of each epoch.

    Raises:
        TrainingFailed: The loss is not finite in MAX_DIVERGED_EPOCHS epochs, or in all.
    """
    rng, history, diverged = np.random.default_rng(spec.seed), TrainingHistory([], [], {}), list[int]()
    validation = _sample(windows.validation, spec.validation_windows, np.random.default_rng(spec.seed))
    steps = -(-min(len(windows.train), spec.windows_per_epoch) // spec.batch_size)
    trainer = NetworkTrainer(model, collate, spec, steps * spec.max_epochs)
    if rank := rank_and_size()[0]:
        torch.manual_seed(spec.seed + rank)  # another dropout for another part of a batch
    best = EarlyStopping(model, trainer.validate(validation) if warm else math.inf)
    for number in range(1, spec.max_epochs + 1):
        started = time.perf_counter()
        train_loss = trainer.train_epoch(_sample(windows.train, spec.windows_per_epoch, rng))
        validation_loss, norms = trainer.validate(validation), trainer.gradient_norms.pop_means()
        if not np.isfinite(train_loss + validation_loss):
            diverged.append(number)
            trainer.restore(best.weights)
            if len(diverged) >= MAX_DIVERGED_EPOCHS:
                break
            continue
        trainer.learning_rate.on_validation(validation_loss)
        best.update(trainer.average.model, validation_loss)
        history.add(train_loss, validation_loss, norms)
        seconds = time.perf_counter() - started
        left = _remaining_seconds(number, best, seconds, spec)
        for hook in on_epoch:
            hook(EpochReport(number, spec.max_epochs, train_loss, validation_loss, seconds, left))
        if best.epochs_without_improvement >= spec.patience:
            break
    if len(diverged) >= MAX_DIVERGED_EPOCHS or not history.validation_losses:
        raise TrainingFailed(model.spec.name, "its loss is not finite", "Lower training.learning_rate.")
    model.load_state_dict(best.weights)
    model.eval()
    return history._replace(note=_note(diverged, best))


def _remaining_seconds(number: int, best: EarlyStopping, seconds: float, spec: TrainingSpec) -> tuple[float, float]:
    """Return the fewest and the most seconds that remain after epoch `number`, if an epoch takes `seconds`."""
    last = spec.max_epochs - number
    earliest = min(last, spec.patience - best.epochs_without_improvement)
    return seconds * earliest, seconds * (last if earliest else 0)


def _note(diverged: list[int], best: EarlyStopping) -> str:
    sentences = []
    if diverged:
        epochs = ", ".join(map(str, diverged))
        sentences.append(
            f"the loss was not finite in epoch {epochs}: training went back to the best finite weights with a "
            "tenth of the learning rate"
        )
    if not best.improved:
        sentences.append(f"no epoch improved on the initial weights (validation loss {best.loss:.4f})")
    return "; ".join(sentences)


def _sample(windows: WindowRanges, count: int, rng: np.random.Generator) -> Windows:
    """Draw at most `count` windows in random order; of very many, without a number for each."""
    size = len(windows)
    return Windows(*windows.take(rng.choice(size, count, replace=False) if size > count else rng.permutation(size)))


def _batches(windows: Windows, size: int) -> Iterator[Windows]:
    for start in range(0, len(windows.series), size):
        yield Windows(windows.series[start : start + size], windows.position[start : start + size])
