"""Every check of a table in order: values, keys and grid, then the promises of its contract."""

from datetime import datetime

import numpy as np
import pandas as pd

from models.data.time_steps import grid_of_counts
from tasks.quality import expectations, time_grid, wide_tables
from tasks.quality.column_types import check_column_types
from tasks.quality.contract_checks import (
    check_key,
    downgrade_duplicates,
    drop_covered_duplicates,
    missing_required,
    series_levels,
    stale_series,
    to_source_columns,
)
from tasks.quality.extreme_values import check_magnitudes
from tasks.quality.outlying_times import check_outlying_times, without_far_times
from tasks.quality.row_checks import find_duplicates, parse_rows
from tasks.quality.running_periods import has_arrived
from tasks.quality.violations import Violation, are_rows, violating_rows
from tasks.sources.dataset import DatasetSpec
from tasks.sources.distinct_times import DistinctTimes


def find_violations(
    raw: pd.DataFrame, reading: DatasetSpec, as_of: datetime, counts: pd.Series | None = None
) -> tuple[pd.DataFrame, list[Violation]]:
    """Parse the rows and find every violation: column types, values, keys and grid, then the contract's promises.

    If a whole column has the wrong type, only that is reported, because its values would break every rule.

    Args:
        raw: The rows as read, under canonical names, with `row`, which numbers them.
        reading: How the source is read.
        as_of: The instant up to which observations are visible.
        counts: If the rows are those of some series: the number of rows of the whole table at each time (UTC).

    Returns:
        The parsed rows, with ds in UTC, and the violations.
    """
    if wrong_types := check_column_types(raw, reading):
        return raw, wrong_types
    frame, violations = parse_rows(raw, reading)
    times = DistinctTimes.of(frame["ds"])
    times = times if counts is None else times.within(counts)
    violations += check_magnitudes(frame, reading)
    violations += check_outlying_times(frame, reading, times)
    is_observation = ~are_rows(frame, violating_rows(violations))  # no rule applies to the other rows
    observations = select_rows(frame, is_observation)
    times = without_far_times(times.where(is_observation), reading.freq)
    if len(observations):
        grid = grid_of_counts(times.counts, reading.freq, 0)
        violations += time_grid.check_alignment(observations, grid, reading, times)
    violations = wide_tables.split_by_target(violations, raw, reading)
    if reading.contract:
        return frame, violations + _contract_violations(observations, raw, times, reading, as_of)
    return frame, violations + find_duplicates(observations, reading)


def select_rows(frame: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """Return the rows of a frame where `rows`, (n,) bool, is true; the frame itself if all are."""
    return frame if rows.all() else frame[rows]


def _contract_violations(
    observations: pd.DataFrame, raw: pd.DataFrame, times: DistinctTimes, reading: DatasetSpec, as_of: datetime
) -> list[Violation]:
    """Evaluate the contract on the observations before the as-of."""
    if not reading.contract:
        return []
    moment = reading.align_as_of(as_of)
    same = raw if len(observations) == len(raw) else raw.loc[observations.index]
    table = to_source_columns(observations, same, reading)
    of_table = times if len(table) == len(observations) else DistinctTimes.of(table[reading.columns.ds])
    table = select_rows(table, of_table.spread(reading.ended_times(of_table, moment)))
    series = reading.columns.series_column
    violations = missing_required(table, reading.contract)
    violations += expectations.find_rule_violations(table, reading.contract, series)
    violations = wide_tables.to_cell_violations(downgrade_duplicates(violations, reading), raw, reading)
    arrived = observations
    if series_levels(reading):
        arrived = observations[has_arrived(observations["y"], times, moment, reading)]
    return [
        *drop_covered_duplicates(find_duplicates(observations, reading), violations, reading),
        *violations,
        *wide_tables.to_cell_violations(check_key(table, reading), raw, reading),
        *stale_series(arrived, moment, reading),
    ]
