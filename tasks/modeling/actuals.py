"""Actuals of a clean table, found by series and time without joining tables."""

import numpy as np
import pandas as pd

from models.data.mapped_pages import release_pages
from models.data.panel_table import PanelTable

LOOKED_UP_ROWS = 100_000  # at once: their pages of a table that lies in a file take memory, and temporary arrays


def lookup_actuals(clean: PanelTable, series: pd.Series, times: pd.Series) -> np.ndarray:
    """Look up the values of y.

    Args:
        clean: The clean table.
        series: Names of series, (n,).
        times: Times in UTC, (n,).

    Returns:
        The value of each (series, time), (n,) float64; NaN where nothing is known.
    """
    values = np.full(len(series), np.nan)
    for begin in range(0, len(series), LOOKED_UP_ROWS):
        part = slice(begin, begin + LOOKED_UP_ROWS)
        values[part] = _look_up(clean, series.iloc[part], times.iloc[part])
        release_pages(clean.numbers["y"])
    return values


def _look_up(clean: PanelTable, series: pd.Series, times: pd.Series) -> np.ndarray:
    names, distinct = pd.factorize(series)
    codes = np.append(clean.ids.get_indexer(pd.Index(distinct)), -1)[names]
    steps = clean.times.get_indexer(pd.DatetimeIndex(times))
    known = (codes >= 0) & (steps >= 0)
    position = steps - clean.first[codes] if len(clean.ids) else steps
    known &= (position >= 0) & (position < (clean.lengths[codes] if len(clean.ids) else 0))
    values = np.full(len(codes), np.nan)
    values[known] = clean.numbers["y"][clean.starts[codes[known]] + position[known]]
    return values
