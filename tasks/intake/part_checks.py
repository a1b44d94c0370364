"""Check the parts of a raw table, and join the results as if the table had been checked as a whole."""

from collections.abc import Iterable
from datetime import datetime
from functools import reduce
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.intake.source_parts import add_counts
from tasks.modeling.series import ExtremeValue
from tasks.quality.extreme_values import list_extreme_values
from tasks.quality.quarantine import to_quarantine_table
from tasks.quality.row_checks import parse_rows
from tasks.quality.table_checks import find_violations, select_rows
from tasks.quality.violations import Violation, are_rows, exclude_series, violating_rows
from tasks.quality.wide_tables import names_in_source
from tasks.sources import row_versions
from tasks.sources.dataset import DatasetSpec
from tasks.sources.distinct_times import DistinctTimes


class KeptRows(NamedTuple):
    """The parsed rows of a part that go on the grid, and their times."""

    frame: pd.DataFrame
    times: DistinctTimes


class PartCheck(NamedTuple):
    """Results of the checks of a part, or of all parts."""

    rows: int  # without older versions
    superseded: int
    violations: list[Violation]
    faulty: pd.DataFrame  # the rows of the source that a violation names
    rejected: pd.DataFrame | None  # as the quarantine has them
    rejected_rows: np.ndarray  # their numbers, ascending
    excluded: tuple[str, ...]
    extreme: tuple[ExtremeValue, ...]
    kept: pd.Series  # the number of kept rows at each time (UTC), ascending
    observed: pd.Series  # those of them with a value of y, on the same times


def _drop_superseded(raw: pd.DataFrame, reading: DatasetSpec) -> pd.DataFrame:
    """Drop older versions of rows; without a `known_at` column every row is kept."""
    if not reading.columns.known_at:
        return raw
    times = reading.parse_times(raw["ds"], ids=raw["unique_id"])
    superseded = row_versions.is_superseded(raw["unique_id"], times, reading.parse_known_at(raw["known_at"]))
    return raw[~superseded].reset_index(drop=True) if superseded.any() else raw


def count_times(parts: Iterable[pd.DataFrame], reading: DatasetSpec) -> pd.Series:
    """Count the rows at each time, without older versions.

    Args:
        parts: `unique_id`, `ds` and, if there is one, `known_at` of the rows of each part.
        reading: How the source is read.

    Returns:
        The number of rows at each time (UTC), ascending.
    """
    tables = (_drop_superseded(part, reading) for part in parts)
    times = (DistinctTimes.of(reading.parse_times(table["ds"], ids=table["unique_id"])) for table in tables)
    return reduce(add_counts, (part.counts for part in times))


def check_part(
    raw: pd.DataFrame, reading: DatasetSpec, as_of: datetime, counts: pd.Series | None
) -> tuple[PartCheck, KeptRows]:
    """Check the rows of a part.

    Args:
        raw: The rows as read, under canonical names, with `row`, which numbers them.
        reading: How the source is read.
        as_of: The instant up to which observations are visible.
        counts: The number of rows of the whole table at each time (UTC); None if the part is the table.

    Returns:
        The results, and the rows that no violation rejects.
    """
    table = _drop_superseded(raw, reading)
    frame, violations = find_violations(table, reading, as_of, counts)
    excluded, of_excluded_series = exclude_series(frame, violations)
    rejecting = [violation for violation in (*violations, *of_excluded_series) if violation.severity != "info"]
    rejected_rows = violating_rows(rejecting)
    is_parsed = "unique_id" in frame and isinstance(frame["ds"].dtype, pd.DatetimeTZDtype)
    kept = _select_kept(frame if is_parsed else frame.iloc[:0], rejected_rows, reading)
    observed = kept.times.where(kept.frame["y"].notna().to_numpy())
    kept_counts = kept.times.counts
    check = PartCheck(
        rows=len(table),
        superseded=len(raw) - len(table),
        violations=violations,
        faulty=table if counts is None else table[are_rows(table, violating_rows(violations))],
        rejected=to_quarantine_table(table, rejecting, names_in_source(frame, table, reading))
        if len(rejected_rows)
        else None,
        rejected_rows=rejected_rows,
        excluded=excluded,
        extreme=list_extreme_values(frame, violations),
        kept=kept_counts,
        observed=observed.counts.reindex(kept_counts.index, fill_value=0),
    )
    return check, kept


def read_kept(raw: pd.DataFrame, check: PartCheck, reading: DatasetSpec) -> KeptRows:
    """Parse a part again, and return the rows that `check_part` kept."""
    frame, _ = parse_rows(_drop_superseded(raw, reading), reading)
    return _select_kept(frame, check.rejected_rows, reading)


def _select_kept(frame: pd.DataFrame, rejected_rows: np.ndarray, reading: DatasetSpec) -> KeptRows:
    kept = select_rows(frame[_panel_columns(reading)], ~are_rows(frame, rejected_rows))
    return KeptRows(kept, DistinctTimes.of(kept["ds"]))


def _panel_columns(reading: DatasetSpec) -> list[str]:
    """Return the columns of the parsed rows that the panel is made of."""
    names = ("row", "unique_id", "ds", "y", *reading.numeric_covariates, *reading.text_columns)
    return list(dict.fromkeys(names))


def join_checks(checks: list[PartCheck]) -> PartCheck:
    """Join the results of the parts of a table.

    Args:
        checks: The checks of all parts, in order.

    Returns:
        One check of the table: a violation has the rows of all parts, and the reason of the first of them.
    """
    if len(checks) == 1:
        return checks[0]
    rejected = [check.rejected for check in checks if check.rejected is not None]
    kept = reduce(add_counts, (check.kept for check in checks))
    return PartCheck(
        rows=sum(check.rows for check in checks),
        superseded=sum(check.superseded for check in checks),
        violations=_join_violations([check.violations for check in checks]),
        faulty=pd.concat([check.faulty for check in checks]).sort_values("row", ignore_index=True),
        rejected=pd.concat(rejected).sort_values("row", ignore_index=True) if rejected else None,
        rejected_rows=np.sort(np.concatenate([check.rejected_rows for check in checks])),
        excluded=tuple(sorted(name for check in checks for name in check.excluded)),
        extreme=tuple(sorted((value for check in checks for value in check.extreme), key=lambda value: value.series)),
        kept=kept,
        observed=reduce(add_counts, (check.observed for check in checks)).reindex(kept.index, fill_value=0),
    )


def _join_violations(parts: list[list[Violation]]) -> list[Violation]:
    """Join the violations of one rule and column, in an order that agrees with that of every part."""
    by_key: dict[tuple[str, str, str], list[Violation]] = {}
    order: TopologicalSorter[tuple[str, str, str]] = TopologicalSorter()
    for violations in parts:
        keys = [(violation.rule, violation.column, violation.severity) for violation in violations]
        for key, violation in zip(keys, violations, strict=True):
            by_key.setdefault(key, []).append(violation)
            order.add(key)
        for before, after in pairwise(dict.fromkeys(keys)):
            order.add(after, before)
    joined = []
    for key in order.static_order():
        rows = sorted(row for violation in by_key[key] for row in violation.rows)
        counts = {name: text for violation in by_key[key] for name, text in violation.series_counts.items()}
        joined.append(by_key[key][0]._replace(rows=rows, series_counts=counts))
    return joined
