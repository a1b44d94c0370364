"""Two processes that train one network take the steps of one process with the whole batch."""

import contextlib
import multiprocessing
import socket
from collections.abc import Callable

import numpy as np
import psutil
import pytest

from models.networks.architecture import RecurrentSpec
from models.training.data_parallel import joined_ranks, part_of_rank, rank_and_size, sum_over_ranks
from models.training.recipe import Recipe
from models.training.train_network import train_network
from models.training.training_spec import TrainingSpec
from tests.models.conftest import gappy_waves

Work = Callable[[], object]
TIMEOUT_S = 120
STEPS = {"max_epochs": 7, "windows_per_epoch": 500, "batch_size": 31, "patience": 7, "validation_windows": 128}


def train_waves(dropout: float = 0.0) -> dict[str, np.ndarray]:
    """Return the weights after 7 epochs of 17 steps, the last of each with a smaller batch."""
    panel, index = gappy_waves()
    spec = TrainingSpec.model_validate(STEPS | {"device": "cpu", "average": 0.0, "precision": "float32"})
    model = RecurrentSpec(cell="gru", hidden=8, segment=6, dropout=dropout)
    bundle, history = train_network(panel, index, Recipe(model=model, training=spec, quantiles=(0.5,), view=panel.view))
    assert len(history.train_losses) == 7
    return {**bundle.tensors, "losses": np.array([history.train_losses, history.validation_losses])}


def take_part(rank: int, listener: socket.socket, answers: "multiprocessing.Queue[object]", work: Work) -> None:
    port = int(listener.getsockname()[1])
    with joined_ranks(rank, 2, port, listener if rank == 0 else None):
        answers.put((rank, work()))


def run_two(work: Work) -> dict[int, object]:
    listener = socket.create_server(("127.0.0.1", 0))
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[object] = context.Queue()
    processes = [context.Process(target=take_part, args=(rank, listener, answers, work)) for rank in (0, 1)]
    for process in processes:
        process.start()
    try:
        return dict(answers.get(timeout=TIMEOUT_S) for _ in processes)  # type: ignore[misc]
    finally:
        for process in processes:
            with contextlib.suppress(ValueError):
                process.join(10)
                process.kill()


def share_of_five() -> list[object]:
    return [list(range(5))[part_of_rank(5)], list(range(1))[part_of_rank(1)], sum_over_ranks([1.0, 2.0])]


def test_alone_a_process_takes_everything() -> None:
    assert share_of_five() == [[0, 1, 2, 3, 4], [0], [1.0, 2.0]]


def test_each_window_belongs_to_one_of_two_ranks() -> None:
    assert run_two(share_of_five) == {0: [[0, 2, 4], [0], [2.0, 4.0]], 1: [[1, 3], [0], [2.0, 4.0]]}


def test_weights_of_two_ranks_are_those_of_one_process() -> None:
    alone, together = train_waves(), run_two(train_waves)
    assert alone.keys() == together[0].keys()
    for name, weights in alone.items():
        np.testing.assert_array_equal(together[0][name], together[1][name], err_msg=name)
        np.testing.assert_allclose(together[0][name], weights, rtol=0, atol=1e-5, err_msg=name)


def test_group_is_left_with_the_block() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with joined_ranks(0, 1, int(listener.getsockname()[1]), listener):
        assert rank_and_size() == (0, 1)
        hosts = {connection.laddr.ip.removeprefix("::ffff:") for connection in psutil.Process().net_connections()}
        assert hosts == {"127.0.0.1"}


def test_rank_that_never_joins_is_noticed() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with pytest.raises(RuntimeError, match="ended before it joined"), contextlib.ExitStack() as ranks:
        ranks.enter_context(joined_ranks(0, 2, int(listener.getsockname()[1]), listener, lambda: False))
