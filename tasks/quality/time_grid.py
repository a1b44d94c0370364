"""Time grid: every step of every series as a row, gaps as missing values, and the horizon at the end.

read      a  a  .  a  a        ds       t0 t1 t2 t3 t4 │ t5 t6
grid      a  a  ∅  a  a │ k k           history  cutoff│ horizon: known covariates only
"""

import numpy as np
import pandas as pd

from data_contracts.errors import SpecError
from models.data.time_steps import DAY, step_width
from tasks.engine.machine_memory import format_bytes, memory_limit
from tasks.quality.fitting_frequency import suggest_frequency
from tasks.quality.violations import Violation
from tasks.sources.dataset import DatasetSpec
from tasks.sources.distinct_times import DistinctTimes
from tasks.sources.times.local_midnight import advise_zone

MAX_OFF_GRID_SHARE = 0.2  # of the rows: with more, freq is wrong rather than the rows
VALUE_BYTES = 8


def check_alignment(
    frame: pd.DataFrame, grid: pd.DatetimeIndex, reading: DatasetSpec, times: DistinctTimes | None = None
) -> list[Violation]:
    """Find rows whose time lies between two steps of the grid.

    Args:
        frame: The parsed rows, with `row`, unique_id and ds (UTC).
        grid: The steps.
        reading: How the source is read.
        times: The distinct times of the rows, if they are known.

    Returns:
        The violation of these rows, if there are any.
    """
    times = DistinctTimes.of(frame["ds"]) if times is None else times
    off_grid = times.spread(~times.times.isin(grid))
    if not off_grid.any():
        return []
    counts = times.counts
    pattern = "%a %H:%M" if step_width(reading.freq) < DAY else "%a %Y-%m-%d"
    pattern += " %H:%M" if step_width(reading.freq) >= DAY and (grid != grid.normalize()).any() else ""
    examples = ", ".join(f"{step:{pattern}}" for step in grid[:2])
    reason = f"lies between two steps of freq {reading.freq!r} (steps are at {examples} …)"
    if advice := advise_zone(frame["ds"]) if reading.calendar_steps else "":
        reason += f"; {advice}"
    elif counts[~counts.index.isin(grid)].sum() > MAX_OFF_GRID_SHARE * counts.sum() and (
        fitting := suggest_frequency(frame["ds"], frame["unique_id"])
    ):
        reason += f"; {fitting}"
    rows = frame.loc[off_grid, "row"].tolist()
    return [Violation("ds is on the grid", reading.columns.ds, reading.row_faults, reason, rows)]


def ended_series(frame: pd.DataFrame, cutoff: pd.Timestamp, reading: DatasetSpec) -> list[str]:
    """List series without a row at or after the cutoff, which are reported and not forecast.

    Args:
        frame: The parsed rows, with `unique_id` and `ds` (UTC).
        cutoff: The last observation of all series.
        reading: How the source is read.

    Returns:
        The series, sorted; empty if the pipeline has no known covariates.
    """
    if not reading.features.known_columns:
        return []
    last = frame.groupby("unique_id", observed=True)["ds"].max()
    return sorted(last[last < cutoff].index)


def reindex_to_grid(
    frame: pd.DataFrame,
    grid: pd.DatetimeIndex,
    cutoff: pd.Timestamp,
    reading: DatasetSpec,
    times: DistinctTimes | None = None,
) -> pd.DataFrame:
    """Put a panel on its grid, with missing values for gaps.

    Args:
        frame: Rows on the grid, unique by (unique_id, ds).
        grid: The grid from the first row to a horizon past the last.
        cutoff: The last observation.
        reading: How the source is read.
        times: The distinct times of the rows, if they are known.

    Returns:
        unique_id, ds, y, covariates and static columns: each step of each series from its first row to the cutoff, and
        the horizon if covariates are known ahead. Names and static values are categories; a static value is the last
        one of its series.

    Raises:
        SpecError: The grid does not fit the memory of the machine.
    """
    newest = int(grid.get_loc(cutoff)) + 1
    end = newest + (reading.horizon if reading.features.known_columns else 0)
    times = DistinctTimes.of(frame["ds"]) if times is None else times
    steps = np.append(grid.get_indexer(times.times), -1)[times.codes]
    if not (steps < end).all():
        frame, steps = frame[steps < end], steps[steps < end]
    codes, names = _series_of(frame)
    first = np.full(len(names), newest)
    np.minimum.at(first, codes, steps)
    present = np.flatnonzero(first < newest)  # a series that begins after the cutoff is not known yet
    lengths = np.where(names[present].isin(ended_series(frame, cutoff, reading)), newest, end) - first[present]
    require_memory(lengths, reading)
    starts = np.cumsum(lengths) - lengths
    filled = pd.DataFrame(
        {
            "unique_id": pd.Categorical.from_codes(np.repeat(present.astype(np.int32), lengths), categories=names),
            "ds": grid[np.arange(lengths.sum()) - np.repeat(starts - first[present], lengths)],
        }
    )
    known = first[codes] < newest
    if not known.all():
        frame, codes, steps = frame[known], codes[known], steps[known]
    offsets = np.zeros(len(names), dtype=np.int64)
    offsets[present] = starts - first[present]
    rows = offsets[codes] + steps
    for name in ("y", *reading.numeric_covariates):
        values = np.full(len(filled), np.nan)
        values[rows] = frame[name].to_numpy(dtype="float64", na_value=np.nan)
        filled[name] = values
    for name in reading.text_columns:
        newest_values = _newest_values(frame[name], codes, steps, len(names))
        filled[name] = newest_values.take(filled["unique_id"].cat.codes.to_numpy()).set_axis(filled.index)
    return filled


def _series_of(frame: pd.DataFrame) -> tuple[np.ndarray, pd.Index]:
    """Return the code of each row's series and the names, sorted; the parsed rows have categories already."""
    names = frame["unique_id"]
    if isinstance(names.dtype, pd.CategoricalDtype):
        return names.cat.codes.to_numpy(), names.cat.categories
    codes, distinct = pd.factorize(names, sort=True)
    return codes, pd.Index(distinct, dtype="str")


def _newest_values(values: pd.Series, codes: np.ndarray, steps: np.ndarray, count: int) -> pd.Series:
    """Return the last value of each series that is not missing, as categories."""
    present = np.flatnonzero(values.notna())
    last = np.full(count, -2)
    np.maximum.at(last, codes[present], steps[present])
    chosen = present[steps[present] == last[codes[present]]]
    newest = pd.Series(None, index=range(count), dtype="str")
    newest.iloc[codes[chosen]] = values.iloc[chosen].to_numpy()
    return newest.astype("category")


def require_memory(lengths: np.ndarray, reading: DatasetSpec) -> None:
    """Raise SpecError if a grid does not fit the memory of the machine.

    Args:
        lengths: The steps of each series, (S,).
        reading: How the source is read.

    Raises:
        SpecError: The grid is too large; names freq and the longest series.
    """
    rows, columns = int(lengths.sum()), 3 + len(reading.numeric_covariates) + len(reading.text_columns)
    size = rows * columns * VALUE_BYTES
    if size > memory_limit():
        raise SpecError(
            f"freq {reading.freq!r} gives {rows:,} steps ({len(lengths):,} series of up to {lengths.max():,}), which "
            f"need about {format_bytes(size)} of memory; there are {format_bytes(memory_limit())} here. Set freq to "
            "the distance of the rows, shorten the history, or split the series into several pipelines."
        )
