"""Choose the device of training, and make it deterministic: the same seed gives the same bytes."""

import contextlib
from collections.abc import Iterator

import torch

from data_contracts.errors import SpecError


class NoSuchDevice(SpecError):
    """The spec asks for a device that PyTorch does not find on this machine."""

    def __init__(self, device: str) -> None:
        built = torch.version.cuda or "none, it was built for the CPU only"
        super().__init__(
            f"training.device is {device}, but PyTorch finds none on this machine (its CUDA version: {built}). "
            "Write `device: auto` to use the available device, or install a CUDA build of PyTorch and its driver."
        )


def resolve_device(name: str) -> torch.device:
    """Return the device of that name; `auto` is CUDA if it is available. Raises NoSuchDevice."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise NoSuchDevice(name)
    return torch.device("cuda" if available and name != "cpu" else "cpu")


@contextlib.contextmanager
def fixed_threads(threads: int) -> Iterator[None]:
    """Run with a fixed number of threads, on which the rounding of sums depends; restore the number afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def reproducible(seed: int, threads: int, device: torch.device) -> Iterator[None]:
    """Make results depend on seed, threads and device only; restore the random state and the threads afterwards."""
    cards = [torch.cuda.current_device()] if device.type == "cuda" else []
    with (
        torch.random.fork_rng(cards),
        fixed_threads(threads),
        _deterministic_kernels() if cards else contextlib.nullcontext(),
    ):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def _deterministic_kernels() -> Iterator[None]:
    """Use deterministic CUDA kernels, and float32 without TF32.

    They need CUBLAS_WORKSPACE_CONFIG=:4096:8 before CUDA starts; tasks/__init__.py sets it. An operation without a
    deterministic kernel warns instead of raising, because a night must not fail for it.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
