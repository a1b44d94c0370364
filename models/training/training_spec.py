"""Settings of training. This file imports no torch: reading a pipeline must start at once."""

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from data_contracts.spec import SettingsSpec
from models.data.scaling import StepWeights

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bfloat16", "auto"]
ScheduleName = Literal["plateau", "cosine", "constant"]


class TrainingSpec(SettingsSpec):
    """How a network is trained. An epoch takes at most `windows_per_epoch` windows, drawn again for each epoch."""

    batch_size: PositiveInt = Field(128, le=1_000_000)
    learning_rate: PositiveFloat = 0.002
    schedule: ScheduleName = Field("plateau", description="cosine spans max_epochs, so set few epochs")
    max_epochs: PositiveInt = Field(30, le=100_000)
    patience: PositiveInt = Field(3, le=100_000)
    seed: int = Field(0, ge=0, lt=2**32)
    windows_per_epoch: PositiveInt = Field(8192, le=1_000_000_000)
    validation_windows: PositiveInt = Field(4096, le=1_000_000_000)
    weight_decay: float = Field(1e-4, ge=0)
    clip: PositiveFloat = 1.0
    average: float = Field(
        0.98, ge=0, lt=1, description="decay per step of the moving average of the weights that is kept; 0: no average"
    )
    mirror: float = Field(0.0, ge=0, le=1, description="share of training windows whose sign is flipped")
    step_weights: StepWeights = Field(
        "equal",
        description="of the errors of each step of the horizon in training; decreasing: the first step counts up to "
        "five times as much as late ones (xPatch, arXiv 2412.17323)",
    )
    members: PositiveInt = Field(
        1, le=100, description="networks trained with different seeds; the forecast is their mean"
    )
    threads: PositiveInt = Field(1, le=1024, description="more threads than free cores make training many times slower")
    workers: PositiveInt = Field(
        1, le=64, description="processes that train one network together on the CPU, each with a part of every batch"
    )
    device: Device = Field("auto", description="auto uses CUDA if available; forecasts are made on the CPU")
    precision: Precision = Field("auto", description="of forward and backward passes; weights are always float32")
    memory: Literal["warn", "fail"] = Field("warn", description="what to do if a model can't see one season back")
    start: Literal["scratch", "champion"] = Field("scratch", description="the weights that training starts from")
