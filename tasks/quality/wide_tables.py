"""Wide tables: one row per source row for the contract's rules, and violations mapped back to their cells.

source    hour  sold  returned        raw (unpivoted)   row  source_row  target    y
          6:00     5         1                            0           0  sold      5
                                                          1           0  returned  1
"""

import pandas as pd

from tasks.quality.violations import Violation
from tasks.sources.dataset import DatasetSpec


def pivot_to_source(frame: pd.DataFrame, raw: pd.DataFrame, reading: DatasetSpec) -> pd.DataFrame:
    """Pivot unpivoted rows back to the columns of the source.

    Args:
        frame: The parsed cells: unique_id, ds (UTC), y and covariates, one row per cell.
        raw: The same cells as read, with `source_row` and `target`, on the index of `frame`.
        reading: How the source is read.

    Returns:
        One row per source row under the source's column names; `row` is the row number of the source.
    """
    columns = reading.columns
    source_row, target = raw["source_row"], raw["target"]
    values = frame.assign(source_row=source_row, target=target).pivot(index="source_row", columns="target", values="y")
    first = ~source_row.duplicated()
    table = pd.DataFrame({"row": source_row[first]})
    table[columns.series_column] = names_in_source(frame[first], raw[first], reading)
    table[columns.ds] = frame.loc[first, "ds"]
    if columns.known_at:
        table[columns.known_at] = reading.parse_known_at(raw.loc[first, "known_at"])
    for name in reading.additional_columns:
        table[name] = (frame if name in frame else raw).loc[first, name]
    return table.join(values, on="row")


def names_in_source(frame: pd.DataFrame, raw: pd.DataFrame, reading: DatasetSpec) -> pd.Series:
    """Return the series of each row as the contract's rules name it: of a wide table, without the target.

    Args:
        frame: The parsed rows or cells, with unique_id.
        raw: The same as read, on the index of `frame`; cells have `target`.
        reading: How the source is read.
    """
    columns = reading.columns
    if isinstance(columns.y, str):
        return frame["unique_id"]
    if not columns.unique_id:
        return pd.Series(columns.target, frame.index)
    return strip_targets(frame["unique_id"], raw["target"])


def strip_targets(names: pd.Series, targets: pd.Series) -> pd.Series:
    """Remove the target from series names, which leaves the ids of the source: `a/sold` becomes `a`."""
    pairs = zip(names, targets, strict=True)
    ids = [name[: -len(target) - 1] if isinstance(name, str) else None for name, target in pairs]
    return pd.Series(ids, names.index, dtype="str")


def split_by_target(violations: list[Violation], raw: pd.DataFrame, reading: DatasetSpec) -> list[Violation]:
    """Split each violation of the target columns into one per target; the other violations are unchanged."""
    if isinstance(reading.columns.y, str):
        return violations
    targets = raw.set_index("row")["target"]
    split = []
    for violation in violations:
        if violation.column != reading.columns.target:
            split.append(violation)
            continue
        rows = pd.Series(violation.rows)
        for target, target_rows in rows.groupby(rows.map(targets), sort=False):
            split.append(violation._replace(column=str(target), rows=target_rows.tolist()))
    return split


def to_cell_violations(violations: list[Violation], raw: pd.DataFrame, reading: DatasetSpec) -> list[Violation]:
    """Map violations of source rows to the cells of the rule's targets, or to all cells if it names no target."""
    if isinstance(reading.columns.y, str):
        return violations
    mapped, targets = [], set(raw["target"])
    for violation in violations:
        affected = targets & {*violation.column.split(", ")} or targets
        cells = raw["source_row"].isin(violation.rows) & raw["target"].isin(affected)
        mapped.append(violation._replace(rows=raw.loc[cells, "row"].tolist()))
    return mapped
