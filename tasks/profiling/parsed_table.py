"""The parsed table that targets and covariates are inferred from, and how much its columns remember."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

MAX_SERIES = 8  # that are looked at: those with the most rows
MAX_RECENT_ROWS = 20_000
MIN_ROWS = 12


class ParsedTable(NamedTuple):
    """The table with numbers as float64 and `time` in UTC, and the series of each row if there are several."""

    frame: pd.DataFrame
    time: str
    series: pd.Series | None

    def measure_memory(self, names: Sequence[str], season: int) -> dict[str, float]:
        """Measure how well the past of each column tells its next values.

        Args:
            names: Numeric columns.
            season: Rows of a season.

        Returns:
            The highest autocorrelation at one row and at a season, 0 to 1, as the median over series. It is 0 for
            noise, which nothing forecasts better than its mean.
        """
        parts = self._newest_rows()
        return {name: _median([_memory(part[name].to_numpy(float), season) for part in parts]) for name in names}

    def _newest_rows(self) -> list[pd.DataFrame]:
        """Return the newest rows of the series with the most rows, in order of time."""
        known = self.frame[self.frame[self.time].notna()]
        if self.series is None:
            return [known.sort_values(self.time, kind="stable").tail(MAX_RECENT_ROWS)]
        series = self.series.loc[known.index]
        labels = series.value_counts().index[:MAX_SERIES]
        return [known[series == label].sort_values(self.time, kind="stable").tail(MAX_RECENT_ROWS) for label in labels]


def _median(values: list[float | None]) -> float:
    measured = [value for value in values if value is not None]
    return float(np.median(measured)) if measured else 0.0


def _memory(y: np.ndarray, season: int) -> float | None:
    if np.isfinite(y).sum() < MIN_ROWS:
        return None
    return max(_correlation(y, 1), _correlation(y, season), 0.0)


def _correlation(y: np.ndarray, lag: int) -> float:
    """Return the Pearson correlation of values `lag` rows apart; 0 if it is not defined."""
    if not 0 < lag < len(y):
        return 0.0
    now, then = y[lag:], y[:-lag]
    known = np.isfinite(now) & np.isfinite(then)
    if known.sum() < MIN_ROWS:
        return 0.0
    now, then = now[known] - now[known].mean(), then[known] - then[known].mean()
    size = float(np.sqrt((now**2).sum() * (then**2).sum()))
    return float((now * then).sum() / size) if size > 0 else 0.0
