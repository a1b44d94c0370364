"""Columns of published tables of different releases and vintages: `as_of` in each row, quantiles unified by name."""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from tasks.modeling.scores import quantile_levels
from tasks.sources.series_names import CONFLICT_PREFIX

AS_OF = "as_of"
TIMESTAMP = pa.timestamp("us", "UTC")
POSITION = {"forecasts": "cutoff", "actuals": "y", "accuracy": "model_name", "anomalies": "y"}
"""The column that `as_of` stands before, in each published table."""


def with_as_of(table: pa.Table, as_of: datetime) -> pa.Table:
    """Return a published table with the column `as_of`; tables of earlier releases have it in their path only.

    Args:
        table: Forecasts, actuals or accuracy, as a night published them.
        as_of: The as-of in the path of the table.

    Returns:
        The table; unchanged if it has the column.
    """
    if AS_OF in table.column_names:
        if pa.types.is_timestamp(table.schema.field(AS_OF).type):
            return table
        # an earlier release kept this name for a column that names the series
        table = table.rename_columns({AS_OF: f"{CONFLICT_PREFIX}{AS_OF}"})
    before = next((name for name in POSITION.values() if name in table.column_names), None)
    index = table.column_names.index(before) if before else table.num_columns
    return table.add_column(index, pa.field(AS_OF, TIMESTAMP), pa.repeat(pa.scalar(as_of, TIMESTAMP), len(table)))


def concat_vintages(tables: Sequence[pa.Table]) -> pa.Table:
    """Concatenate tables of several vintages by column name.

    Args:
        tables: At least one table, the newest vintage last. Their quantile levels may differ.

    Returns:
        All rows with the columns of every table, null where a vintage does not have the column. The order is that of
        the newest vintage, with all quantiles together in the order of their levels.
    """
    together = pa.concat_tables(tables, promote_options="permissive")
    names = list(dict.fromkeys(name for table in reversed(tables) for name in table.column_names))
    levels = quantile_levels(names)
    first = next((index for index, name in enumerate(names) if name in levels), len(names))
    others = [name for name in names if name not in levels]
    return together.select([*others[:first], *levels, *others[first:]])
