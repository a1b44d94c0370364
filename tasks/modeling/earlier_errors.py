"""Errors of earlier forecasts as a sample that new errors are compared with: published forecasts and backtests.

A unit is one earlier forecast of one series: a row of its matrix of errors has an error per step of the horizon.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from models import anomalies
from models.data.panel_table import PanelTable
from tasks.modeling.actuals import lookup_actuals
from tasks.modeling.error_units import ErrorUnits, to_units
from tasks.modeling.scores import quantile_columns

UNIT = ["unique_id", "cutoff"]
BLOCK_UNITS = 100_000  # that move at once


class ErrorSample(NamedTuple):
    """Scaled errors of earlier forecasts, the newest first: the series and cutoff of each unit, and (units, H)."""

    units: pd.DataFrame
    errors: np.ndarray


class EarlierErrors(NamedTuple):
    """Errors of published forecasts, of a series the newest vintage first, and of a backtest with labels as names."""

    published: Sequence[ErrorUnits]
    backtest: ErrorUnits

    @property
    def horizon(self) -> int:
        """The largest step."""
        return max(part.errors.shape[1] for part in (*self.published, self.backtest))

    def with_anomalies(self, rows: pd.DataFrame) -> "EarlierErrors":
        """Return the errors with the new ones at `rows` (unique_id, ds) as anomalies."""
        published = [part.with_anomalies(rows) for part in self.published]
        return EarlierErrors(published, self.backtest.with_anomalies(rows))

    def sample_of(self, name: str, label: str, enough: int = 0, *, with_new: bool = False) -> ErrorSample:
        """Return the errors of one model.

        Args:
            name: Its name, under which it has published.
            label: Its name and version, as in the backtest.
            enough: With fewer units, the errors of its other versions in the backtest count too; if these are too few
                as well, what other models have published.
            with_new: Whether errors of the new actuals count.

        Returns:
            The sample, the newest cutoff first; a published forecast counts before a backtest with its cutoff.
        """
        own = [part.of_models(lambda names: names == name) for part in self.published]
        labelled = self.backtest.of_models(lambda names: names == label)
        versions = self.backtest.of_models(lambda names: (names == name) | names.str.startswith(f"{name} v"))
        for choice in ([*own, labelled], [*own, versions], [*own, versions, *self.published]):
            sample = build_sample(choice, self.horizon, with_new=with_new)
            if len(sample.errors) >= enough:
                break
        return sample


def with_interval(table: pd.DataFrame) -> pd.DataFrame:
    """Return a forecast table with the outer quantiles as `lower` and `upper`; NaN without a quantile on that side."""
    levels = quantile_columns(table)
    below = [name for name, level in levels.items() if level < 0.5]
    above = [name for name, level in levels.items() if level > 0.5]
    lower = table[below[0]] if below else np.nan
    upper = table[above[-1]] if above else np.nan
    return table.drop(columns=list(levels)).assign(lower=lower, upper=upper)


def with_scaled_errors(table: pd.DataFrame, scales: pd.Series) -> pd.DataFrame:
    """Add the column `scaled_error`.

    Args:
        table: Columns unique_id, y, y_hat, lower and upper.
        scales: The typical change of each series, by unique_id.

    Returns:
        The table with the error of each row in half widths of its interval.
    """
    y, median, lower, upper = (table[name].to_numpy(float) for name in ("y", "y_hat", "lower", "upper"))
    scale = table["unique_id"].map(scales).to_numpy(float)
    return table.assign(scaled_error=anomalies.scaled_errors(y, median, lower, upper, scale))


def collect_units(
    vintages: dict[pd.Timestamp, pd.DataFrame],
    clean: PanelTable,
    scales: pd.Series,
    anomalous: pd.DataFrame,
    new: pd.DataFrame,
) -> list[ErrorUnits]:
    """Compute the errors of published forecasts that have an actual.

    Args:
        vintages: Forecast tables by as-of.
        clean: The clean table, which has the actuals.
        scales: The typical change of each series, by unique_id.
        anomalous: (unique_id, ds) of earlier anomalies.
        new: (unique_id, ds) of the new actuals.

    Returns:
        The errors of each vintage that has an actual, the newest first.
    """
    parts = list[ErrorUnits]()
    for as_of in sorted(vintages, reverse=True):
        table = with_interval(vintages[as_of])
        table = table.assign(y=lookup_actuals(clean, table["unique_id"], table["ds"]))
        table = table[table["y"].notna()]
        if len(table):
            parts.append(to_units(with_scaled_errors(table, scales), anomalous, new))
    return parts


def build_sample(parts: Sequence[ErrorUnits], horizon: int, *, with_new: bool = False) -> ErrorSample:
    """Join parts to one sample; what was an anomaly is limited.

    Args:
        parts: Of errors of one (unique_id, cutoff, step) that of the first part counts.
        horizon: The number of steps.
        with_new: Whether errors of the new actuals count.

    Returns:
        The sample, the newest cutoff first, then by name.
    """
    rows, numbers, names, cutoffs = _number_units(parts)
    known = np.zeros(len(numbers), dtype=bool)
    for part, unit in zip(parts, rows, strict=True):
        known[unit] |= np.isfinite(part.errors if with_new else part.without_new()).any(axis=1)
    numbers, new_row = numbers[known], np.cumsum(known) - 1
    matrix = np.full((len(numbers), horizon), np.nan, np.float32)
    marks = np.zeros(matrix.shape, dtype=bool)
    for part, unit in zip(parts, rows, strict=True):
        errors, width, kept = part.errors if with_new else part.without_new(), part.errors.shape[1], known[unit]
        at = new_row[unit[kept]]
        before = matrix[at, :width]
        is_free = np.isnan(before)
        matrix[at, :width] = np.where(is_free, errors[kept], before)
        marks[at, :width] |= is_free & part.anomalous[kept]
    sample = pd.DataFrame({"unique_id": names[numbers % max(len(names), 1)]})
    sample["cutoff"] = cutoffs[len(cutoffs) - 1 - numbers // max(len(names), 1)]
    marks &= np.isfinite(matrix)
    matrix[marks] = anomalies.limit_anomalies(matrix, marks)
    return ErrorSample(sample, matrix)


def _number_units(parts: Sequence[ErrorUnits]) -> tuple[list[np.ndarray], np.ndarray, pd.Index, pd.Index]:
    """Number the units of all parts, the newest cutoff first, then by name.

    Returns:
        For each part which of the n units each of its rows is; the n units as (cutoffs before the newest) * names +
        name; the names; the cutoffs, ascending.
    """
    units = pd.concat([part.units[UNIT] for part in parts], ignore_index=True)
    series, names = pd.factorize(units["unique_id"], sort=True)
    moments, cutoffs = pd.factorize(units["cutoff"], sort=True)
    numbers, row = np.unique((len(cutoffs) - 1 - moments) * len(names) + series, return_inverse=True)
    return np.split(row, np.cumsum([len(part.units) for part in parts])[:-1]), numbers, names, cutoffs


def thin(sample: ErrorSample, times: pd.DatetimeIndex, span: int) -> ErrorSample:
    """Drop the units of a series that overlap with a newer one, because one error must not count twice.

    Args:
        sample: The sample, the newest cutoff first. Its errors are overwritten: they may be too many for a copy.
        times: All times of the clean table, ascending.
        span: Number of steps from the first to the last that a night has observed.

    Returns:
        Units whose cutoffs are at least `span` steps apart within each series.
    """
    if not len(sample.units):
        return sample
    series = pd.factorize(sample.units["unique_id"])[0]
    order = np.argsort(series, kind="stable")  # of each series the newest first
    series, position = series[order], times.searchsorted(pd.DatetimeIndex(sample.units["cutoff"]))[order]
    overlaps = (series[1:] == series[:-1]) & (position[:-1] - position[1:] < span)
    if not overlaps.any():
        return sample
    kept, last = np.ones(len(order), bool), dict[int, int]()
    for at in np.flatnonzero(np.isin(series, series[1:][overlaps])).tolist():
        if series[at] in last and last[series[at]] - position[at] < span:
            kept[order[at]] = False
        else:
            last[series[at]] = position[at]
    rows, errors = np.flatnonzero(kept), sample.errors
    for begin in range(0, len(rows), BLOCK_UNITS):  # a row moves up, never down
        moved = rows[begin : begin + BLOCK_UNITS]
        errors[begin : begin + len(moved)] = errors[moved]
    return ErrorSample(sample.units[kept].reset_index(drop=True), errors[: len(rows)])
