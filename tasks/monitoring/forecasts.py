"""Whether the newest forecasts resemble the history before them: a model that leaves it is seen before actuals arrive.

history up to the cutoff                 forecast of that night
├───────┼───────┼─────────── … ─────────┤├───────────┤   compared as if the forecasts were the newest observations
"""

import numpy as np
import pandas as pd

from models.data.panel import InputSpec, Panel
from models.drift.detection import ColumnDrift, DriftWindows, compare_columns

COLUMN = "forecasts"
TEST = "level and shape"
STATISTICS = ("level", "shape")  # medians vary less than observations, so that their spread says nothing


def compare_forecasts(
    tables: list[pd.DataFrame], clean: pd.DataFrame, view: InputSpec, windows: DriftWindows
) -> list[dict[str, ColumnDrift]]:
    """Compare the forecasts of several nights with the observations before each.

    Args:
        tables: Forecast tables, the newest first: unique_id, cutoff, step and y_hat.
        clean: The clean table, with the series to compare.
        view: Frequency, zone and columns of the inputs.
        windows: Lengths of the parts of the drift test.

    Returns:
        The comparisons, the newest first; without those whose forecast is shorter than a block, or whose history is
        shorter than the reference.
    """
    panel, nights = Panel.from_frame(clean, view), list[dict[str, ColumnDrift]]()
    for table in tables:
        cutoff = int(panel.grid.get_indexer(pd.DatetimeIndex([table["cutoff"].max()]))[0])
        steps = min(int(table["step"].max()), windows.current) // windows.block * windows.block
        if cutoff - panel.first.min() + 1 < windows.reference or steps == 0:
            continue
        values = join_forecasts(panel, table, cutoff, windows.reference, steps)
        nights.append(compare_columns({COLUMN: values}, windows._replace(current=steps), STATISTICS))
    return nights


def join_forecasts(panel: Panel, table: pd.DataFrame, cutoff: int, history: int, steps: int) -> np.ndarray:
    """Return observations up to a cutoff and the forecasts after it.

    Args:
        panel: The series.
        table: A forecast table.
        cutoff: Step of the grid of the panel.
        history: Number of observations.
        steps: Number of forecasts.

    Returns:
        Values, (S, history + steps); NaN where nothing is known or forecast.
    """
    series = np.arange(len(panel.ids))
    observed = panel.take(panel.y, series, cutoff - panel.first, np.arange(1 - history, 1))
    forecast = np.full((len(series), steps), np.nan)
    row, step = pd.Index(panel.ids).get_indexer(pd.Index(table["unique_id"])), table["step"].to_numpy(int)
    inside = (row >= 0) & (step <= steps)
    forecast[row[inside], step[inside] - 1] = table["y_hat"].to_numpy(float)[inside]
    return np.concatenate([observed, forecast], axis=1)
