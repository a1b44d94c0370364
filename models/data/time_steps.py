"""Steps of time: the grid that most times lie on, and when the period of each stamp begins and ends.

The phase of a grid is that of most times: the time of day or within a step, the day of the month (billing months that
begin on the 14th), and for several steps at once (2W, 3D) the weeks or days that are counted.
"""

import math
import re
import warnings
from typing import Literal

import numpy as np
import pandas as pd

from data_contracts.errors import SpecError

Stamps = Literal["begin", "end"]
DAY, YEAR = pd.Timedelta(days=1), pd.Timedelta(days=365.25)
EPOCH = pd.Timestamp(0, tz="UTC").as_unit("us")  # nanoseconds would end in 2262
MONTHS_PER_UNIT = {"M": 1, "Q": 3, "Y": 12}
CALENDAR_YEARS = (pd.Timestamp("0010-01-01", tz="UTC"), pd.Timestamp("9900-01-01", tz="UTC"))  # of calendar arithmetic
MAX_GRID_STEPS = 100_000_000
MONTH_END = 31  # as a day of the month: the last day of any month


def default_stamps(freq: str) -> Stamps:
    """Return `end` for a frequency that is named by the last day of its periods (ME, BQE, YE-MAR), else `begin`."""
    name = pd.tseries.frequencies.to_offset(freq).name.split("-")[0]
    return "end" if re.fullmatch(r"C?B?[MQY]E|SME|REQ?", name) else "begin"


def build_grid(times: pd.Series | pd.DatetimeIndex, freq: str, extra: int) -> pd.DatetimeIndex:
    """Build the grid that most of the times lie on.

    Args:
        times: Times in UTC, at least one.
        freq: The step as a pandas frequency.
        extra: Number of steps to append after the last time.

    Returns:
        All steps from the first time to `extra` steps past the last, in UTC with microseconds.

    Raises:
        SpecError: The times are more than MAX_GRID_STEPS steps apart.
    """
    return grid_of_counts(_row_counts(times), freq, extra)


def grid_of_counts(weights: pd.Series, freq: str, extra: int) -> pd.DatetimeIndex:
    """Build the grid of `build_grid` from counts of rows.

    Args:
        weights: The number of rows of each distinct time (UTC), in order of time.
        freq: The step as a pandas frequency.
        extra: Number of steps to append after the last time.

    Returns:
        The steps, as `build_grid` returns them.

    Raises:
        SpecError: The times are more than MAX_GRID_STEPS steps apart.
    """
    offset = pd.tseries.frequencies.to_offset(freq)
    width = step_width(freq)
    phase = _most_common((weights.index - EPOCH) % width, weights.to_numpy())
    shifted = weights.set_axis(weights.index - phase)
    if (steps := (shifted.index[-1] - shifted.index[0]) / width) > MAX_GRID_STEPS:
        raise SpecError(
            f"freq {freq!r} gives {steps:,.0f} steps between {weights.index[0]:%Y-%m-%d %H:%M} and "
            f"{weights.index[-1]:%Y-%m-%d %H:%M}, and at most {MAX_GRID_STEPS:,} are used. Set freq to the distance of "
            "the rows, or shorten the history."
        )
    if isinstance(offset, pd.offsets.Tick):
        start = shifted.index[0].ceil(width)
        inside = pd.date_range(start, max(shifted.index[-1], start), freq=offset)
        beyond = pd.date_range(inside[-1], periods=extra + 1, freq=offset)[1:]
        return (inside.append(beyond) + phase).astype("datetime64[us, UTC]")
    dates = shifted.groupby(shifted.index.normalize()).sum()
    return (_calendar_grid(dates, freq, extra) + phase).astype("datetime64[us, UTC]")


def step_width(freq: str) -> pd.Timedelta:
    """Return the length of one step, or a day for calendar steps, whose length varies."""
    offset = pd.tseries.frequencies.to_offset(freq)
    return pd.Timedelta(offset) if isinstance(offset, pd.offsets.Tick) else DAY


