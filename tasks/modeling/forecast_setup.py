"""Inputs, outputs and evaluation that all candidates of a run share."""

from typing import Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from data_contracts.spec import SettingsSpec, Spec
from models.data.closed_times import ClosedSetting
from models.data.panel import InputSpec
from models.data.windows import MAX_WINDOW_STEPS

METRICS = ("mase", "wql", "mae", "rmse", "smape", "coverage")


class EvaluationSpec(SettingsSpec):
    """Settings of the evaluation. `windows` rolling origins are spread over the test part."""

    season: PositiveInt | None = Field(
        None, le=MAX_WINDOW_STEPS, description="season length in steps; by default that of the frequency"
    )
    metric: Literal["mase", "wql", "mae"] = "mase"
    windows: PositiveInt = Field(28, le=10_000)
    max_series: PositiveInt = Field(
        1000, le=1_000_000, description="series that are scored; of more, those whose names have the lowest hashes"
    )


class OutputSpec(SettingsSpec):
    """Quantile levels of every forecast, and the smallest and largest value that a forecast may have."""

    quantiles: tuple[float, ...] = Field((0.05, 0.1, 0.5, 0.9, 0.95), max_length=199)
    minimum: float | None = None
    maximum: float | None = None


class ForecastSpec(OutputSpec):
    """Quantiles to forecast, each between 0 and 1, and bounds of the forecasts. The median is always added."""

    @field_validator("quantiles")
    @classmethod
    def _sort_quantiles(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < level < 1 for level in levels):
            raise ValueError("every quantile must lie between 0 and 1")
        return tuple(sorted({*levels, 0.5}))

    @model_validator(mode="after")
    def _check_bounds(self) -> "ForecastSpec":
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError(f"minimum {self.minimum} must be less than maximum {self.maximum}")
        return self


class ForecastSetup(Spec):
    """Inputs, outputs and evaluation of one run. Models are compared only if they share inputs and outputs.

    `id_columns` are the columns that together name a series, which published tables keep; `target` is the column of the
    source that is forecast, empty if there are several.
    """

    view: InputSpec
    bounds: OutputSpec
    evaluation: EvaluationSpec
    id_columns: tuple[str, ...] = ()
    target: str = ""
    closed: ClosedSetting = "auto"

    @property
    def segment_columns(self) -> tuple[str, ...]:
        """The columns whose values group series: static columns, and those that together name a series."""
        return tuple(dict.fromkeys((*self.view.features.static, *self.id_columns)))
