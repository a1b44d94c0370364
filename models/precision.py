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


def lowered(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Inside, matrix products are bfloat16 if `precision` says so; `auto` says so where the device multiplies it."""
    wanted = precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)
