"""Canonical names for the columns of a source: row, unique_id, ds, known_at, y, and the others that a pipeline uses."""

import difflib
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data_contracts.errors import ColumnsDiffer, SourceUnreadable
from tasks.sources import unpivot
from tasks.sources.columns_spec import RESERVED_COLUMNS, ColumnsSpec
from tasks.sources.dataset import DatasetSpec
from tasks.sources.names import names_as_text
from tasks.sources.series_names import join_names


def to_canonical_columns(table: pa.Table, reading: DatasetSpec, *, may_be_empty: bool = False) -> pa.Table:
    """Select the columns and give them canonical names; a wide table is unpivoted.

    Args:
        table: The table of the source.
        reading: How the source is read.
        may_be_empty: Whether a table without rows is valid.

    Returns:
        row, unique_id, ds, known_at, y and the other columns that the pipeline uses.

    Raises:
        ColumnsDiffer: A column is missing, repeated or has a reserved name.
        SourceUnreadable: The table is empty.
    """
    table = reading.with_joint_time(table)
    columns, names = reading.columns, table.column_names
    mapped: list[tuple[str, str | None]] = [("series (unique_id)", name) for name in columns.id_columns]
    mapped += [("time (ds)", name) for name in columns.time_parts or (columns.ds,)]
    mapped += [("known_at", columns.known_at)]
    mapped += [("target (y)", target) for target in reading.select_targets(names)]
    needed = [(role, name) for role, name in mapped if name is not None] + [
        (reading.describe_role(name), name) for name in reading.additional_columns if name not in columns.key_parts
    ]
    findings = [_describe_missing(role, name, table) for role, name in needed if name not in names]
    findings += [
        f"column {name!r}, the {role}, occurs {names.count(name)} times"
        for role, name in needed
        if names.count(name) > 1
    ]
    covariates = {*reading.numeric_covariates, *reading.features.static}
    findings += [
        f"column {name!r}, the {role}, holds {table[name].type}; make columns of plain values of its parts"
        for role, name in needed
        if names.count(name) == 1
        and pa.types.is_nested(_value_type(table[name]))
        and ((role, name) in mapped or name in covariates)
    ]
    findings += [
        f"column {name!r} has a reserved name ({', '.join(RESERVED_COLUMNS)}); rename it in the source"
        for name in reading.additional_columns
        if name in RESERVED_COLUMNS
    ]
    if findings:
        raise ColumnsDiffer(f"the source {reading.source.label}", findings)
    if not table.num_rows and not may_be_empty:
        raise SourceUnreadable(f"the source {reading.source.label}", ["the table has no rows"])
    canonical = {"unique_id": _series_names(table, columns)} if columns.id_columns else {}
    canonical |= {"ds": table[columns.ds]} | ({"known_at": table[columns.known_at]} if columns.known_at else {})
    names_kept = set(reading.text_columns)
    others = {
        name: names_as_text(table[name]) if name in names_kept else table[name] for name in reading.additional_columns
    }
    if isinstance(columns.y, str):
        rows = pa.array(np.arange(table.num_rows))
        single = {} if columns.id_columns else {"unique_id": pa.repeat(pa.scalar(columns.y), table.num_rows)}
        canonical = {"row": rows, **single, **canonical}
        return _decoded_table({**canonical, "y": table[columns.y], **others})
    cells = {target: table[target] for target in reading.select_targets(names)}
    return unpivot.unpivot(_decoded_table(canonical | others), _decoded_table(cells))


def _value_type(values: pa.ChunkedArray) -> pa.DataType:
    return values.type.value_type if pa.types.is_dictionary(values.type) else values.type


def _decoded_table(columns: dict[str, Any]) -> pa.Table:
    kinds = {name: _value_type(values) for name, values in columns.items()}
    return pa.table({n: v.cast(kinds[n]) if v.type != kinds[n] else v for n, v in columns.items()})


def _series_names(table: pa.Table, columns: ColumnsSpec) -> pa.ChunkedArray:
    """Return the name of each row's series; the parts of a composite name are joined with a slash."""
    parts = [names_as_text(table[name]) for name in columns.id_columns]
    return parts[0] if len(parts) == 1 else join_names([part.cast(pa.string()) for part in parts])


def _describe_missing(role: str, name: str, table: pa.Table) -> str:
    if any(letter in name for letter in "*?["):
        return f"no column matches {name!r}, the {role}; the source has {', '.join(table.column_names[:20])}"
    near = difflib.get_close_matches(name, table.column_names, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; the source has {', '.join(table.column_names[:20])}"
    return f"column {name!r}, the {role}, is missing{hint}"


def no_known_row(reading: DatasetSpec, as_of: datetime, times: pd.DatetimeIndex) -> SourceUnreadable:
    """Return the error of a source none of whose rows was known at the as-of.

    Args:
        reading: How the source is read.
        as_of: The as-of.
        times: The times of its rows in UTC, ascending.

    Returns:
        The error, to be raised by the caller.
    """
    reason = f"none of its rows was known at {as_of:%Y-%m-%d %H:%M %Z}"
    if len(times):
        column = reading.columns.known_at or reading.columns.ds
        reason += f"; its times begin at {times[0]:%Y-%m-%d %H:%M}: give a later as-of, or correct column {column!r}"
    return SourceUnreadable(f"the source {reading.source.label}", [reason])
