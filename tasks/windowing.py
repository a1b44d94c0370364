"""Cut the clean table into windows. A window is an index into the table, never a copy of its values."""

from datetime import datetime

import pandas as pd

from data_contracts.artifact import Artifact
from models.data.panel import InputSpec, Panel
from models.data.windows import WindowSpec, build_window_index
from tasks.engine.step import step
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.forecast_setup import EvaluationSpec
from tasks.modeling.size_limits import check_forecast_size
from tasks.modeling.training_data import to_windows_table
from tasks.storage.store import Store


@step
def cut_windows(
    clean: Artifact, cutoff: datetime, view: InputSpec, windowing: WindowSpec, evaluation: EvaluationSpec, store: Store
) -> Artifact:
    """Store the index of all windows: training, validation, test and forecast.

    Args:
        clean: The clean table.
        cutoff: The last observation that is known, in UTC.
        view: The inputs of the models: columns, frequency, lookback and horizon.
        windowing: How the history is split.
        evaluation: How many rolling origins the test part has.
        store: The store that holds the table.

    Returns:
        A table with a row per range of windows: series (number of the series), first and last (positions of cutoffs in
        the series), stride (steps between two cutoffs) and split. The forecast part has one window per series, at the
        cutoff.

    Raises:
        HistoryTooShort: If the history is too short for the parts.
        SpecError: If the forecasts would not fit the memory of the machine.
    """
    panel = Panel.from_table(load_clean_table(clean, store), view)
    check_forecast_size(panel, evaluation)
    index = build_window_index(panel, windowing, pd.Timestamp(cutoff), evaluation.windows)
    return store.put(to_windows_table(index), "windows")
