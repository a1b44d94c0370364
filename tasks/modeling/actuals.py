"""Actuals of a clean table, found by series and time without joining tables."""

import numpy as np
import pandas as pd


class ActualsIndex:
    """Values of y by (unique_id, ds): the clean table is sorted by both and has each step of a series once."""

    def __init__(self, clean: pd.DataFrame) -> None:
        """Index a clean table.

        Args:
            clean: Columns unique_id, ds (UTC) and y, sorted by series and time.
        """
        self.times = pd.DatetimeIndex(clean["ds"].unique()).sort_values()
        codes, names = pd.factorize(clean["unique_id"])
        self.names = pd.Index(names)
        self.y = clean["y"].to_numpy(float)
        self._keys = codes * len(self.times) + self.times.get_indexer(pd.DatetimeIndex(clean["ds"]))
        if len(self._keys) and (np.diff(self._keys) <= 0).any():  # a table of a caller in another order
            order = np.argsort(self._keys, kind="stable")
            self._keys, self.y = self._keys[order], self.y[order]

    def lookup(self, series: pd.Series, times: pd.Series) -> np.ndarray:
        """Return the value of each (series, time), (n,) float64; NaN where nothing is known."""
        codes = self.names.get_indexer(pd.Index(series))
        steps = self.times.get_indexer(pd.DatetimeIndex(times))
        known = (codes >= 0) & (steps >= 0)
        keys = codes[known] * len(self.times) + steps[known]
        at = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        values = np.full(len(known), np.nan)
        if len(self._keys):
            values[known] = np.where(self._keys[at] == keys, self.y[at], np.nan)
        return values
