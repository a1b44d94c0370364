"""Forecasts as JSON values: times as ISO text in UTC, a list per quantile level, open steps only."""

from typing import Any, Literal

import numpy as np
import pandas as pd

from models.streaming.states import SeriesStates
from models.streaming.timeline import Timeline
from tasks.modeling.scores import quantile_name

SECOND_MICROSECONDS = 1_000_000


def format_times(times: np.ndarray) -> list[str]:
    """Return times (n,), microseconds since 1970 in UTC, as text such as 2024-03-01T05:00:00Z."""
    unit: Literal["s", "us"] = "us" if (times % SECOND_MICROSECONDS).any() else "s"
    stamps: Any = times.astype("datetime64[us]")
    return list(np.datetime_as_string(stamps, unit=unit, timezone="UTC").tolist())


def format_forecast(
    states: SeriesStates, row: int, timeline: Timeline, quantiles: np.ndarray, levels: tuple[float, ...]
) -> dict[str, Any]:
    """Return the forecast of one series.

    Args:
        states: The states that it follows from.
        row: Index of the series.
        timeline: The steps that the states count.
        quantiles: (H, Q), in the units of the source.
        levels: Quantile levels.

    Returns:
        Series, cutoff, and for each step at which the series is open its time, number, median and quantiles.
    """
    newest = int(states.newest[row])
    ahead = np.arange(newest + 1, newest + 1 + len(quantiles))
    is_open = ~states.closed[row, timeline.slots[ahead]]
    values = quantiles[is_open]
    return {
        "unique_id": states.ids[row],
        "cutoff": format_times(timeline.times[newest : newest + 1])[0],
        "ds": format_times(timeline.times[ahead[is_open]]),
        "step": (np.flatnonzero(is_open) + 1).tolist(),
        "y_hat": values[:, levels.index(0.5)].tolist(),
        "quantiles": {f"{level:g}": values[:, column].tolist() for column, level in enumerate(levels)},
    }


def format_table(table: pd.DataFrame, levels: tuple[float, ...]) -> list[dict[str, Any]]:
    """Return the forecasts of a forecast table, one per series in the order of the table."""
    forecasts = []
    for name, part in table.groupby("unique_id", sort=False):
        cutoff, times = (_microseconds(part[column]) for column in ("cutoff", "ds"))
        forecasts.append(
            {
                "unique_id": name,
                "cutoff": format_times(cutoff[:1])[0],
                "ds": format_times(times),
                "step": part["step"].tolist(),
                "y_hat": part["y_hat"].tolist(),
                "quantiles": {f"{level:g}": part[quantile_name(level)].tolist() for level in levels},
            }
        )
    return forecasts


def _microseconds(times: pd.Series) -> np.ndarray:
    return times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)
