"""Choose the device of training, and make it deterministic: the same seed gives the same bytes."""

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from data_contracts.errors import SpecError, TrainingFailed

T = TypeVar("T")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt
KEPT_BYTES, DEFAULT_MAX_MMAP_THRESHOLD = 2**31 - 1, 2**25


class NoSuchDevice(SpecError):
    """The spec asks for a device that PyTorch does not find on this machine."""

    def __init__(self, device: str) -> None:
        built = torch.version.cuda or "none, it was built for the CPU only"
        super().__init__(
            f"training.device is {device}, but PyTorch finds none on this machine (its CUDA version: {built}). "
            "Write `device: auto` to use the available device, or install a CUDA build of PyTorch and its driver."
        )


class DeviceMemoryFull(TrainingFailed):
    """A network did not fit the memory of the CUDA device while it was trained."""

    def __init__(self, model: str, device: torch.device) -> None:
        super().__init__(
            model,
            f"the memory of the CUDA device is full ({_describe_memory(device)})",
            "Lower hidden, training.batch_size or windowing.lookback, stop other work on the device, or train on the "
            "CPU with `device: cpu`.",
        )


def resolve_device(name: str) -> torch.device:
    """Return the device of that name; `auto` is CUDA if it is available. Raises NoSuchDevice."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise NoSuchDevice(name)
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def run_on_device(device: torch.device, model: str, work: Callable[[], T]) -> T:
    """Run work on a device, and free the memory there that it leaves unused.

    On a CPU, memory that the work frees stays in the process until the work ends.

    Args:
        device: Where the work allocates memory.
        model: Name of the network, for the error.
        work: Allocates, computes, and returns what is on the CPU.

    Returns:
        The result of the work.

    Raises:
        DeviceMemoryFull: The work needs more memory than is free on a CUDA device.
        RuntimeError: The work raised it for another reason.
    """
    try:
        with _kept_heap():
            return work()
    except RuntimeError as error:
        if not is_device_memory_full(error, device):
            raise
    finally:
        _free_cached_memory(device)
    # not raised in the handler: the error of CUDA refers to the tensors that filled the memory
    raise DeviceMemoryFull(model, device)


@contextlib.contextmanager
def _kept_heap() -> Iterator[None]:
    """Keep freed memory of the heap of glibc for the next array, instead of giving it back to the system.

    A training step frees the arrays that the next step allocates again. The system would fill each page with zeros at
    every step: a fifth to two fifths of the time of an LSTM with two layers over 168 steps (man 3 mallopt).
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc alone has it
    if set_option is None:
        yield
        return
    for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
        set_option(option, KEPT_BYTES)
    try:
        yield
    finally:
        set_option(M_MMAP_THRESHOLD, DEFAULT_MAX_MMAP_THRESHOLD)
        set_option(M_TRIM_THRESHOLD, 2 * DEFAULT_MAX_MMAP_THRESHOLD)
        ctypes.CDLL(None).malloc_trim(0)


def is_device_memory_full(error: BaseException, device: torch.device) -> bool:
    """Return whether an error of CUDA, or of a library on it, means that `device` has no memory left."""
    if device.type != "cuda" or not isinstance(error, RuntimeError):
        return False
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "_status_alloc_failed" in text


def _free_cached_memory(device: torch.device) -> None:
    """Return the memory of deleted tensors to a CUDA device; PyTorch would keep it until the process ends."""
    if device.type == "cuda":
        with contextlib.suppress(RuntimeError):  # the error that ended the work says more
            torch.cuda.empty_cache()


def _describe_memory(device: torch.device) -> str:
    try:
        free, total = (size / 2**30 for size in torch.cuda.mem_get_info(device))
        return f"{torch.cuda.get_device_name(device)}, {total:.1f} GiB, of which {free:.1f} are free without it"
    except RuntimeError:
        return "other processes leave too little of it for CUDA to start"


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
