"""Forecasts of a history that a request brings: the table of `forecast_history`, of a bounded number of steps."""

from typing import Any

import pandas as pd

from deployments.api.inference.answers import format_table
from deployments.api.inference.champion import ServedChampion
from deployments.api.problems import Problem
from deployments.api.schemas import HistoryRow
from tasks.modeling.forecast_setup import OutputSpec
from tasks.modeling.serving import forecast_history

MAX_STEPS = 1_000_000  # of all series, with those that a history leaves out
YEARS = (1900, 2200)  # with room for the time zone and the horizon


def forecast_rows(champion: ServedChampion, rows: list[HistoryRow]) -> list[dict[str, Any]]:
    """Forecast the horizon after a history.

    Args:
        champion: The model, with its limits and closed times.
        rows: The history.

    Returns:
        A forecast per series.

    Raises:
        Problem: The history spans too many steps.
        HistoryInvalid: A column, a value or a row is missing or wrong.
    """
    forecaster, (minimum, maximum) = champion.forecaster, champion.limits
    history = pd.DataFrame([row.model_dump() for row in rows])
    times = forecaster.timeline.times
    _require_span(history, int(times[-1] - times[-2]))
    bounds = OutputSpec(quantiles=champion.bundle.levels, minimum=minimum, maximum=maximum)
    factors = forecaster.recalibration, forecaster.states.ids  # as for the series that the service knows
    table = forecast_history(champion.bundle, history, bounds, champion.closed, forecaster.predictor, factors)
    return format_table(table, champion.bundle.levels)


def _require_span(history: pd.DataFrame, width: int) -> None:
    """Raise Problem if a history has too many steps, of `width` microseconds, to fill those that it leaves out."""
    times = pd.to_datetime(history["ds"], utc=True, errors="coerce", format="ISO8601").dropna()
    if times.empty:
        return  # refused with the row
    if (outside := ~times.dt.year.between(*YEARS)).any():
        row = int(outside.idxmax())
        detail = f"/history/{row}/ds is {history['ds'][row]!r}, outside the years {YEARS[0]} to {YEARS[1]}."
        raise Problem(422, f"{detail} Correct the time, or leave the row out.")
    starts = times.groupby(history["unique_id"]).min()
    steps = int(((times.max() - starts) / pd.Timedelta(microseconds=width)).sum()) + len(starts)
    if steps > MAX_STEPS:
        detail = f"the history spans {steps:,} steps from the first row of each series to {times.max():%Y-%m-%d %H:%M}"
        raise Problem(422, f"{detail}, and the limit is {MAX_STEPS:,}. Send the newest rows, or fewer series.")
