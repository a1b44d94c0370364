"""What a run knows about single series: values that models cannot use, fallbacks, those without forecasts, a sample."""

import hashlib
import heapq
from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from data_contracts.spec import Spec
from models.data.panel_table import PanelTable
from tasks.modeling.candidate import Candidate

Cause = Literal["vanished", "too short", "closed", "quarantined", "ended", "no future covariates", "not finite"]


class ExtremeValue(Spec):
    """A value that is too large to compute with. Its row is in quarantine; models see a gap."""

    series: str
    ds: datetime
    column: str
    value: float

    @property
    def sentence(self) -> str:
        """The value and its time, for the reason of a fallback."""
        return f"{self.column} is {self.value:g} at {self.ds:%Y-%m-%d %H:%M} UTC, too large to compute with"


class SeriesFallback(Spec):
    """The series that another model than the main model of the night forecast, and why.

    `candidate` is None if no model could, and the newest vintage was moved on.
    """

    candidate: Candidate | None
    reason: str
    series: tuple[str, ...]

    @property
    def label(self) -> str:
        """The model, or that it is the newest vintage."""
        return self.candidate.label if self.candidate else "the newest vintage, moved on"


class SeriesWithoutForecast(Spec):
    """A series that was not forecast: the cause, and a sentence that explains it."""

    series: str
    cause: Cause
    reason: str


def sample_series(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Select the rows of at most `count` series: those whose names have the lowest hashes.

    A series that joins or leaves the table changes the sample by one series, so scores of nights stay comparable.

    Args:
        rows: A table with unique_id.
        count: The largest number of series.

    Returns:
        The rows of these series, renumbered.
    """
    names = rows["unique_id"].unique()
    if len(names) <= count:
        return rows
    return rows[rows["unique_id"].isin(sample_names(names, count))].reset_index(drop=True)


def sample_table(table: PanelTable, count: int) -> PanelTable:
    """Select at most `count` series of a table, those of `sample_series`."""
    return table if len(table.ids) <= count else table.select(sample_names(table.ids, count))


class SortedRows(NamedTuple):
    """A table in order of unique_id and ds; of each series its name, its first row and the row after its last."""

    table: pd.DataFrame
    names: pd.Index
    begins: np.ndarray  # (S,) int64
    ends: np.ndarray  # (S,) int64


def sort_by_series(table: pd.DataFrame) -> SortedRows:
    """Sort a table by series and time, and find the rows of each series.

    A table that is sorted, such as a published forecast, is not copied.

    Args:
        table: A table with unique_id (text) and ds, numbered from 0.

    Returns:
        The table, renumbered if it was not sorted, and the rows of its series.
    """
    begins = _first_rows(table)
    if not _is_sorted(table, begins):
        table = table.sort_values(["unique_id", "ds"], kind="stable", ignore_index=True)
        begins = _first_rows(table)
    ends = np.append(begins[1:], len(table))[: len(begins)]
    return SortedRows(table, _names_at(table, begins), begins, ends)


def _first_rows(table: pd.DataFrame) -> np.ndarray:
    """Return the rows whose unique_id differs from that of the row before, (n,) int64."""
    ids = table["unique_id"].array
    return np.flatnonzero(np.append(True, np.asarray(ids[1:] != ids[:-1], dtype=bool))[: len(ids)])


def _names_at(table: pd.DataFrame, rows: np.ndarray) -> pd.Index:
    return pd.Index(table["unique_id"].array.take(rows), dtype="str")


def _is_sorted(table: pd.DataFrame, begins: np.ndarray) -> bool:
    """Return whether the rows are in order of unique_id and ds; `begins` are those of `_first_rows`."""
    names, times = _names_at(table, begins), table["ds"].array
    in_order = np.asarray(times[1:] >= times[:-1], dtype=bool)
    in_order[begins[1:] - 1] = True
    return bool(in_order.all() and names.is_unique and names.is_monotonic_increasing)


def names_between(table: PanelTable, first: str, last: str) -> pd.Index:
    """Return the names of the series with first <= name <= last."""
    return table.ids[table.ids.searchsorted(first, "left") : table.ids.searchsorted(last, "right")]


def series_between(table: PanelTable, first: str, last: str) -> PanelTable:
    """Select the series with first <= name <= last."""
    return table.take(np.arange(table.ids.searchsorted(first, "left"), table.ids.searchsorted(last, "right")))


def sample_names(names: Iterable[str], count: int) -> list[str]:
    """Return at most `count` of these names, those of `sample_series`."""
    return heapq.nsmallest(count, names, key=lambda name: hashlib.blake2b(str(name).encode(), digest_size=8).digest())
