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


class SortedRuns(NamedTuple):
    """The rows of each series of a sorted table: its name, its first row and the row after its last."""

    names: pd.Index
    begins: np.ndarray  # (S,) int64
    ends: np.ndarray  # (S,) int64


def find_runs(table: pd.DataFrame) -> SortedRuns | None:
    """Find the rows of each series, without a code for each row.

    Args:
        table: A table with unique_id and ds.

    Returns:
        The runs; None if the rows are not in order of unique_id and ds, as those of a published forecast are.
    """
    ids, times = table["unique_id"].array, table["ds"].array
    begins = np.flatnonzero(np.append(True, np.asarray(ids[1:] != ids[:-1], dtype=bool))[: len(ids)])
    names = pd.Index(ids.take(begins), dtype="str")
    in_order = np.asarray(times[1:] >= times[:-1], dtype=bool)
    in_order[begins[1:] - 1] = True
    if not (in_order.all() and names.is_unique and names.is_monotonic_increasing):
        return None
    return SortedRuns(names, begins, np.append(begins[1:], len(ids))[: len(begins)])


def series_between(table: PanelTable, first: str, last: str) -> PanelTable:
    """Select the series with first <= name <= last."""
    return table.take(np.arange(table.ids.searchsorted(first, "left"), table.ids.searchsorted(last, "right")))


def sample_names(names: Iterable[str], count: int) -> list[str]:
    """Return at most `count` of these names, those of `sample_series`."""
    return heapq.nsmallest(count, names, key=lambda name: hashlib.blake2b(str(name).encode(), digest_size=8).digest())
