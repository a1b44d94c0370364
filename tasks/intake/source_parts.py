"""Store a large source as it was known at the as-of, a part at a time: its times are read first, then all its columns.

times of all parts ──> which are known ──> part 0, part 1, …: canonical columns, known rows ──> the raw table
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import reduce

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.artifact import Artifact
from tasks.intake.known_rows import KnownTimes, parse_distinct_times
from tasks.intake.partition_size import partition_rows
from tasks.sources.canonical_columns import no_known_row, to_canonical_columns
from tasks.sources.dataset import DatasetSpec
from tasks.sources.distinct_times import DistinctTimes
from tasks.sources.read import SourceBatches, open_batches
from tasks.sources.row_independence import are_rows_independent
from tasks.storage.store import Store

ChooseColumns = Callable[[list[str]], list[str]]

BATCH_ROWS = 1 << 20


class NamesDependOnOthers(Exception):
    """A text column has names such as 101.0, whose text depends on all names of the column."""


def store_in_parts(
    reading: DatasetSpec, as_of: datetime, store: Store, choose: ChooseColumns | None = None
) -> Artifact | None:
    """Store what was known of a source that is too large to be held.

    Args:
        reading: How the source is read.
        as_of: An instant; rows at or after it are in the future.
        store: Where the raw table is kept.
        choose: Picks among the columns of the source; by default those that `reading` selects.

    Returns:
        The raw table; None if the source is small, or has to be read as a whole. Raises as `known_table` does.
    """
    batches = open_batches(reading.source, choose or reading.select_columns, reading.optional_columns)
    if batches is None or batches.rows <= partition_rows() or not are_rows_independent(batches.schema, reading):
        return None
    to_canonical_columns(batches.schema.empty_table(), reading, may_be_empty=True)  # raises if a column is wrong
    try:
        return store.put_parts(_known_parts(batches, reading, as_of), "raw")
    except NamesDependOnOthers:
        return None


def _known_parts(batches: SourceBatches, reading: DatasetSpec, as_of: datetime) -> Iterator[pa.Table]:
    known = KnownTimes.of(DistinctTimes.of_counts(_count_times(batches, reading)), reading, as_of)
    begin, kept = 0, 0
    for batch in batches.read(batches.schema.names, BATCH_ROWS):
        _check_names(batch, reading)
        table = to_canonical_columns(batch, reading)
        numbers = pa.array(np.arange(begin, begin + table.num_rows))
        table = table.set_column(table.column_names.index("row"), "row", numbers)
        part = known.select(table, parse_distinct_times(table, reading), reading, as_of)
        begin, kept = begin + table.num_rows, kept + part.num_rows
        if part.num_rows:
            yield part
    if not kept:
        raise no_known_row(reading, as_of, known.times)


def _count_times(batches: SourceBatches, reading: DatasetSpec) -> pd.Series:
    """Return the number of rows at each time (UTC), ascending."""
    name = reading.columns.ds
    parts = (parse_distinct_times(part.rename_columns(["ds"]), reading) for part in batches.read([name], BATCH_ROWS))
    return reduce(add_counts, (times.counts for times in parts))


def add_counts(first: pd.Series, second: pd.Series) -> pd.Series:
    """Add the numbers of rows by time of two parts of a table, each ascending."""
    if first.index.equals(second.index):
        return first + second
    return first.add(second, fill_value=0).astype("int64").sort_index()


def _check_names(batch: pa.Table, reading: DatasetSpec) -> None:
    for name in {*reading.columns.id_columns, *reading.text_columns}:
        kind = batch.schema.field(name).type
        if pa.types.is_string(kind) and pc.any(pc.ends_with(batch[name], ".0"), skip_nulls=True).as_py():
            raise NamesDependOnOthers
