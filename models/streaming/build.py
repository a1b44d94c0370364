"""Build the kept states of every series that can be forecast, from a clean table."""

import numpy as np
import pandas as pd

from models.data.closed_times import ClosedSetting, find_closed_times
from models.data.panel import Panel
from models.data.panel_table import PanelTable
from models.data.windows import forecast_windows
from models.predict import Predictor
from models.streaming.encoders import kept_steps, read_history
from models.streaming.obstacles import streams_exactly
from models.streaming.states import SeriesStates
from models.streaming.timeline import Timeline


def build_states(
    predictor: Predictor, clean: PanelTable, cutoff: pd.Timestamp, closed: ClosedSetting
) -> tuple[SeriesStates, Timeline]:
    """Keep the newest steps of each series, and encoder states where the model streams exactly.

    Args:
        predictor: The model.
        clean: The clean table, with the covariates of the model.
        cutoff: Last step that may be observed, a time of the grid (UTC).
        closed: The times at which no value exists, or `auto` to derive them from the table.

    Returns:
        The states of the series that a night forecasts, and the timeline that counts their steps.
    """
    bundle = predictor.bundle
    panel = Panel.from_table(clean, bundle.view)
    step = int(panel.grid.get_loc(cutoff))
    codes, _ = forecast_windows(panel, step)
    states = SeriesStates.from_panel(panel, codes, step, kept_steps(bundle))
    times = find_closed_times(clean, bundle.view.freq, bundle.view.zone, closed, clean.steps_until(cutoff))
    states.closed = times.slots[times.ids.get_indexer(np.array(states.ids, dtype=object))]
    if streams_exactly(bundle) and len(codes):
        states.encoders = read_history(predictor, panel, codes, step)
    return states, Timeline(panel.grid, bundle.view)
