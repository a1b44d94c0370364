"""Time grid: every step of every series as a row, gaps as missing values, and the horizon at the end.

read      a  a  .  a  a        ds       t0 t1 t2 t3 t4 │ t5 t6
grid      a  a  ∅  a  a │ k k           history  cutoff│ horizon: known covariates only
"""

import numpy as np
import pandas as pd

from data_contracts.errors import SpecError
from models.data.closed_times import ClosedTimes
from models.data.time_steps import DAY, step_width
from tasks.engine.machine_memory import format_bytes, memory_limit
from tasks.quality.fitting_frequency import suggest_frequency
from tasks.quality.violations import Violation
from tasks.sources.dataset import DatasetSpec
from tasks.sources.times.local_midnight import advise_zone

MAX_OFF_GRID_SHARE = 0.2  # of the rows: with more, freq is wrong rather than the rows
VALUE_BYTES = 8
MAX_GAP_SHARE = 0.9  # of all steps: a higher share suggests a wrong freq or a missing `cleaning.fill`


def check_alignment(frame: pd.DataFrame, grid: pd.DatetimeIndex, reading: DatasetSpec) -> list[Violation]:
    """Find rows whose time lies between two steps of the grid."""
    off_grid = frame["ds"].notna() & ~frame["ds"].isin(grid)
    if not off_grid.any():
        return []
    pattern = "%a %H:%M" if step_width(reading.freq) < DAY else "%a %Y-%m-%d"
    pattern += " %H:%M" if step_width(reading.freq) >= DAY and (grid != grid.normalize()).any() else ""
    examples = ", ".join(f"{step:{pattern}}" for step in grid[:2])
    reason = f"lies between two steps of freq {reading.freq!r} (steps are at {examples} …)"
    if advice := advise_zone(frame["ds"]) if reading.calendar_steps else "":
        reason += f"; {advice}"
    elif off_grid.sum() > MAX_OFF_GRID_SHARE * len(frame) and (
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
    last = frame.groupby("unique_id")["ds"].max()
    return sorted(last[last < cutoff].index) if reading.features.known_columns else []


def reindex_to_grid(
    frame: pd.DataFrame, grid: pd.DatetimeIndex, cutoff: pd.Timestamp, reading: DatasetSpec
) -> pd.DataFrame:
    """Put a panel on its grid, with missing values for gaps.

    Args:
        frame: Rows on the grid, unique by (unique_id, ds).
        grid: The grid from the first row to a horizon past the last.
        cutoff: The last observation.
        reading: How the source is read.

    Returns:
        unique_id, ds, y, covariates and static columns: each step of each series from its first row to the cutoff, and
        the horizon if covariates are known ahead. A static value is the last one of its series.

    Raises:
        SpecError: The grid does not fit the memory of the machine.
    """
    newest = int(grid.get_loc(cutoff)) + 1
    end = newest + (reading.horizon if reading.features.known_columns else 0)
    steps = grid.get_indexer(frame["ds"])
    frame, steps = frame[steps < end], steps[steps < end]
    first = pd.Series(steps).groupby(frame["unique_id"].to_numpy()).min().sort_index()
    first = first[first < newest]  # a series that begins after the cutoff is not known yet
    begins = first.to_numpy()
    lengths = np.where(first.index.isin(ended_series(frame, cutoff, reading)), newest, end) - begins
    _require_memory(lengths, reading)
    starts = np.cumsum(lengths) - lengths
    inside = np.arange(lengths.sum()) - np.repeat(starts, lengths)
    filled = pd.DataFrame(
        {
            "unique_id": pd.Series(first.index, dtype="str").repeat(lengths).reset_index(drop=True),
            "ds": grid[np.repeat(begins, lengths) + inside],
        }
    )
    codes = first.index.get_indexer(frame["unique_id"])
    known = codes >= 0
    rows = (starts[codes] + steps - begins[codes])[known]
    for name in ("y", *reading.numeric_covariates):
        values = np.full(len(filled), np.nan)
        values[rows] = frame[name].to_numpy(dtype="float64", na_value=np.nan)[known]
        filled[name] = values
    history = frame.sort_values("ds") if reading.text_columns else frame
    for name in reading.text_columns:
        known = history.dropna(subset=[name]).groupby("unique_id")[name].last()
        filled[name] = filled["unique_id"].map(known).astype("str")
    return filled


def _require_memory(lengths: np.ndarray, reading: DatasetSpec) -> None:
    rows, columns = int(lengths.sum()), 3 + len(reading.numeric_covariates) + len(reading.text_columns)
    size = rows * columns * VALUE_BYTES
    if size > memory_limit():
        raise SpecError(
            f"freq {reading.freq!r} gives {rows:,} steps ({len(lengths):,} series of up to {lengths.max():,}), which "
            f"need about {format_bytes(size)} of memory; there are {format_bytes(memory_limit())} here. Set freq to "
            "the distance of the rows, shorten the history, or split the series into several pipelines."
        )


def check_density(
    clean: pd.DataFrame, cutoff: pd.Timestamp, reading: DatasetSpec, closed: ClosedTimes
) -> list[Violation]:
    """Report a table with few values per open step: freq or a time may be wrong, or a missing row may mean zero."""
    past = clean.loc[clean["ds"] <= cutoff, ["unique_id", "ds", "y"]]
    past = past[past["y"].notna() | ~closed.contains(past["unique_id"], past["ds"])]
    share = past["y"].isna().mean()
    if share <= MAX_GAP_SHARE:
        return []
    counts = past["y"].isna().groupby(past["unique_id"]).sum()
    name = str(counts.idxmax())
    begins = past.loc[past["unique_id"] == name, "ds"].min()
    reason = (
        f"{share:.0%} of the steps of freq {reading.freq!r} have no value, most of them in series {name!r}, which "
        f"begins at {begins:%Y-%m-%d %H:%M}; if a missing row means zero, write `cleaning: {{fill: {{y: zero}}}}`"
    )
    return [Violation("most steps have a row", reading.columns.ds, "info", reason, [])]


def check_future_covariates(
    clean: pd.DataFrame, cutoff: pd.Timestamp, reading: DatasetSpec, closed: ClosedTimes | None = None
) -> tuple[pd.DataFrame, list[str], list[Violation]]:
    """Check that the known covariates have values over the horizon, except at closed steps.

    Args:
        clean: The panel on its grid, with the horizon at the end of each series.
        cutoff: The last observation.
        reading: How the source is read.
        closed: The closed times of each series.

    Returns:
        The panel without the horizon of series that lack values, these series, which are not forecast, and the
        violations: an error if every series lacks values, otherwise a warning.
    """
    ahead = clean[clean["ds"] > cutoff]
    ahead = ahead if closed is None else ahead[~closed.contains(ahead["unique_id"], ahead["ds"])]
    incomplete = ahead[ahead[list(reading.features.known_columns)].isna().any(axis=1)]
    if incomplete.empty:
        return clean, [], []
    excluded = sorted(incomplete["unique_id"].unique())
    severity = "error" if len(excluded) == ahead["unique_id"].nunique() else "warning"
    violations = []
    for name in reading.features.known_columns:
        gaps = incomplete[incomplete[name].isna()]
        if len(gaps):
            first = gaps.iloc[0]
            reason = (
                f"known covariate has no value for {len(gaps):,} of {len(ahead):,} steps of the horizon, first "
                f"series {first['unique_id']!r} at {first['ds']:%Y-%m-%d %H:%M}; supply the values, or move the column "
                "to features.observed"
            )
            violations.append(Violation("known covariates reach over the horizon", name, severity, reason, []))
    return clean[(clean["ds"] <= cutoff) | ~clean["unique_id"].isin(excluded)], excluded, violations
