"""Inputs, outputs and evaluation that all candidates of a run share."""

from typing import Literal

from pydantic import Field, PositiveInt

from data_contracts.spec import Spec
from models.data.closed_times import ClosedSetting
from models.data.panel import InputSpec

METRICS = ("mase", "wql", "mae", "rmse", "smape", "coverage")


class EvaluationSpec(Spec):
    """Settings of the evaluation. `windows` rolling origins are spread over the test part."""

    season: PositiveInt | None = Field(None, description="season length in steps; by default that of the frequency")
    metric: Literal["mase", "wql", "mae"] = "mase"
    windows: PositiveInt = 28


class OutputSpec(Spec):
    """Quantile levels of every forecast, and the smallest and largest value that a forecast may have."""

    quantiles: tuple[float, ...] = (0.05, 0.1, 0.5, 0.9, 0.95)
    minimum: float | None = None
    maximum: float | None = None


class ForecastSetup(Spec):
    """Inputs, outputs and evaluation of one run. Models are compared only if they share inputs and outputs.

    `id_columns` are the columns that together name a series, which published tables keep.
    """

    view: InputSpec
    bounds: OutputSpec
    evaluation: EvaluationSpec
    id_columns: tuple[str, ...] = ()
    closed: ClosedSetting = "auto"