def span_years(freq: str, count: int) -> float:
    """Return the length of `count` steps in years; infinity if a single step is longer than times can be."""
    try:
        step = EPOCH + pd.tseries.frequencies.to_offset(freq) - EPOCH
    except (OverflowError, ValueError):
        return math.inf
    return float(count * (step / YEAR))


def day_of_month(times: pd.Series | pd.DatetimeIndex, freq: str) -> int:
    """Return the day on which most periods of months begin: 1, or 14 for billing months that begin on each 14th.

    Args:
        times: Times in UTC.
        freq: The step as a pandas frequency.

    Returns:
        A day from 1 to 30 for steps of whole months that are stamped at their begin; in a shorter month its last day
        takes the role of a later day. 31 for stamps at the end of months. 1 for all other steps.
    """
    return _day_of_month(_row_counts(times), freq)


def _day_of_month(weights: pd.Series, freq: str) -> int:
    months, at_end = _months(freq)
    if at_end or not months or not len(weights):
        return MONTH_END if at_end and months else 1
    return _day_of_dates(weights)


def period_ends(times: pd.Series, freq: str, stamps: Stamps, counts: pd.Series | None = None) -> pd.Series:
    """Compute the instant at which the period of each stamp is over.

    Args:
        times: Stamps in UTC, NaT if a stamp is unknown.
        freq: The step as a pandas frequency.
        stamps: Whether a stamp is the begin or the end of its period. A date that ends a period includes that day.
        counts: The number of rows of each distinct stamp, ascending, if `times` does not have a row of each.

    Returns:
        Times in UTC on the index of `times`; NaT for NaT.
    """
    offset = pd.tseries.frequencies.to_offset(freq)
    if stamps == "end":
        return times if isinstance(offset, pd.offsets.Tick) else times.dt.floor("D") + DAY
    return _move(times, freq, 1, counts)


def period_begins(times: pd.Series, freq: str, stamps: Stamps, counts: pd.Series | None = None) -> pd.Series:
    """Compute the instant at which the period of each stamp begins.

    Args:
        times: Stamps in UTC, NaT if a stamp is unknown.
        freq: The step as a pandas frequency.
        stamps: Whether a stamp is the begin or the end of its period, as for `period_ends`.
        counts: The number of rows of each distinct stamp, as for `period_ends`.

    Returns:
        Times in UTC on the index of `times`; NaT for NaT.
    """
    if stamps == "begin":
        return times
    offset = pd.tseries.frequencies.to_offset(freq)
    begins = _move(times, freq, -1, counts)
    return begins if isinstance(offset, pd.offsets.Tick) else begins.dt.floor("D") + DAY


def _move(times: pd.Series, freq: str, count: int, counts: pd.Series | None) -> pd.Series:
    """Return the stamps one step later (count 1) or earlier (count -1). A business day ends after the day itself."""
    offset = pd.tseries.frequencies.to_offset(freq)
    if isinstance(offset, pd.offsets.Tick):
        return times + count * pd.Timedelta(offset)
    if isinstance(offset, pd.offsets.Day | pd.offsets.Week):
        return times + count * offset.n * (7 if isinstance(offset, pd.offsets.Week) else 1) * DAY
    distinct = pd.Series(times.dropna().unique(), dtype="datetime64[us, UTC]")
    moved = distinct + count * DAY
    near = distinct.between(*CALENDAR_YEARS)
    months, _ = _months(freq)
    if months:
        day = _day_of_month(_row_counts(times) if counts is None else counts, freq)
        moved[near] = _add_months(distinct[near], count * months * offset.n, day)
    elif offset.base.name in ("B", "C"):
        moved[near] = _add_offset(distinct[near], (offset.n - 1) * offset.base, count) + count * DAY
    else:
        moved[near] = _add_offset(distinct[near], offset, count)
    return times.map(pd.Series(moved.to_numpy(), index=distinct)).astype("datetime64[us, UTC]")


