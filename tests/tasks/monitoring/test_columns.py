"""Values end at the cutoff, and the most significant column comes first."""

import numpy as np
import pandas as pd

from models.data.panel_table import PanelTable
from models.drift.detection import ColumnDrift
from tasks.monitoring.columns import drift_table, newest_values
from tests.tasks.drift_panels import CUTOFF, clean, noise, view_of


def test_newest_values_end_at_the_cutoff() -> None:
    frame = clean(days=2, calm=noise)
    values, times = newest_values(PanelTable.from_frame(frame), CUTOFF - pd.Timedelta(hours=3), view_of("calm"), 5)
    assert {name: table.shape for name, table in values.items()} == {"y": (2, 5), "calm": (2, 5)}
    assert values["y"][1].tolist() == frame["y"].iloc[-8:-3].tolist()
    assert times.tolist() == frame["ds"].iloc[-8:-3].tolist()


def test_most_significant_column_comes_first() -> None:
    quiet, loud = ColumnDrift(0.5, np.array([0.9, 0.4])), ColumnDrift(0.001, np.array([1.0, 1.0]))
    night = {"a": quiet, "b": loud}
    table = drift_table([night, night, {"a": quiet, "b": quiet}], ["x", "y"], 0.01)
    assert table[["column", "nights", "drifted"]].values.tolist() == [["b", 2, True], ["a", 0, False]]
    assert table["series"].fillna("").tolist() == ["", "y"]
    assert table["p_value"].tolist() == [0.002, 0.8]
