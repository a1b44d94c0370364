"""Target and covariates: values for the drift test, and a row per column of its result."""

import numpy as np
import pandas as pd

from models.data.panel import InputSpec, Panel
from models.data.panel_table import PanelTable
from models.drift.detection import ColumnDrift, has_alarm


def newest_values(
    clean: PanelTable, cutoff: pd.Timestamp, view: InputSpec, steps: int
) -> tuple[dict[str, np.ndarray], pd.DatetimeIndex]:
    """Return the newest values of the target and of the numeric covariates.

    Args:
        clean: The clean table.
        cutoff: The last observation that is known, in UTC.
        view: The inputs of the models, whose columns are read.
        steps: Number of steps up to the cutoff.

    Returns:
        Values by column, each (series, steps), NaN where nothing is known, and the times of the steps (UTC).
    """
    panel = Panel.from_table(clean, view)
    series, last = np.arange(len(panel.ids)), int(panel.grid.get_indexer(pd.DatetimeIndex([cutoff]))[0])
    position = last - panel.first
    offsets = np.arange(1 - steps, 1)
    tables = {"y": panel.y}
    tables |= {name: panel.observed[:, column] for column, name in enumerate(view.features.observed)}
    tables |= {name: panel.known[:, column] for column, name in enumerate(view.features.known_columns)}
    values = {name: panel.take(column, series, position, offsets) for name, column in tables.items()}
    return values, panel.grid[last + 1 - steps : last + 1]


def drift_table(nights: list[dict[str, ColumnDrift]], names: list[str], level: float) -> pd.DataFrame:
    """Return a row per column, the most significant first.

    Args:
        nights: Comparisons of `compare_nights`, the newest first.
        names: Names of the series.
        level: Level of the test.

    Returns:
        column, p_value, nights (below the level, of NIGHTS), series (the most significant), series_p_value, drifted.
    """
    alarms = has_alarm(nights, level)
    rows = []
    for column, drift in nights[0].items():
        worst = int(drift.series.argmin()) if len(drift.series) else -1
        is_named = worst >= 0 and drift.series[worst] < 1
        rows.append(
            {
                "column": column,
                "p_value": drift.p_value,
                "nights": sum(night[column].p_value < level for night in nights),
                "series": names[worst] if is_named else None,
                "series_p_value": float(drift.series[worst]) if is_named else 1.0,
                "drifted": alarms[column],
            }
        )
    return pd.DataFrame(rows).sort_values(["drifted", "p_value"], ascending=[False, True], ignore_index=True)
