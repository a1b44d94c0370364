"""Closed times of each series: slots of the week that never have a value in a long history, or those that are given.

          Mon Tue Wed Thu Fri Sat Sun
values     52  52  51  52  52  52   0     Sunday: 52 chances, no value: closed
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from models.data.calendar import is_calendar_step
from models.data.opening_hours import DAY_HOURS, parse_closed, write_closed
from models.data.panel_table import PanelTable

ClosedSetting = Literal["auto"] | tuple[str, ...]
SLOTS = 7 * DAY_HOURS
MIN_CHANCES = 8  # steps of a slot
MIN_SPAN_DAYS = 55  # between the first and the last value: eight weeks
MIN_SURPRISE = 14.0  # -log of the probability that an open slot has no value: below one in a million
MAX_DENSITY = 0.999
MAX_CLOSED_DAYS = 4  # of 7 for steps of a day: with more, freq is wrong
MAX_CLOSED_SHARE = 0.9  # of the hours


@dataclass(frozen=True)
class ClosedTimes:
    """Closed slots of each series, (S, 168), in the order of `ids`, and those that are closed for every series."""

    ids: pd.Index
    slots: np.ndarray
    freq: str
    zone: str

    def contains(self, series: pd.Series, times: pd.Series) -> np.ndarray:
        """Return whether each step is closed.

        Args:
            series: The series of each step.
            times: The step in UTC.

        Returns:
            (n,) bool; false for a series that is not known.
        """
        if not self.slots.any():
            return np.zeros(len(times), dtype=bool)
        codes = self._codes(series)
        closed = self.slots[codes, week_slots(times, self.freq, self.zone)]
        return np.asarray(closed & (codes >= 0))

    def _codes(self, series: pd.Series) -> np.ndarray:
        if isinstance(series.dtype, pd.CategoricalDtype):
            return np.append(self.ids.get_indexer(series.cat.categories), -1)[series.cat.codes]
        return self.ids.get_indexer(series)

    def common_steps(self, times: pd.Series) -> np.ndarray:
        """Return whether each time (UTC) is closed for every series, (n,) bool."""
        return np.asarray(np.asarray(self.slots.all(axis=0))[week_slots(times, self.freq, self.zone)])

    @property
    def common(self) -> tuple[str, ...]:
        """Closed times of every series, as entries of the setting."""
        return self._entries(np.asarray(self.slots.all(axis=0))) if len(self.ids) else ()

    @property
    def own(self) -> dict[str, tuple[str, ...]]:
        """Closed times of single series, as entries of the setting, without those of every series."""
        more = self.slots & ~self.slots.all(axis=0)
        return {str(self.ids[code]): self._entries(more[code]) for code in np.flatnonzero(more.any(axis=1))}

    def _entries(self, slots: np.ndarray) -> tuple[str, ...]:
        grid = slots.reshape(7, DAY_HOURS)
        return write_closed(np.repeat(grid[:, :1], DAY_HOURS, axis=1) if is_calendar_step(self.freq) else grid)


def week_slots(times: pd.Series, freq: str, zone: str) -> np.ndarray:
    """Compute the slot of each time in a week.

    Args:
        times: Times in UTC, (n,).
        freq: The step as a pandas frequency.
        zone: Time zone of the wall clock.

    Returns:
        (n,) int64: 24 times the weekday, plus the hour for steps within a day.
    """
    if is_calendar_step(freq):
        return np.asarray(times.dt.dayofweek, dtype=np.int64) * DAY_HOURS
    local = times.dt.tz_convert(zone)
    return np.asarray(local.dt.dayofweek * DAY_HOURS + local.dt.hour, dtype=np.int64)


def has_closed_times(freq: str) -> bool:
    """Return whether steps of this frequency can be closed: days, and steps within a day."""
    offset = pd.tseries.frequencies.to_offset(freq)
    if isinstance(offset, pd.offsets.Tick):
        return pd.Timedelta(offset) < pd.Timedelta(days=1)
    return isinstance(offset, pd.offsets.Day)


def find_closed_times(
    table: PanelTable, freq: str, zone: str, setting: ClosedSetting, end: int | None = None
) -> ClosedTimes:
    """Find the closed times of each series.

    A slot of the week without a value is closed if it had at least 8 chances in at least 8 weeks, and if the series
    has enough values elsewhere that chance cannot explain it. A series that is too short follows the others.

    Args:
        table: Each series on its grid, y NaN for steps without a value.
        freq: The step as a pandas frequency.
        zone: Time zone of the wall clock.
        setting: `auto`, or the closed times of all series.
        end: The step after the history, an index in `table.times`; by default all steps are history.

    Returns:
        The closed slots, of each series that has begun before `end`.
    """
    end = len(table.times) if end is None else end
    ids = table.ids[table.first < end]
    span = table.times[end - 1] - table.times[0] if len(ids) else pd.Timedelta(0)
    is_short = span < pd.Timedelta(days=MIN_SPAN_DAYS)  # the span of all series, and so of each
    if setting != "auto" or not has_closed_times(freq) or is_short:
        given = parse_closed(() if setting == "auto" else setting).reshape(-1)
        return ClosedTimes(ids, np.tile(given, (len(ids), 1)), freq, zone)
    return ClosedTimes(ids, _plausible(_empty_slots(table, freq, zone, end), freq), freq, zone)


def _empty_slots(table: PanelTable, freq: str, zone: str, end: int) -> np.ndarray:
    """Find the slots of each series that are without a value for a reason, (s, 168) bool, a partition at a time."""
    empty, own = list[np.ndarray](), list[np.ndarray]()
    most, total, evidence = np.zeros(SLOTS, np.int32), np.zeros(SLOTS, np.int64), np.zeros(SLOTS)
    for part in (part.between(0, end) for part in table.partitions()):
        if not len(part):
            continue
        chances, values, is_long = _count_slots(part, freq, zone)
        surprise = _surprise(values, chances)
        own.append(is_long & (chances >= MIN_CHANCES) & (surprise >= MIN_SURPRISE))
        empty.append(values == 0)
        most = np.maximum(most, np.where(is_long, chances, 0).max(axis=0))
        total += values.sum(axis=0)
        evidence += np.where(is_long, surprise, 0).sum(axis=0)
    shared = (most >= MIN_CHANCES) & (total == 0) & (evidence >= MIN_SURPRISE)
    return np.asarray(np.concatenate(empty) & (np.concatenate(own) | shared))


def _count_slots(part: PanelTable, freq: str, zone: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count steps and values of each series and slot between its first and last value.

    Args:
        part: The history of some series.
        freq: The step as a pandas frequency.
        zone: Time zone of the wall clock.

    Returns:
        Steps and values, (s, 168) int32 each, and whether the values of a series span MIN_SPAN_DAYS, (s, 1).
    """
    slots = week_slots(part.times.to_series(), freq, zone)
    days = part.times.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64) / 86_400
    steps, codes = part.row_steps, np.repeat(np.arange(len(part.ids)), part.lengths)
    known = np.flatnonzero(np.isfinite(part.numbers["y"]))
    first, last = np.full(len(part.ids), np.inf), np.full(len(part.ids), -np.inf)
    np.minimum.at(first, codes[known], days[steps[known]])
    np.maximum.at(last, codes[known], days[steps[known]])
    inside = np.flatnonzero((days[steps] >= first[codes]) & (days[steps] <= last[codes]))
    cells = codes * SLOTS + slots[steps]
    shape = (len(part.ids), SLOTS)
    chances, values = (
        np.bincount(cells[rows], minlength=len(part.ids) * SLOTS).astype(np.int32).reshape(shape)
        for rows in (inside, known)
    )
    return chances, values, (last - first >= MIN_SPAN_DAYS)[:, None]


def _surprise(values: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Return -log of the probability that a slot as dense as those with values has no value, (S, 168)."""
    open_slots = values > 0
    steps = np.where(open_slots, chances, 0).sum(axis=1)
    density = np.minimum(values.sum(axis=1) / np.maximum(steps, 1), MAX_DENSITY)
    return -np.log1p(-density)[:, None] * np.where(open_slots, 0, chances)


def _plausible(closed: np.ndarray, freq: str) -> np.ndarray:
    """Discard the closed slots of a series that has hardly any open ones: freq is then finer than the data."""
    most = MAX_CLOSED_DAYS if is_calendar_step(freq) else int(MAX_CLOSED_SHARE * SLOTS)
    return closed & (closed.sum(axis=1) <= most)[:, None]
