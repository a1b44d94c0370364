"""Anomalies in tables: new actuals matched with their forecasts, and compared with the errors of earlier ones."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from models import alarm_level, anomalies
from tasks.modeling.earlier_errors import UNIT, ErrorSample, thin, with_interval
from tasks.modeling.error_units import ROW


class ComparedActuals(NamedTuple):
    """A row per new actual with its p-values, how large the sample was, and how large it should be."""

    table: pd.DataFrame
    size: int
    needed: int


def match_newest(actuals: pd.DataFrame, vintages: dict[pd.Timestamp, pd.DataFrame]) -> pd.DataFrame:
    """Match each actual with the newest forecast that was made before it.

    Args:
        actuals: (unique_id, ds, y).
        vintages: Forecast tables by as-of.

    Returns:
        A row per actual that has a forecast: the columns of the forecast, `lower`, `upper` and y.
    """
    newest_first = sorted(vintages, reverse=True)
    times = actuals["ds"].unique()
    near = (vintages[as_of][vintages[as_of]["ds"].isin(times)] for as_of in newest_first)
    rows = pd.concat([with_interval(table) for table in near], ignore_index=True)
    rows = rows.drop(columns="y", errors="ignore")
    rows = actuals[[*ROW, "y"]].merge(rows, "inner", ROW)
    # of two vintages with one cutoff the newer comes first: the sort keeps their order
    rows = rows.sort_values("step", kind="stable").drop_duplicates(ROW)
    return rows.sort_values(ROW, ignore_index=True)


def compare_with_samples(
    tested: pd.DataFrame, samples: Iterable[tuple[str, ErrorSample]], times: pd.DatetimeIndex, rate: float
) -> ComparedActuals:
    """Compare the new actuals of a night with the errors of earlier forecasts.

    A series has one p-value: that of its largest error among the largest errors of earlier forecasts over the same
    steps; if the actuals belong to several forecasts, the smallest, times their number. In a series that is chosen by
    Benjamini-Hochberg, each row is an anomaly whose own error would have been enough.

    Args:
        tested: A row per new actual: unique_id, ds, cutoff, step, model_name and scaled_error.
        samples: The errors to compare with, with the name of their model. Each is thinned before the next is asked for.
        times: All times of the clean table, ascending.
        rate: The rate of false alarms.

    Returns:
        The rows with p_value, series_p_value and is_anomaly, in the order of `tested`.
    """
    tests = tested["unique_id"].nunique()
    span = int(tested["step"].max()) - int(tested["step"].min()) + 1
    thinned = {name: thin(sample, times, span) for name, sample in samples}
    parts, levels = [], list[tuple[int, float]]()
    models = sorted(tested["model_name"].unique())
    for name in models:
        rows = tested if len(models) == 1 else tested[tested["model_name"] == name]  # of one model they are not copied
        sample = thinned[name]
        steps = rows["step"].to_numpy(int)
        p_value = anomalies.step_p_values(rows["scaled_error"].to_numpy(), steps, sample.errors)
        part = _compare_largest(rows.assign(p_value=p_value), sample, tests, rate)
        parts.append(part.rows)
        levels.append((len(rows), part.level))
    compared = pd.concat(parts).sort_index()
    codes = pd.factorize(compared["unique_id"])[0]
    forecasts = compared["cutoff"].groupby(codes).transform("nunique")
    own = np.minimum(compared["own"] * forecasts, 1.0)
    series = own.groupby(codes).min().to_numpy()
    chosen, level = alarm_level.benjamini_hochberg(series, max(levels)[1])
    compared["series_p_value"] = series[codes]
    compared["is_anomaly"] = chosen[codes] & (own <= level)
    size = min(len(sample.errors) for sample in thinned.values())
    return ComparedActuals(compared.drop(columns="own"), size, alarm_level.smallest_size(tests, rate))


class ComparedRows(NamedTuple):
    """Rows with the column `own`, and the level at which their series are chosen."""

    rows: pd.DataFrame
    level: float


def _compare_largest(rows: pd.DataFrame, sample: ErrorSample, tests: int, rate: float) -> ComparedRows:
    """Add `own`: the p-value of the error of each row among the largest errors of earlier forecasts."""
    # with the tested errors: sizes that come from the sample alone fit it better than a new night
    unit = rows.groupby(UNIT, sort=False).ngroup().to_numpy()  # in the order of their first rows
    matrix = _matrix_of(rows, unit, sample.errors.shape[1])
    sizes = anomalies.typical_sizes(sample.errors, matrix)
    relative = rows["scaled_error"].abs().to_numpy(np.float32) / sizes[rows["step"].to_numpy(int) - 1]
    codes, choices = _observed_steps(rows, unit, matrix.shape[1])
    series = pd.factorize(rows["unique_id"])[0]
    nights = pd.factorize(sample.units["cutoff"])[0]  # the newest cutoff comes first
    own, level, most = np.full(len(rows), np.nan), rate, 0
    for code, observed in enumerate(choices):
        largest = anomalies.largest_relative_errors(sample.errors, sizes, observed)
        known, same = np.isfinite(largest), codes == code
        tested = pd.Series(relative[same]).groupby(series[same]).max().dropna().to_numpy()
        calibrated = alarm_level.calibrate_level(largest[known], nights[known], tested, rate)
        if calibrated is None:
            used = largest[known][: alarm_level.exact_size(int(known.sum()), tests, rate)]
        else:
            used = largest[known & (nights < calibrated.nights)]
        own[same] = anomalies.conformal_p_values(relative[same], used)
        if same.sum() > most:  # series with gaps have other steps: the level of most series counts
            level, most = calibrated.level if calibrated else rate, int(same.sum())
    return ComparedRows(rows.assign(own=own), level)


def _matrix_of(rows: pd.DataFrame, unit: np.ndarray, horizon: int) -> np.ndarray:
    """Return the scaled errors of rows as (units, H), NaN where nothing was observed; `unit` is that of each row."""
    matrix = np.full((int(unit.max(initial=-1)) + 1, horizon), np.nan, np.float32)
    matrix[unit, rows["step"].to_numpy(int) - 1] = rows["scaled_error"]
    return matrix


def _observed_steps(rows: pd.DataFrame, unit: np.ndarray, horizon: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return for each row which steps its unit has, as an index of the different choices, and the steps of each."""
    has_row = np.zeros((int(unit.max(initial=-1)) + 1, horizon), dtype=bool)
    has_row[unit, rows["step"].to_numpy(int) - 1] = True
    choices, first, code = np.unique(has_row, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # of their first units
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[code.reshape(-1)][unit], [np.flatnonzero(choice) + 1 for choice in choices[order]]
