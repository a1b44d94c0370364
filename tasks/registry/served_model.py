"""The class that MLflow loads for a version: `mlflow.pyfunc.load_model` and `mlflow models serve`."""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from models.bundle import Bundle
from models.golden import check_golden_forecast
from tasks.modeling.forecast_setup import OutputSpec
from tasks.modeling.serving import forecast_history
from tasks.registry.id_columns import with_id_columns

WEIGHTS_KEY = "weights"  # among the artifacts of the model


class ServedModel(PythonModel):  # type: ignore[misc]
    """A bundle behind MLflow's interface. Nothing is unpickled: weights are safetensors, settings are JSON."""

    bundle: Bundle
    bounds: OutputSpec
    closed: Any = "auto"
    id_columns: tuple[str, ...] = ()

    def load_context(self, context: PythonModelContext) -> None:
        """Read the bundle, replay its golden forecast, and read the limits of the forecasts from the configuration."""
        self.bundle = Bundle.from_bytes(Path(context.artifacts[WEIGHTS_KEY]).read_bytes())
        check_golden_forecast(self.bundle)
        settings = context.model_config or {}
        limits = {name: settings.get(name) for name in ("minimum", "maximum")}
        self.bounds = OutputSpec(quantiles=self.bundle.levels, **limits)
        closed = settings.get("closed", "auto")
        self.closed = closed if isinstance(closed, str) else tuple(closed)
        self.id_columns = tuple(settings.get("id_columns") or ())  # versions of earlier releases have none

    def predict(
        self, context: PythonModelContext | None, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Forecast the horizon after a history.

        Args:
            context: Not used.
            model_input: A history: unique_id, ds, y and the covariates; rows with an empty y for the known covariates
                of the horizon.
            params: Not used.

        Returns:
            The forecast table: unique_id and the columns that together name a series, ds, cutoff, step, y_hat and a
            column per quantile.
        """
        table = forecast_history(self.bundle, model_input, self.bounds, self.closed)
        return with_id_columns(table, self.id_columns)
