"""Rows that are no observation: which rule of the house each one breaks, and the values as numbers and times."""

from typing import NamedTuple

import pandas as pd

from tasks.sources.values import format_value


class Violation(NamedTuple):
    """One broken rule and the rows at fault, by their number in the source; no rows: the table as a whole.

    `severity` is error (the night stops), series (their series are set aside), warning (they go to quarantine), or
    info (they are used, and it is told).
    """

    rule: str
    column: str
    severity: str
    reason: str
    rows: list[int]


def violating_rows(faults: list[Violation]) -> set[int]:
    """The rows of all of them, by their number in the source."""
    return {row for fault in faults for row in fault.rows}


def exclude_series(frame: pd.DataFrame, faults: list[Violation]) -> tuple[tuple[str, ...], list[Violation]]:
    """(series that are not used this night, faults of their other rows), by the faults whose severity is series.

    A row that names no series is its own: nothing tells to which it belongs.
    """
    names: set[str] = set()
    others = []
    for fault in faults:
        if fault.severity == "series":
            at_fault = frame["row"].isin(fault.rows)
            series = set(frame.loc[at_fault, "unique_id"].dropna())
            rest = frame.loc[frame["unique_id"].isin(series) & ~at_fault, "row"].tolist()
            others.append(fault._replace(reason=f"another row of the series is at fault: {fault.reason}", rows=rest))
            names |= series
    return tuple(sorted(names)), others


def describe_violation(fault: Violation, raw: pd.DataFrame) -> str:
    """What is wrong, where, with which values: column, series, rows, first values."""
    if not fault.rows:
        return f"rule {fault.rule!r}, column {fault.column!r}: {fault.reason}"
    at_fault = raw[raw["row"].isin(fault.rows)]
    rows = at_fault["source_row"].tolist() if "source_row" in raw else fault.rows
    series = [format_value(name) for name in at_fault["unique_id"].drop_duplicates().head(4)]
    more = at_fault["unique_id"].nunique(dropna=False) - len(series)
    first = at_fault.iloc[0]
    many = "s" if len(fault.rows) > 1 else ""
    return (
        f"rule {fault.rule!r}, column {fault.column!r}: {fault.reason}; {len(rows):,} row{many} at fault, "
        f"series {', '.join(series)}{f' and {more} more' if more > 0 else ''}, "
        f"row{many} {', '.join(str(row) for row in rows[:5])}{' …' if len(rows) > 5 else ''}; "
        f"{'the first: ' if many else ''}ds {format_value(first['ds'])}, y {format_value(first['y'])}"
        f"{'; not forecast tonight' if fault.severity == 'series' else ''}"
    )
