"""Errors of earlier forecasts as a sample that new errors are compared with: published forecasts and backtests.

A unit is one earlier forecast of one series: a row of its matrix of errors has an error per step of the horizon.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from models import anomalies
from models.data.panel_table import PanelTable
from tasks.modeling.actuals import lookup_actuals
from tasks.modeling.scores import quantile_columns

UNIT = ["unique_id", "cutoff"]
ROW = ["unique_id", "ds"]
COLUMNS = [*ROW, "cutoff", "step", "model_name", "scaled_error"]


class ErrorSample(NamedTuple):
    """Scaled errors of earlier forecasts, the newest first: the series and cutoff of each unit, and (units, H)."""

    units: pd.DataFrame
    errors: np.ndarray


class EarlierErrors(NamedTuple):
    """Errors of published forecasts and of a backtest, whose model_name is a label, and the anomalies among them."""

    published: pd.DataFrame
    backtest: pd.DataFrame
    anomalous: pd.DataFrame
    horizon: int

    def without(self, rows: pd.DataFrame) -> "EarlierErrors":
        """Return the errors without the (unique_id, ds) of `rows`."""
        return self._replace(published=drop_rows(self.published, rows), backtest=drop_rows(self.backtest, rows))

    def sample_of(self, name: str, label: str, enough: int = 0) -> ErrorSample:
        """Return the errors of one model.

        Args:
            name: Its name, under which it has published.
            label: Its name and version, as in the backtest.
            enough: With fewer units, the errors of its other versions in the backtest count too; if these are too few
                as well, what other models have published.

        Returns:
            The sample, the newest cutoff first; a published forecast counts before a backtest with its cutoff.
        """
        labels = self.backtest["model_name"]
        versions = (labels == name) | labels.str.startswith(f"{name} v")
        own = self.published[self.published["model_name"] == name]
        choices = (
            [own, self.backtest[labels == label]],
            [own, self.backtest[versions]],
            [own, self.backtest[versions], self.published],
        )
        for choice in choices:
            sample = build_sample(pd.concat(choice, ignore_index=True), self.anomalous, self.horizon)
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


def collect_errors(
    vintages: dict[pd.Timestamp, pd.DataFrame],
    backtest: pd.DataFrame | None,
    clean: PanelTable,
    scales: pd.Series,
    anomalous: pd.DataFrame,
) -> EarlierErrors:
    """Compute the errors of all forecasts that have an actual.

    Args:
        vintages: Published forecast tables by as-of.
        backtest: Forecasts of several models with their actuals; None without an evaluation.
        clean: The clean table, which has the actuals of the published forecasts.
        scales: The typical change of each series, by unique_id.
        anomalous: (unique_id, ds) of earlier anomalies; it may be empty, without columns.

    Returns:
        The errors, the newest vintage first.
    """
    parts = list[pd.DataFrame]()
    for as_of in sorted(vintages, reverse=True):
        table = with_interval(vintages[as_of])
        table = table.assign(y=lookup_actuals(clean, table["unique_id"], table["ds"]))
        parts.append(table[table["y"].notna()])
    published = _errors_of(parts, scales)
    tested = _errors_of([] if backtest is None else [with_interval(backtest)], scales)
    steps = pd.concat([published["step"], tested["step"]])
    marked = anomalous if len(anomalous) else pd.DataFrame({name: pd.Series(dtype="object") for name in ROW})
    return EarlierErrors(published, tested, marked[ROW], int(steps.max()) if len(steps) else 1)


def _errors_of(parts: list[pd.DataFrame], scales: pd.Series) -> pd.DataFrame:
    filled = [with_scaled_errors(part, scales)[COLUMNS] for part in parts if len(part)]
    if not filled:
        empty = {"unique_id": "str", "ds": "datetime64[us, UTC]", "cutoff": "datetime64[us, UTC]", "step": "int16"}
        types = empty | {"model_name": "str", "scaled_error": "float64"}
        return pd.DataFrame({name: pd.Series(dtype=types[name]) for name in COLUMNS})
    table = pd.concat(filled, ignore_index=True)
    return table[table["scaled_error"].notna()].reset_index(drop=True)


def drop_rows(table: pd.DataFrame, excluded: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table whose (unique_id, ds) is not in `excluded`."""
    return table[~_has_rows(table, excluded)].reset_index(drop=True) if len(excluded) else table


def _has_rows(table: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """Return whether the (unique_id, ds) of each row of a table is in `rows`, (n,) bool."""
    series = table["unique_id"].isin(rows["unique_id"].unique()).to_numpy()
    matches = np.zeros(len(table), dtype=bool)
    keys, wanted = (pd.MultiIndex.from_frame(frame[ROW]) for frame in (table[series], rows))
    matches[series] = keys.isin(wanted)
    return matches


def build_sample(errors: pd.DataFrame, anomalous: pd.DataFrame, horizon: int) -> ErrorSample:
    """Arrange errors of earlier forecasts as a matrix; what was an anomaly is limited.

    Args:
        errors: Columns unique_id, ds, cutoff, step and scaled_error; of rows with one (unique_id, cutoff, step) the
            first counts.
        anomalous: (unique_id, ds) of the anomalies of earlier nights.
        horizon: The number of steps.

    Returns:
        The sample, the newest cutoff first.
    """
    series, names = pd.factorize(errors["unique_id"], sort=True)
    moments, cutoffs = pd.factorize(errors["cutoff"], sort=True)
    step = errors["step"].to_numpy(int) - 1
    unit = (len(cutoffs) - 1 - moments) * len(names) + series  # the newest cutoff first, then by name
    kept = ~pd.Series(unit * horizon + step).duplicated().to_numpy()
    numbers, row = np.unique(unit[kept], return_inverse=True)
    units = pd.DataFrame({"unique_id": names[numbers % max(len(names), 1)]})
    units["cutoff"] = cutoffs[len(cutoffs) - 1 - numbers // max(len(names), 1)]
    matrix, marks = np.full((len(units), horizon), np.nan), np.zeros((len(units), horizon), bool)
    at = (row, step[kept])
    matrix[at] = errors["scaled_error"].to_numpy(float)[kept]
    if len(anomalous):
        marks[at] = _has_rows(errors, anomalous)[kept]
    return ErrorSample(units, anomalies.limit_anomalies(matrix, marks))


def thin(sample: ErrorSample, times: pd.DatetimeIndex, span: int) -> ErrorSample:
    """Drop the units of a series that overlap with a newer one, because one error must not count twice.

    Args:
        sample: The sample, the newest cutoff first.
        times: All times of the clean table, ascending.
        span: Number of steps from the first to the last that a night has observed.

    Returns:
        Units whose cutoffs are at least `span` steps apart within each series.
    """
    if not len(sample.units):
        return sample
    position = times.searchsorted(pd.DatetimeIndex(sample.units["cutoff"]))
    last, kept = dict[str, int](), np.zeros(len(position), bool)
    for row, (name, now) in enumerate(zip(sample.units["unique_id"], position.tolist(), strict=True)):
        if name not in last or last[name] - now >= span:
            last[name], kept[row] = now, True
    return ErrorSample(sample.units[kept].reset_index(drop=True), sample.errors[kept])
