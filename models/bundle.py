"""A trained model as one file: safetensors weights, and in the file's header the settings as JSON. No pickle.

`predict` is the same for every kind of model, so that a baseline can stand in for the champion.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from data_contracts.errors import NightcastError
from models.data.panel import InputSpec

HEADER = "nightcast"


class BundleDamaged(NightcastError):
    """The bytes are no bundle of ours."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"this is no model bundle: {reason}. Train again, or restore the file from a copy.")


@dataclass(frozen=True)
class Bundle:
    """A model's name and kind, its settings (JSON) and its tensors."""

    name: str
    kind: str
    settings: dict[str, Any]
    tensors: dict[str, np.ndarray]

    @property
    def view(self) -> InputSpec:
        """What the model learned to see."""
        return InputSpec.model_validate(self.settings["view"])

    @property
    def lookback(self) -> int:
        return self.view.lookback

    @property
    def horizon(self) -> int:
        return self.view.horizon

    @property
    def levels(self) -> tuple[float, ...]:
        return tuple(self.settings["quantiles"])

    def to_bytes(self) -> bytes:
        """The same bundle gives the same bytes: one header key, sorted JSON, sorted tensors."""
        header = json.dumps({"name": self.name, "kind": self.kind, "settings": self.settings}, sort_keys=True)
        tensors = {name: np.ascontiguousarray(self.tensors[name]) for name in sorted(self.tensors)}
        data: bytes = save(tensors, metadata={HEADER: header})
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> "Bundle":
        """Raises BundleDamaged where the bytes are anything else."""
        try:
            size = int.from_bytes(data[:8], "little")
            header = json.loads(json.loads(data[8 : 8 + size])["__metadata__"][HEADER])
            return cls(header["name"], header["kind"], header["settings"], load(data))
        except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as damage:
            raise BundleDamaged(str(damage)) from damage
