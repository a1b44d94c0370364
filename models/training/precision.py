"""The precision of training steps: bfloat16 if the machine multiplies it in hardware, which can be faster.

Only forward and backward passes use bfloat16 (torch.autocast). Weights, their updates and validation losses stay
float32, so the best weights are selected in the precision of forecasts. bfloat16 has the range of float32: losses need
no scaling.
"""

import contextlib
from collections.abc import Mapping
from typing import Any, Literal

import torch

from data_contracts.errors import SpecError
from models.devices import resolve_device
from models.training.training_spec import Precision, TrainingSpec

FASTER_ON = ("avx512_bf16", "amx_bf16")  # instructions with which `auto` was measured to be faster
ON_ARM = ("bf16", "sve_bf16")


class PrecisionNotSupported(SpecError):
    """The spec asks for a precision that the device does not multiply in hardware."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(
            f"training.precision is bfloat16, but {_describe(device)} does not multiply bfloat16 in hardware: PyTorch "
            "would train several times slower than in float32, or fail. Write `precision: auto` to use bfloat16 only "
            "on machines that have it, or `precision: float32`."
        )


def supports_bfloat16(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 in hardware; torch's emulation is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return any(_capabilities().get(name) for name in (*FASTER_ON, *ON_ARM))


def resolve_precision(precision: Precision, device: torch.device) -> Literal["float32", "bfloat16"]:
    """Replace `auto` by the precision that suits the device.

    Returns:
        For `auto`, bfloat16 on an x86 CPU that multiplies it in hardware, else float32. On an H100 (PyTorch 2.11),
        bfloat16 trained batches of 128 windows no faster, and made the validation loss of a bidirectional rnn with two
        layers 9 to 21 % larger in each of eight trainings.

    Raises:
        PrecisionNotSupported: The precision is bfloat16, and the device does not multiply it in hardware.
    """
    if precision == "bfloat16" and not supports_bfloat16(device):
        raise PrecisionNotSupported(device)
    return _choose(precision, device)


def require_hardware(training: TrainingSpec) -> None:
    """Check that this machine has the device of the settings and multiplies their precision.

    Args:
        training: Settings of training.

    Raises:
        NoSuchDevice: The device is not available.
        PrecisionNotSupported: The device does not multiply the precision in hardware.
    """
    resolve_precision(training.precision, resolve_device(training.device))


def autocast(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Return a context in which torch computes matrix products in the given precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=_choose(precision, device) == "bfloat16")


def _choose(precision: Precision, device: torch.device) -> Literal["float32", "bfloat16"]:
    if precision == "auto":
        faster = device.type == "cpu" and any(_capabilities().get(name) for name in FASTER_ON)
        return "bfloat16" if faster else "float32"
    return precision


def _capabilities() -> Mapping[str, Any]:
    """Return the instruction sets of the CPU by name, and its name as `cpu_name`."""
    return torch.cpu.get_capabilities()


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        return f"the card of this machine ({torch.cuda.get_device_name(device)})"
    about = _capabilities()
    return f"the CPU of this machine ({about.get('cpu_name') or about.get('architecture')})"
