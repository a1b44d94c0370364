"""The copy task: one of many values is marked, and k steps later the network has to return it.

Every other value is a distractor, as in the latch of Bengio et al. (1994) and the marked values of Hochreiter &
Schmidhuber (1997): the network must keep its state from them too. Only the encoder and a linear output are trained, so
nothing is copied past them. A network that learns nothing has a loss of 1/3, the variance of the values.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.data.batches import Batch
from models.devices import reproducible
from models.diagnostics.measurements import Memory
from models.diagnostics.memory import measure_memory
from models.networks.architecture import NetworkShape, RecurrentSpec
from models.networks.gates import chrono_init_
from models.networks.recurrent import RecurrentNetwork

HIDDEN, BATCH_SIZE, DISTRACTORS_BEFORE = 16, 64, 5


class CopyResult(NamedTuple):
    """Loss of a network on new sequences of the copy task, and its memory."""

    loss: float
    memory: Memory


def learn_to_copy(cell: str, k: int, seed: int, kept: int, updates: int = 400) -> CopyResult:
    """Train one network; its gates start to keep for up to `kept` steps, or as torch starts them if that is 0."""
    with reproducible(seed, 1, torch.device("cpu")):
        shape = NetworkShape(
            lookback=k + DISTRACTORS_BEFORE, horizon=1, past=3, future=0, statics=(), quantiles=(0.5,), season=k
        )
        model, output = (
            RecurrentNetwork(RecurrentSpec(cell=cell, hidden=HIDDEN, dropout=0.0), shape),
            nn.Linear(HIDDEN, 1),
        )
        model.encoder.reset_parameters()  # the initial weights of torch
        if kept:
            chrono_init_(model.encoder, kept)
        trained = [*model.encoder.parameters(), *output.parameters()]
        optimiser = torch.optim.Adam(trained, lr=0.01)
        for _ in range(updates):
            loss = _loss(model, output, _sequences(BATCH_SIZE, k), k)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
        new = _sequences(4 * BATCH_SIZE, k)
        with torch.no_grad():
            loss = _loss(model, output, new, k)
        return CopyResult(loss.item(), measure_memory(model, _batch(new)))


def _sequences(count: int, k: int) -> Tensor:
    """Draw (count, k + DISTRACTORS_BEFORE, 3): a value from -1 to 1, its mask, and the mark of the value to copy."""
    value, mark = 2 * torch.rand(count, k + DISTRACTORS_BEFORE) - 1, torch.zeros(count, k + DISTRACTORS_BEFORE)
    mark[:, -k] = 1.0
    return torch.stack([value, torch.ones_like(value), mark], dim=-1)


def _loss(model: RecurrentNetwork, output: nn.Linear, past: Tensor, k: int) -> Tensor:
    copied = output(model.readout(model.encode(past))).squeeze(-1)
    return (copied - past[:, -k, 0]).square().mean()


def _batch(past: Tensor) -> Batch:
    count, ones = len(past), torch.ones(len(past), 1)
    return Batch(
        past=past,
        future=torch.zeros(count, 1, 0),
        static=torch.zeros(count, 0, dtype=torch.int64),
        level=torch.zeros(count, 3),
        linear=past[..., 0],
        target=ones,
        location=ones.double(),
        scale=ones.double(),
        clock=torch.zeros(count, dtype=torch.int64),
        error_weights=torch.ones(count, 1),
    )
