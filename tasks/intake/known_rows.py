"""Which rows of a source were known at the as-of, decided by the times of the whole table, for any part of it.

       history: every column            as-of   the horizon: known covariates only
───────────────────────────────────────── │ ───────────────────── ┤   everything later: not read
"""

from datetime import datetime
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.errors import SourceUnreadable
from tasks.quality.outlying_times import outlying_times
from tasks.sources.columns_spec import RESERVED_COLUMNS
from tasks.sources.dataset import DatasetSpec
from tasks.sources.distinct_times import DistinctTimes


class KnownTimes(NamedTuple):
    """Which times of a table were known at an as-of, (m,) bool each."""

    times: pd.DatetimeIndex
    kept: np.ndarray  # rows of these times are read
    later: np.ndarray  # their period is not over: only what is known ahead is read

    @classmethod
    def of(cls, times: DistinctTimes, reading: DatasetSpec, as_of: datetime) -> "KnownTimes":
        """Decide for the times of a whole table.

        Args:
            times: The distinct times of the table, with the number of rows at each.
            reading: How the source is read.
            as_of: An instant; a row counts if its period is over by then.

        Returns:
            The times of periods that are over or run, those of the horizon if covariates are known ahead, and times far
            from all others, which validation reports.
        """
        moment = reading.align_as_of(as_of)
        later = ~reading.ended_times(times, moment)
        kept = ~later | reading.running_times(times, moment) | outlying_times(times, reading.freq)
        if reading.features.known_columns:
            kept |= np.asarray(times.times <= pd.date_range(moment, periods=reading.horizon + 1, freq=reading.freq)[-1])
        return cls(times.times, kept, later)

    def select(self, table: pa.Table, times: DistinctTimes, reading: DatasetSpec, as_of: datetime) -> pa.Table:
        """Remove from the table, or from a part of it, everything that was not known.

        Args:
            table: Rows of the source with canonical columns.
            times: The times of these rows.
            reading: How the source is read.
            as_of: The instant that `of` was given.

        Returns:
            The rows that were known, with only their known covariates if their period is not over.

        Raises:
            SourceUnreadable: A row has a time that the table did not have.
        """
        index = self.times.get_indexer(times.times)
        if (index < 0).any():
            reason = "its files changed while they were read; read it when no other process writes it"
            raise SourceUnreadable(f"the source {reading.source.label}", [reason])
        rows = times.spread(self.kept[index], missing=True)
        rows[_ambiguous_hours(table, times, reading, as_of)] = True
        if reading.columns.known_at:
            rows &= ~(reading.parse_known_at(table["known_at"].to_pandas()) >= pd.Timestamp(as_of)).to_numpy()
        is_later = times.spread(self.later[index])
        if is_later.any():
            table = _hide_future(table, is_later, reading)
        return table if rows.all() else table.filter(pa.array(rows))


def filter_as_of(table: pa.Table, reading: DatasetSpec, as_of: datetime) -> pa.Table:
    """Remove everything that was not known at `as_of`.

    Args:
        table: The source with canonical columns.
        reading: How the source is read.
        as_of: An instant; a row counts if its period is over by then.

    Returns:
        The rows whose period is over; the rows of the period that runs, and of the horizon if covariates are known
        ahead, with only their known covariates. A row whose time cannot be parsed, or lies far from all others, is
        kept: validation reports it, and no model sees it.
    """
    times = parse_distinct_times(table, reading)
    return KnownTimes.of(times, reading, as_of).select(table, times, reading, as_of)


def parse_distinct_times(table: pa.Table, reading: DatasetSpec) -> DistinctTimes:
    """Parse `ds` of a table with canonical columns, wall times that occur twice by the order of their series."""
    ids = None
    if _needs_series(table):
        ids = pc.dictionary_encode(table["unique_id"]).unify_dictionaries().to_pandas()
    return DistinctTimes.of(reading.parse_times(table["ds"].to_pandas(), ids=ids))


def _needs_series(table: pa.Table) -> bool:
    """Return whether a time may have to be resolved by the other times of its series."""
    kind = table.schema.field("ds").type
    return "unique_id" in table.column_names and not (pa.types.is_timestamp(kind) and kind.tz)


def _hide_future(table: pa.Table, is_future: np.ndarray, reading: DatasetSpec) -> pa.Table:
    """Clear what is not known ahead in the rows of the future."""
    known_ahead = {*RESERVED_COLUMNS, *reading.features.known_columns, *reading.columns.time_parts} - {"y"}
    for index, field in enumerate(table.schema):
        if field.name not in known_ahead:
            hidden = pc.if_else(pa.array(is_future), pa.scalar(None, field.type), table[field.name])
            table = table.set_column(index, field.name, hidden)
    return table


def _ambiguous_hours(table: pa.Table, times: DistinctTimes, reading: DatasetSpec, as_of: datetime) -> np.ndarray:
    """Find the rows after the as-of that share an ambiguous wall time with a row before it; returns their positions."""
    # They are kept: without them the earlier row could not be recognised as the first of the two.
    moment = reading.align_as_of(as_of)
    is_near = np.asarray(abs(times.times - moment) < pd.Timedelta("2h"))
    near = np.flatnonzero(times.spread(is_near)) if is_near.any() and _needs_series(table) else np.empty(0, np.int64)
    if not len(near):
        return near
    written = table["ds"].take(near).to_pandas()
    ambiguous = reading.parse_times(written).isna().to_numpy()
    twice = near[ambiguous]
    keys = pd.MultiIndex.from_arrays([table["unique_id"].take(twice).to_pandas(), written[ambiguous]])
    after = np.asarray(times.times[times.codes[twice]] >= moment)
    return np.asarray(twice[after & keys.isin(keys[~after])])
