"""The copy task: of many values that are shown, one is marked, and k steps later the network has to say which it was.

Every other value is a distractor, as in the latch of Bengio et al. (1994) and the marked values of Hochreiter &
Schmidhuber (1997): what is kept must be kept from them too. Only encoder and readout learn, so nothing is copied past
them; a network that says nothing of it has a loss of 1/3, the variance of the values.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.data.batches import Batch
from models.devices import same_numbers
from models.diagnostics.memory import Memory, measure_memory
from models.networks.gates import chrono_init_
from models.networks.recurrent import Recurrent, RecurrentSpec, Shape

HIDDEN, BATCH, BEFORE = 16, 64, 5


class Copied(NamedTuple):
    """How well a network copies values it never learned from, and how far it remembers."""

    loss: float
    memory: Memory


def learn_to_copy(cell: str, k: int, seed: int, kept: int, updates: int = 400) -> Copied:
    """Train one network; its gates start so that they keep for up to `kept` steps, or as torch does where that is 0."""
    with same_numbers(seed, 1, torch.device("cpu")):
        shape = Shape(lookback=k + BEFORE, horizon=1, past=3, future=0, statics=(), quantiles=(0.5,), season=k)
        model, answer = Recurrent(RecurrentSpec(cell=cell, hidden=HIDDEN, dropout=0.0), shape), nn.Linear(HIDDEN, 1)
        model.encoder.reset_parameters()  # as torch starts it
        if kept:
            chrono_init_(model.encoder, kept)
        learned = [*model.encoder.parameters(), *answer.parameters()]
        optimiser = torch.optim.Adam(learned, lr=0.01)
        for _ in range(updates):
            loss = _loss(model, answer, _sequences(BATCH, k), k)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(learned, 1.0)
            optimiser.step()
        new = _sequences(4 * BATCH, k)
        with torch.no_grad():
            loss = _loss(model, answer, new, k)
        return Copied(loss.item(), measure_memory(model, _batch(new)))


def _sequences(count: int, k: int) -> Tensor:
    """(count, k + BEFORE, 3): a value from -1 to 1, that it was seen, and whether it is the one to copy."""
    value, mark = 2 * torch.rand(count, k + BEFORE) - 1, torch.zeros(count, k + BEFORE)
    mark[:, -k] = 1.0
    return torch.stack([value, torch.ones_like(value), mark], dim=-1)


def _loss(model: Recurrent, answer: nn.Linear, past: Tensor, k: int) -> Tensor:
    said = answer(model.readout(model.encode(past))).squeeze(-1)
    return (said - past[:, -k, 0]).square().mean()


def _batch(past: Tensor) -> Batch:
    count, one = len(past), torch.ones(len(past), 1)
    return Batch(
        past=past,
        future=torch.zeros(count, 1, 0),
        static=torch.zeros(count, 0, dtype=torch.int64),
        level=torch.zeros(count, 3),
        linear=past[..., 0],
        target=one,
        location=one.double(),
        scale=one.double(),
        clock=torch.zeros(count, dtype=torch.int64),
        error_weights=torch.ones(count, 1),
    )
