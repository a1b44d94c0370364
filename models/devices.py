"""Where training computes, and what must be held there so that the same seed gives the same bytes."""

import contextlib
from collections.abc import Iterator
from typing import Literal

import torch

from data_contracts.errors import SpecError

Device = Literal["auto", "cpu", "cuda"]


class NoSuchDevice(SpecError):
    """The spec asks for a device that this machine does not have."""

    def __init__(self, asked: str) -> None:
        self.asked = asked
        built = torch.version.cuda or "none: this torch was built for the CPU alone"
        super().__init__(
            f"training.device is {asked}, but torch finds no such device here (CUDA of this torch: {built}). "
            "Write `device: auto` to train on whatever there is, or install a CUDA build of torch and its driver."
        )


def device_of(asked: Device) -> torch.device:
    """The device that is meant. Raises NoSuchDevice."""
    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise NoSuchDevice(asked)
    return torch.device("cuda" if there and asked != "cpu" else "cpu")


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
def same_numbers(seed: int, threads: int, device: torch.device) -> Iterator[None]:
    """The same seed, threads and device give the same bytes; the caller's random state and threads come back after."""
    cards = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(cards), same_threads(threads), _same_kernels() if cards else contextlib.nullcontext():
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def _same_kernels() -> Iterator[None]:
    """CUDA kernels that add in one order, and float32 that is float32.

    They need CUBLAS_WORKSPACE_CONFIG=:4096:8 before CUDA starts; tasks/__init__.py sets it. What has no such kernel
    is warned about, not refused: a night must not fail for it.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
