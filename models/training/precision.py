"""How many bits a training step computes with: where the machine multiplies bfloat16, it may learn faster.

Only forward and backward passes are lowered (torch.autocast). Weights, their updates and every validation loss stay
float32, so the best weights are chosen by what will forecast at night. bfloat16 has float32's range: no loss scaling.
"""

import contextlib
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16", "auto"]


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device does so itself; elsewhere torch only imitates it, slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    told = torch.cpu.get_capabilities()
    return bool(told.get("avx512_bf16") or told.get("amx_bf16"))


def resolve_precision(precision: Precision, device: torch.device) -> Literal["float32", "bfloat16"]:
    """What `auto` means on this machine."""
    if precision == "auto":
        return "bfloat16" if multiplies_bfloat16(device) else "float32"
    return precision


def lowered(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Inside, matrix products are as precise as chosen."""
    return torch.autocast(device.type, torch.bfloat16, enabled=resolve_precision(precision, device) == "bfloat16")
