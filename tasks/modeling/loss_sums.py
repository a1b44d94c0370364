"""Losses of a forecast table, added up so that a table of any length is scored one part at a time.

rows of a part ──row losses──> sums by (series, step), (series, hour), (series, origin) … ──> scores of any group
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from models import metrics
from tasks.modeling.calendar_groups import CalendarGroups
from tasks.modeling.scores import quantile_columns, quantile_name

SUMS = ("rows", "error", "absolute", "squared", "percentage", "size")
KEYS = {"step": ["unique_id", "step"], "origin": ["unique_id", "as_of"]}


class CentralInterval(NamedTuple):
    """A central interval: the share of targets that it promises, and the columns of its ends."""

    share: float
    low: str
    high: str

    @property
    def name(self) -> str:
        """The promised percentage, as in column names: 80, or 975 for 97.5 %."""
        return quantile_name(self.share)[1:]


def central_intervals(levels: dict[str, float]) -> tuple[CentralInterval, ...]:
    """Return the central intervals of these quantile columns, the widest first."""
    names = {round(level, 9): name for name, level in levels.items()}
    pairs = [(level, round(1 - level, 9)) for level in names if level < 0.5]
    return tuple(
        CentralInterval(round(high - low, 9), names[low], names[high]) for low, high in sorted(pairs) if high in names
    )


def row_losses(frame: pd.DataFrame) -> pd.DataFrame:
    """Compute every loss of every row.

    Args:
        frame: A forecast table with y, NaN where no actual is known.

    Returns:
        A row per row: rows (1, or 0 without an actual), error, absolute, squared, percentage, size (|y|), a column
        pinball_<quantile> per quantile, and inside_<percent> and winkler_<percent> per central interval. All are 0
        without an actual; NaN or infinite if the forecast is so.
    """
    y, y_hat = frame["y"].to_numpy(float), frame["y_hat"].to_numpy(float)
    levels = quantile_columns(frame)
    error = y_hat - y
    losses = {
        "rows": np.ones(len(y)),
        "error": error,
        "absolute": np.abs(error),
        "squared": error**2,
        "percentage": metrics.percentage_errors(y, y_hat),
        "size": np.abs(y),
    }
    losses |= {f"pinball_{name}": metrics.pinball(y, frame[name], level) for name, level in levels.items()}
    for interval in central_intervals(levels):
        low, high = frame[interval.low].to_numpy(float), frame[interval.high].to_numpy(float)
        inside = ((y >= low) & (y <= high)).astype(float)
        losses[f"inside_{interval.name}"] = np.where(np.isnan(low + high), np.nan, inside)
        losses[f"winkler_{interval.name}"] = metrics.interval_scores(y, low, high, interval.share)
    known = np.isfinite(y)
    return pd.DataFrame({name: np.where(known, values, 0.0) for name, values in losses.items()}, index=frame.index)


class LossSums:
    """The sums of one model, by series and step, series and origin, and series and calendar group."""

    def __init__(self, calendar: CalendarGroups | None = None) -> None:
        """Start without rows.

        Args:
            calendar: The calendar groups of the forecasts; None for none.
        """
        self.calendar = calendar
        self.keys = KEYS | {name: ["unique_id", name] for name in (calendar.names if calendar else ())}
        self._parts: dict[str, list[pd.DataFrame]] = {name: [] for name in self.keys}

    def add(self, frame: pd.DataFrame) -> None:
        """Add the rows of a part.

        Args:
            frame: A forecast table with unique_id, ds, step, as_of (of the origin), y, y_hat and quantiles.
        """
        losses = row_losses(frame)
        grouped = frame.assign(**self.calendar.columns(frame["ds"])) if self.calendar else frame
        for name, keys in self.keys.items():
            self._parts[name].append(_sum_by(pd.concat([grouped[keys], losses], axis=1), keys))

    def by(self, name: str) -> pd.DataFrame:
        """Return the sums by series and `name`, one of `keys`: unique_id, the key and the sums."""
        keys = self.keys[name]
        merged = _sum_by(pd.concat(self._parts[name], ignore_index=True), keys)
        self._parts[name] = [merged]
        return merged

    @property
    def by_month(self) -> pd.DataFrame:
        """The sums by series and month of the origin; without calendar groups there is nothing to call a month."""
        table = self.by("origin")
        months = self.calendar.months(table["as_of"]) if self.calendar else pd.Series("", table.index)
        return _sum_by(table.drop(columns="as_of").assign(month=months), ["unique_id", "month"])

    @property
    def by_series(self) -> pd.DataFrame:
        """The sums by series."""
        return _sum_by(self.by("step").drop(columns="step"), ["unique_id"])


def _sum_by(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Add up the rows of each key; a sum with NaN is NaN."""
    grouped: pd.DataFrame = table.groupby(list(keys), sort=True, observed=True).sum(skipna=False)
    return grouped.reset_index()
