"""Baselines of a backtest: fitted on the training part, and the reference is always shown."""

from typing import Any

from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.references import fit_references, select_shown


def names_of(models: tuple[Candidate, ...]) -> list[str]:
    return [model.name for model in models]


def test_every_baseline_is_fitted_and_stored(prepared: Any, forecast_setup: ForecastSetup) -> None:
    fitted = fit_references.fn(prepared.clean, prepared.windows, forecast_setup, prepared.store)
    assert names_of(fitted) == ["naive", "seasonal_naive_24", "seasonal_naive_168", "seasonal_mean_168", "linear"]
    assert all(model.role == "baseline" and prepared.store.contains(model.bundle) for model in fitted)
    assert names_of(select_shown(fitted, "seasonal_naive_24", shows_all=False)) == ["seasonal_naive_24"]
    assert select_shown(fitted, "seasonal_naive_24", shows_all=True) == fitted
