"""Static columns: which share of the series has each value, now and in the reference."""

import numpy as np
import pandas as pd

from models.data.panel_table import PanelTable
from models.drift.composition import compare_compositions
from models.drift.detection import DriftWindows
from tasks.monitoring.columns import drift_table

TEST = "chi-square of the series"


def compare_static_columns(
    sampled: PanelTable,
    columns: tuple[str, ...],
    observed: np.ndarray,
    windows: DriftWindows,
    level: float,
    known_until: int = 0,
) -> list[pd.DataFrame]:
    """Compare the values of static columns over the series that report.

    Args:
        sampled: The clean table.
        columns: The static columns.
        observed: Whether a series has a value of the target, (series, steps), the series sorted by name.
        windows: Lengths of the parts.
        level: Level of the test.
        known_until: Step up to which the champion was trained.

    Returns:
        A row of the drift table for each column; `series` names the value whose share changed most.
    """
    rows = []
    for column in columns:
        values = sampled.texts[column].fillna("")
        codes, names = pd.factorize(values, sort=True)
        nights = [{column: night} for night in compare_compositions(codes, observed, windows, known_until)]
        if nights:
            rows.append(drift_table(nights, list(map(str, names)), level).assign(test=TEST))
    return rows
