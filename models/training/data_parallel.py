"""Train one network in several processes: each has an equal part of every batch, and all take the same steps.

rank 0   batch[0::2] ──> loss, gradient ──┐                       ┌──> the same step
                                          ├── sum, by targets ────┤
rank 1   batch[1::2] ──> loss, gradient ──┘                       └──> the same step

The gradient is that of one process with the whole batch up to rounding, because each part counts by its number of
observed targets: torch.nn.parallel.DistributedDataParallel weights all parts equally, which gaps make unequal.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

import torch
from torch import Tensor, distributed

from models.data.batches import Batch

TIMEOUT = timedelta(minutes=5)  # of one exchange: a rank that is lost is noticed at once, one that hangs is not
POLL_S, HOST = 0.1, "127.0.0.1"

IsRunning = Callable[[], bool]


_groups: list[distributed.ProcessGroupGloo] = []  # that this process has joined, the newest last


@contextlib.contextmanager
def joined_ranks(
    rank: int, size: int, port: int, listener: socket.socket | None = None, is_running: IsRunning = lambda: True
) -> Iterator[None]:
    """Join the processes that train a network together; inside the block, `fit` exchanges gradients with them.

    All connections are on 127.0.0.1.

    Args:
        rank: Number of this process.
        size: Number of processes.
        port: Where rank 0 listens.
        listener: The socket that listens there, for rank 0.
        is_running: Whether all other processes run; rank 0 asks until they have joined.

    Yields:
        None.

    Raises:
        RuntimeError: A process has ended before it joined, or does not answer.
    """
    descriptor = listener.detach() if listener else None
    store = distributed.TCPStore(  # type: ignore[attr-defined]
        HOST, port, size, rank == 0, TIMEOUT, wait_for_workers=False, master_listen_fd=descriptor
    )
    store.set(f"rank {rank}", "joined")
    while rank == 0 and not store.check([f"rank {other}" for other in range(size)]):
        if not is_running():
            raise RuntimeError("it has ended before it joined")
        time.sleep(POLL_S)
    options = distributed.ProcessGroupGloo._Options()  # type: ignore[attr-defined]
    options._timeout, options._devices = TIMEOUT, [distributed.ProcessGroupGloo.create_device(hostname=HOST)]
    _groups.append(distributed.ProcessGroupGloo(store, rank, size, options))
    try:
        yield
    finally:
        _groups.pop()


def rank_and_size() -> tuple[int, int]:
    """Return the number of this process among those that train a network together, and how many they are."""
    return (_groups[-1].rank(), _groups[-1].size()) if _groups else (0, 1)


def _add_ranks(values: Tensor) -> None:
    """Replace each value by its sum over all processes."""
    _groups[-1].allreduce([values]).wait()  # type: ignore[attr-defined]


def part_of_rank(count: int) -> slice:
    """Return the part of `count` windows that this process takes; all of them if there are fewer than processes."""
    rank, size = rank_and_size()
    return slice(rank, None, size) if count >= size else slice(None)


def sum_over_ranks(values: Iterable[float]) -> list[float]:
    """Return the sum of each value over all processes."""
    numbers = list(values)
    if rank_and_size()[1] == 1:
        return numbers
    total = torch.tensor(numbers, dtype=torch.float64)
    _add_ranks(total)
    return total.tolist()


def mean_over_ranks(loss: float, batch: Batch) -> float:
    """Return the mean loss over the observed targets of all processes, from that of the batch of this process."""
    if rank_and_size()[1] == 1:
        return loss
    observed = float(torch.isfinite(batch.target).sum())
    total, targets = sum_over_ranks([loss * observed, observed])
    return total / max(targets, 1.0)


def backward(loss: Tensor, batch: Batch, parameters: Iterable[torch.nn.Parameter]) -> float:
    """Compute the gradient of the mean loss of the batches of all processes.

    Args:
        loss: The mean loss over the observed targets of `batch`, a scalar.
        batch: The part of this process.
        parameters: Those that the optimiser changes; the gradients of all processes are the same afterwards.

    Returns:
        The mean loss over all parts.
    """
    if rank_and_size()[1] == 1:
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no type here
        return loss.item()
    observed = float(torch.isfinite(batch.target).sum())
    share = observed / max(sum_over_ranks([observed])[0], 1.0)
    (loss * share).backward()  # type: ignore[no-untyped-call]
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    _add_ranks(flat)
    parts = torch.split(flat, [gradient.numel() for gradient in gradients])
    for gradient, values in zip(gradients, parts, strict=True):
        gradient.copy_(values.view_as(gradient))
    return sum_over_ranks([loss.item() * share])[0]
