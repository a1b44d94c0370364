"""A trained model as one safetensors file: weights as tensors, settings as JSON in the header. No pickle.

The settings have a type for each kind of model. A stored key is written back as it was read: the same bundle always
gives the same bytes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, field_validator
from safetensors import SafetensorError
from safetensors.numpy import load, save

from data_contracts.errors import NightcastError
from models.data.imputation import Filling
from models.data.panel import InputSpec
from models.data.seasonal_adjustment import NotAdjusted, history_steps

HEADER = "nightcast"
LINEAR_TENSORS = "weights", "weights.short", "seasons"  # maps (L + 1, H), and the seasons they are adjusted for
LINEAR_MAP = "linear."  # prefix of the tensors of the linear map that a network is blended with
MEDIAN_SEASONS = "median.seasons"  # tensor: season in steps, and how many the blended seasonal median reads


class BundleDamaged(NightcastError):
    """The bytes cannot be read as a model bundle."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"these bytes are not a model bundle: {reason}. Train again, or restore the file from a backup."
        )


class ModelSettings(BaseModel):
    """Settings of every model. Keys that this release does not know are kept, so that they are written back."""

    model_config = ConfigDict(frozen=True, extra="allow", validate_by_name=True)

    view: InputSpec
    quantiles: tuple[float, ...]
    whole: bool = Field(description="every training target was a whole number: forecasts are rounded")

    @field_validator("view", "filling", mode="before", check_fields=False)
    @classmethod
    def _with_defaults(cls, value: object) -> object:
        """Store settings that are built in code in full; settings that are read keep the keys that they have."""
        return value.model_dump() if isinstance(value, BaseModel) else value


class BaselineSettings(ModelSettings):
    """Settings of a baseline."""

    ids: tuple[str, ...] = Field(description="series that have error quantiles of their own, in the order of the rows")
    season: PositiveInt = Field(description="steps; 1 for naive and linear")


class TrainingRecord(BaseModel):
    """How a network was trained. `threads` is needed to forecast; the other keys are a record."""

    model_config = ConfigDict(frozen=True, extra="allow")

    threads: PositiveInt


class RecurrentSettings(ModelSettings):
    """Settings of a recurrent network. `models.restore` builds `RecurrentSpec` and `Shape` from `model` and `shape`."""

    model: dict[str, Any]
    shape: dict[str, Any]
    training: TrainingRecord
    members: PositiveInt
    lags: tuple[int, ...] = Field(description="seasons, in steps, whose last values are inputs of each horizon step")
    vocabulary: tuple[dict[str, int], ...] = Field(description="codes of the values of each static covariate")
    filling: Filling = Filling()
    floor: float = Field(description="smallest scale of a window, in the units of the source")
    target: tuple[float, float] = Field(description="mean and standard deviation of y over the training rows")
    trained_on: tuple[str, str] | None = Field(None, alias="learned_on", description="device and precision")
    trained_until: str | None = Field(None, alias="learned_until", description="time of the last training target, UTC")
    validated_until: str | None = Field(None, description="time of the last validation target, UTC")
    adjustment: tuple[int, ...] = Field((), description="seasons, in steps, that windows are adjusted for, ascending")
    not_adjusted: NotAdjusted | None = Field(
        None, description="why windows are not adjusted; None: they are, or no record"
    )
    adjusted_loss: float | None = Field(None, description="of an adjusted linear map, relative to one without")
    series_shares: tuple[str, ...] = Field((), description="series with shares of their own, in the order of the rows")


Settings = RecurrentSettings | BaselineSettings
SETTINGS: dict[str, type[RecurrentSettings] | type[BaselineSettings]] = {
    "recurrent": RecurrentSettings,
    **dict.fromkeys(("seasonal_naive", "seasonal_mean", "linear"), BaselineSettings),
}


