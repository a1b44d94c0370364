"""Windows as tensors: a collated batch for PyTorch, with the weights that training needs.

b windows · L lookback · H horizon · P past features · F future features
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.data.collation import WindowArrays


@dataclass(frozen=True)
class Batch:
    """Tensors of b windows."""

    past: Tensor  # (b, L, P)
    future: Tensor  # (b, H, F)
    static: Tensor  # (b, statics) int64
    level: Tensor  # (b, 3) location and scale of the normalisation, in comparable units
    linear: Tensor  # (b, L) the normalised past target, gaps filled forward
    target: Tensor  # (b, H), normalised; NaN where nothing was observed
    location: Tensor  # (b, 1) float64, in the units of y
    scale: Tensor  # (b, 1) float64
    clock: Tensor  # (b,) int64 steps since 1970 on the wall clock, at the cutoff
    error_weights: Tensor  # (b, 1) or (b, H) weight of the errors of each window in training

    @classmethod
    def from_arrays(cls, arrays: WindowArrays, error_weights: Tensor | None = None) -> "Batch":
        """Return the batch of collated arrays, which share their memory; by default all errors have the weight 1."""
        weights = torch.ones(len(arrays.clock), 1) if error_weights is None else error_weights
        tensors = {name: torch.from_numpy(value) for name, value in vars(arrays).items() if name != "factors"}
        return cls(**tensors, error_weights=weights)

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on `device`."""
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})

    def select(self, part: slice) -> "Batch":
        """Return some of the windows, which share their memory."""
        return Batch(**{name: value[part] for name, value in vars(self).items()})

    def flip_sign(self, chosen: Tensor, echoes: int) -> "Batch":
        """Return the batch with the target of some windows multiplied by -1, for data augmentation.

        Args:
            chosen: The windows whose sign is flipped, (b,) bool.
            echoes: Number of seasonal lags, which are the last 2 x `echoes` columns of `future`.

        Returns:
            A new batch; covariates other than the seasonal lags are as before.
        """
        sign = torch.where(chosen, -1.0, 1.0).to(self.target).unsqueeze(1)
        past, future, level = self.past.clone(), self.future.clone(), self.level.clone()
        past[..., 0] *= sign
        if echoes:
            future[..., -2 * echoes :: 2] *= sign.unsqueeze(2)
        level[:, 1:] *= sign
        return replace(
            self,
            past=past,
            future=future,
            level=level,
            linear=self.linear * sign,
            target=self.target * sign,
            location=self.location * sign,
        )
