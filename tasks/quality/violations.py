"""Violations: which rule was broken, by which rows, and how a violation is described to a person."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.sources.values import format_value

MAX_NAMED_SERIES = 4
MAX_LISTED_ROWS = 5


class Violation(NamedTuple):
    """One broken rule and the violating rows, by their number in the source.

    `severity` is error (the night stops), series (the series of these rows are excluded), warning (the rows go to
    quarantine) or info (the rows are used, and the violation is reported). Without rows the violation concerns the
    table as a whole. `series_counts` is what a rule of scope series has counted in each series at fault, in brackets.
    """

    rule: str
    column: str
    severity: str
    reason: str
    rows: list[int]
    series_counts: Mapping[str, str] = MappingProxyType({})

    @property
    def sentence(self) -> str:
        """The reason, with what was counted in the first series at fault by name, which is named if there are more."""
        name = min(self.series_counts, default="")
        counted = self.series_counts.get(name, "")
        is_named = counted and len(self.series_counts) > 1
        return f"{self.reason}{counted} in series {format_value(name)}" if is_named else f"{self.reason}{counted}"


def violating_rows(violations: list[Violation]) -> np.ndarray:
    """Return the distinct row numbers of all violations, ascending, as int64."""
    rows = [np.asarray(violation.rows, dtype=np.int64) for violation in violations]
    return np.unique(np.concatenate(rows)) if rows else np.empty(0, dtype=np.int64)


def are_rows(frame: pd.DataFrame, rows: np.ndarray | list[int]) -> np.ndarray:
    """Return which rows of a frame have one of these row numbers, (n,) bool."""
    if not len(rows):
        return np.zeros(len(frame), dtype=bool)
    return np.isin(frame["row"].to_numpy(), np.asarray(rows, dtype=np.int64))


def exclude_series(frame: pd.DataFrame, violations: list[Violation]) -> tuple[tuple[str, ...], list[Violation]]:
    """Find the series to exclude this night: those with a violation of severity series.

    A row without a series name is rejected alone, because its series is unknown.

    Args:
        frame: The parsed rows, with columns `row` and `unique_id`.
        violations: All violations of the frame.

    Returns:
        The excluded series, sorted, and violations that reject the remaining rows of these series.
    """
    excluded: set[str] = set()
    rejections = []
    for violation in violations:
        if violation.severity == "series":
            at_fault = are_rows(frame, violation.rows)
            series = set(frame.loc[at_fault, "unique_id"].dropna())
            rest = frame.loc[frame["unique_id"].isin(series) & ~at_fault, "row"].tolist()
            reason = f"another row of the series is at fault: {violation.reason}"
            rejections.append(violation._replace(reason=reason, rows=rest))
            excluded |= series
    return tuple(sorted(excluded)), rejections


def describe_violation(violation: Violation, raw: pd.DataFrame) -> str:
    """Describe a violation on one line: rule, column, reason, number of rows, first series, rows and values.

    Args:
        violation: The violation; its rows are row numbers of `raw`.
        raw: The source rows with columns `row`, `unique_id`, `ds`, `y`, and `source_row` if the source is a wide table.

    Returns:
        The sentence, without line breaks or control characters.
    """
    if not violation.rows:
        return f"rule {violation.rule!r}, column {violation.column!r}: {violation.sentence}"
    at_fault = raw[are_rows(raw, violation.rows)]
    rows = at_fault["source_row"].tolist() if "source_row" in raw else violation.rows
    series = [format_value(name) for name in at_fault["unique_id"].drop_duplicates().head(MAX_NAMED_SERIES)]
    more = at_fault["unique_id"].nunique(dropna=False) - len(series)
    first = at_fault.iloc[0]
    plural = "s" if len(violation.rows) > 1 else ""
    return (
        f"rule {violation.rule!r}, column {violation.column!r}: {violation.sentence}; "
        f"{len(rows):,} row{plural} at fault, series {', '.join(series)}{f' and {more} more' if more > 0 else ''}, "
        f"row{plural} {', '.join(str(row) for row in rows[:MAX_LISTED_ROWS])}"
        f"{' …' if len(rows) > MAX_LISTED_ROWS else ''}; "
        f"{'the first: ' if plural else ''}ds {format_value(first['ds'])}, y {format_value(first['y'])}"
        f"{_covariate_value(violation.column, first)}"
        f"{'; not forecast tonight' if violation.severity == 'series' else ''}"
    )


def _covariate_value(column: str, row: pd.Series) -> str:
    """Return the value of a column other than series, time and target, as a part of the sentence."""
    is_covariate = column in row.index and column not in ("row", "unique_id", "ds", "y", "source_row", "target")
    return f", {column} {format_value(row[column])}" if is_covariate else ""
