"""Closed times of a source: steps without a row that do not count as gaps, and how they are named."""

import pandas as pd

from models.data.closed_times import ClosedTimes, find_closed_times
from models.data.opening_hours import describe_entry
from models.data.panel_table import PanelTable
from models.data.time_steps import build_grid, step_width
from tasks.sources.dataset import DatasetSpec
from tasks.sources.values import format_value

MAX_NAMED_ENTRIES = 6
MAX_NAMED_SERIES = 4


def closed_times_of(panel: PanelTable, cutoff: pd.Timestamp, reading: DatasetSpec) -> ClosedTimes:
    """Find the closed times of a panel.

    Args:
        panel: Each series on its grid, with y, NaN for a step without a value.
        cutoff: The last observation.
        reading: How the source is read.

    Returns:
        The closed times of each series.
    """
    end = panel.steps_until(cutoff)
    return find_closed_times(panel, reading.freq, reading.zone, reading.cleaning.closed, end)


def skip_closed_steps(
    cutoff: pd.Timestamp, moment: pd.Timestamp, closed: ClosedTimes, reading: DatasetSpec
) -> pd.Timestamp:
    """Move the cutoff over closed steps that have passed, so that on Monday the forecast does not begin with Sunday.

    Args:
        cutoff: The last observation.
        moment: The as-of on the clock of `ds`.
        closed: The closed times of each series.
        reading: How the source is read.

    Returns:
        The last step after `cutoff` that is over by `moment` such that all steps until then are closed for every
        series; `cutoff` itself if the next step is open.
    """
    if not closed.common:
        return cutoff
    week = round(pd.Timedelta(days=7) / step_width(reading.freq))
    steps = pd.Series(build_grid(pd.DatetimeIndex([cutoff]), reading.freq, week)[1:])
    passed = closed.common_steps(steps) & reading.has_ended(steps, moment).to_numpy()
    count = int(passed.cumprod().sum())
    return steps.iloc[count - 1] if count else cutoff


def describe_closed(closed: ClosedTimes, reading: DatasetSpec) -> tuple[str, ...]:
    """Name the closed times, with the setting that changes them.

    Args:
        closed: The closed times of each series.
        reading: How the source is read.

    Returns:
        A sentence on times that are closed for every series, and one on those of single series.
    """
    if reading.cleaning.closed != "auto":
        return (f"closed as cleaning.closed says, and not forecast: {_join(closed.common)}",) if closed.common else ()
    setting = "Such steps do not count as gaps and are not forecast. If they are open, write cleaning: {closed: []}"
    notes = [f"no rows {_join(closed.common)}: closed? {setting}"] if closed.common else []
    own = closed.own
    if own:
        named = [f"{_join(entries)} of {format_value(name)}" for name, entries in list(own.items())[:MAX_NAMED_SERIES]]
        more = f" and of {len(own) - len(named)} more series" if len(own) > len(named) else ""
        notes.append(f"no rows {'; '.join(named)}{more}: closed? {setting}")
    return tuple(notes)


def _join(entries: tuple[str, ...]) -> str:
    """Join entries of the setting as text: on Sundays, from 22:00 to 06:00."""
    more = f" and {len(entries) - MAX_NAMED_ENTRIES} more" if len(entries) > MAX_NAMED_ENTRIES else ""
    return ", ".join(describe_entry(entry) for entry in entries[:MAX_NAMED_ENTRIES]) + more