@dataclass(frozen=True)
class Bundle:
    """A model's name and kind (a key of SETTINGS), its settings and its tensors."""

    name: str
    kind: str
    settings: Settings
    tensors: dict[str, np.ndarray]

    @property
    def recurrent(self) -> RecurrentSettings:
        """Settings of a recurrent network. Raises TypeError for a bundle of another kind."""
        if not isinstance(self.settings, RecurrentSettings):
            raise TypeError(f"bundle {self.name!r} is of kind {self.kind}, not recurrent")
        return self.settings

    @property
    def baseline(self) -> BaselineSettings:
        """Settings of a baseline. Raises TypeError for a recurrent network."""
        if not isinstance(self.settings, BaselineSettings):
            raise TypeError(f"bundle {self.name!r} is of kind {self.kind}, not a baseline")
        return self.settings

    @property
    def view(self) -> InputSpec:
        """Columns, frequency and window lengths that the model reads."""
        return self.settings.view

    @property
    def lookback(self) -> int:
        """Steps before the cutoff that the model reads, the cutoff included."""
        return self.view.lookback

    @property
    def history(self) -> int:
        """Steps before the cutoff that a forecast depends on: the lookback, or more for blended forecasts."""
        adjusted = [*self.linear_maps.get("seasons", ())]
        adjusted += self.recurrent.adjustment if self.kind == "recurrent" else ()
        maps = [len(tensor) - 1 for name, tensor in self.linear_maps.items() if name != "seasons"]
        season, count = self.median_seasons or (0, 0)
        return max([self.lookback, history_steps(adjusted), season * count, *maps])

    @property
    def median_seasons(self) -> tuple[int, int] | None:
        """Season in steps, and how many are read by the seasonal median that a network is blended with; or None."""
        if MEDIAN_SEASONS not in self.tensors:
            return None
        season, count = map(int, self.tensors[MEDIAN_SEASONS])
        return season, count

    @property
    def linear_maps(self) -> dict[str, np.ndarray]:
        """Tensors of `fit_linear`: of the linear baseline, or of what a network is blended with; empty without."""
        prefix = LINEAR_MAP if self.kind == "recurrent" else ""
        return stored_maps(
            {name.removeprefix(prefix): value for name, value in self.tensors.items() if name.startswith(prefix)}
        )

    @property
    def horizon(self) -> int:
        """Steps that the model forecasts."""
        return self.view.horizon

    @property
    def levels(self) -> tuple[float, ...]:
        """Levels of the forecast quantiles, ascending."""
        return self.settings.quantiles

    def stored_settings(self) -> dict[str, Any]:
        """Return the settings as they are stored: JSON values, keys sorted at every depth."""
        stored = self.settings.model_dump(mode="json", by_alias=True, exclude_unset=True)
        sorted_settings: dict[str, Any] = json.loads(json.dumps(stored, sort_keys=True))
        return sorted_settings

    def to_bytes(self) -> bytes:
        """Serialise. The same bundle gives the same bytes: one header key, sorted JSON, sorted tensors."""
        header = json.dumps({"name": self.name, "kind": self.kind, "settings": self.stored_settings()}, sort_keys=True)
        tensors = {name: np.ascontiguousarray(self.tensors[name]) for name in sorted(self.tensors)}
        data: bytes = save(tensors, metadata={HEADER: header})
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> "Bundle":
        """Read a bundle. Raises BundleDamaged if the bytes are anything else."""
        try:
            size = int.from_bytes(data[:8], "little")
            header = json.loads(json.loads(data[8 : 8 + size])["__metadata__"][HEADER])
            settings = _parse_settings(header["kind"], header["settings"])
            return cls(header["name"], header["kind"], settings, load(data))
        except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as damage:
            raise BundleDamaged(str(damage)) from damage


def stored_maps(maps: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the tensors of a linear map that a forecast needs."""
    return {name: maps[name] for name in LINEAR_TENSORS if name in maps}


def _parse_settings(kind: str, stored: object) -> Settings:
    """Settings of a kind of model from JSON. Raises ValueError in one line."""
    if kind not in SETTINGS:
        raise ValueError(f"unknown kind {kind!r}, expected {', '.join(SETTINGS)}")
    try:
        return SETTINGS[kind].model_validate(stored)
    except ValidationError as invalid:
        problems = ((".".join(("settings", *map(str, error["loc"]))), error["msg"]) for error in invalid.errors())
        raise ValueError("; ".join(f"{where}: {problem}" for where, problem in problems)) from invalid