def _add_offset(times: pd.Series, offset: pd.offsets.BaseOffset, count: int) -> pd.Series:
    if offset.n == 0:
        return times
    with warnings.catch_warnings(action="ignore"):  # pandas warns that some offsets are added one by one
        moved = times + offset if count > 0 else times - offset
    return moved.astype("datetime64[us, UTC]")


def _add_months(times: pd.Series, months: int, day: int) -> pd.Series:
    """Move dates by whole months, to this day of the month or the last one of a shorter month."""
    naive = times.dt.tz_localize(None)
    month = naive.to_numpy().astype("datetime64[M]") + months
    first = pd.Series(month.astype("datetime64[us]"), index=times.index)
    days = np.minimum(np.maximum(day, naive.dt.day) if day == 1 else day, first.dt.days_in_month) - 1
    clock = naive - naive.dt.floor("D")
    return (first + pd.to_timedelta(days, unit="D") + clock).astype("datetime64[us]").dt.tz_localize("UTC")


def _months(freq: str) -> tuple[int, bool]:
    """Return the months of a step of freq MS, QE, YS-APR …, and whether it ends with a month; 0 for other steps."""
    name = pd.tseries.frequencies.to_offset(freq).name.split("-")[0]
    match = re.fullmatch("([MQY])([SE])", name)
    return (MONTHS_PER_UNIT[match[1]], match[2] == "E") if match else (0, False)


def _row_counts(times: pd.Series | pd.DatetimeIndex) -> pd.Series:
    """Return the number of rows of each distinct time, in order of time."""
    return pd.Series(times).astype("datetime64[us, UTC]").value_counts(sort=False).sort_index()


def _most_common(values: pd.Index, weights: np.ndarray) -> pd.Timedelta:
    """Return the value with the largest weight; of several the smallest."""
    totals = pd.Series(weights).groupby(values).sum()
    return totals.idxmax()


def _day_of_dates(weights: pd.Series) -> int:
    """Return the day of the month that most dates lie on, clipped to short months; 1 if most are month ends."""
    days, lengths = weights.index.day.to_numpy(), weights.index.days_in_month.to_numpy()
    counts = weights.to_numpy()
    shares = [counts[days == np.minimum(day, lengths)].sum() for day in range(1, MONTH_END + 1)]
    best = int(np.argmax(shares)) + 1
    return best if 2 * shares[best - 1] > counts.sum() and best < MONTH_END else 1


def _calendar_grid(weights: pd.Series, freq: str, extra: int) -> pd.DatetimeIndex:
    """Build the grid of calendar steps over dates, from the first to `extra` steps past the last."""
    offset = pd.tseries.frequencies.to_offset(freq)
    single, count = offset.base, offset.n
    months, at_end = _months(freq)
    day = _day_of_dates(weights) if months and not at_end else 1
    first, last = weights.index[0], weights.index[-1]
    begin = first.replace(day=1) if day > 1 else first
    steps = _on_day(pd.date_range(single.rollforward(begin), last, freq=single), day)
    steps = steps[(steps >= first) & (steps <= last)]
    if not len(steps):  # all dates lie between two steps
        steps = _on_day(pd.date_range(single.rollforward(begin), periods=2, freq=single), day)
        steps = steps[steps >= first][:1]
    if count > 1:
        index = steps.get_indexer(weights.index)
        counted = pd.Series(weights.to_numpy()[index >= 0]).groupby(index[index >= 0] % count).sum()
        steps = steps[int(counted.idxmax()) if len(counted) else 0 :: count]
    anchor = steps[-1].replace(day=1) if day > 1 else steps[-1]
    beyond = _on_day(pd.date_range(anchor, periods=count * extra + 1, freq=single)[count::count], day)
    return steps.append(beyond)


def _on_day(firsts: pd.DatetimeIndex, day: int) -> pd.DatetimeIndex:
    """Move first days of months to another day, or to the last day of a shorter month."""
    if day == 1:
        return firsts
    return firsts + pd.to_timedelta(np.minimum(day, firsts.days_in_month) - 1, unit="D")
