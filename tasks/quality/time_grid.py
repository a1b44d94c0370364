"""Puts a panel on its regular grid: one row a series and step, gaps as missing values, the horizon at the end.

read      a  a  .  a  a        ds       t0 t1 t2 t3 t4 │ t5 t6
grid      a  a  ∅  a  a │ k k           history  cutoff│ horizon: known covariates only
"""

import numpy as np
import pandas as pd

from tasks.quality.violations import Violation
from tasks.sources.dataset import DatasetSpec

MAX_STEPS = 10_000_000
MAX_GAP_SHARE = 0.9  # of all steps: with more, something is probably not as it was meant


def steps(times: pd.Series, freq: str, extra: int) -> pd.DatetimeIndex:
    """The grid that most of `times` (UTC) lie on, from the first to `extra` steps past the last.

    Its phase within the step, or within the day for calendar steps, is the most common one.
    """
    offset = pd.tseries.frequencies.to_offset(freq)
    width = pd.Timedelta(offset) if isinstance(offset, pd.offsets.Tick) else pd.Timedelta(days=1)
    since = pd.Timestamp(0, tz="UTC").as_unit("us")  # nanoseconds end in 2262
    phase = ((times - since) % width).mode().iloc[0]
    first, last = times.min() - phase, times.max() - phase
    start = first.ceil(width) if isinstance(offset, pd.offsets.Tick) else offset.rollforward(first.normalize())
    inside = pd.date_range(start, max(last, start), freq=offset)
    beyond = pd.date_range(inside[-1], periods=extra + 1, freq=offset)[1:]
    return (inside.append(beyond) + phase).astype("datetime64[us, UTC]")


def check_outlying_times(frame: pd.DataFrame, reading: DatasetSpec) -> list[Violation]:
    """Rows so long before the newest that the grid between would fill the memory, as of a year 202."""
    offset = pd.tseries.frequencies.to_offset(reading.freq)
    width = pd.Timedelta(offset) if isinstance(offset, pd.offsets.Tick) else pd.Timedelta(days=1)
    early = (frame["ds"].max() - frame["ds"]) / width > MAX_STEPS
    if not early.any():
        return []
    reason = f"lies more than {MAX_STEPS:,} steps of freq {reading.freq!r} before the newest"
    return [
        Violation(
            "ds is near the others", reading.columns.ds, reading.row_faults, reason, frame.loc[early, "row"].tolist()
        )
    ]


def check_alignment(frame: pd.DataFrame, grid: pd.DatetimeIndex, reading: DatasetSpec) -> list[Violation]:
    """Rows whose time lies between two steps."""
    outside = frame["ds"].notna() & ~frame["ds"].isin(grid)
    if not outside.any():
        return []
    shown = ", ".join(f"{moment:%a %H:%M}" for moment in grid[:2])
    reason = f"lies between two steps of freq {reading.freq!r} (steps are at {shown} …)"
    return [
        Violation(
            "ds is on the grid", reading.columns.ds, reading.row_faults, reason, frame.loc[outside, "row"].tolist()
        )
    ]


def ended_series(frame: pd.DataFrame, cutoff: pd.Timestamp, reading: DatasetSpec) -> list[str]:
    """Series that stopped before the cutoff and have no row after it: reported, and not forecast."""
    last = frame.groupby("unique_id")["ds"].max()
    return sorted(last[last < cutoff].index) if reading.features.known_columns else []


def reindex_to_grid(
    frame: pd.DataFrame, grid: pd.DatetimeIndex, cutoff: pd.Timestamp, reading: DatasetSpec
) -> pd.DataFrame:
    """Every step of every series from its first row to the cutoff, and the horizon where covariates are known ahead.

    `frame` is unique by (unique_id, ds) and lies on the grid; a static value is the series' last one.
    """
    newest = int(grid.get_loc(cutoff)) + 1
    end = newest + (reading.horizon if reading.features.known_columns else 0)
    places = grid.get_indexer(frame["ds"])
    frame, places = frame[places < end], places[places < end]
    first = pd.Series(places).groupby(frame["unique_id"].to_numpy()).min().sort_index()
    first = first[first < newest]  # a series that begins after the cutoff is not known yet
    begins = first.to_numpy()
    lengths = np.where(first.index.isin(ended_series(frame, cutoff, reading)), newest, end) - begins
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
    rows = (starts[codes] + places - begins[codes])[known]
    for name in ("y", *reading.numbers):
        values = np.full(len(filled), np.nan)
        values[rows] = frame[name].to_numpy(dtype="float64", na_value=np.nan)[known]
        filled[name] = values
    history = frame.sort_values("ds") if reading.features.static else frame
    for name in reading.features.static:
        known = history.dropna(subset=[name]).groupby("unique_id")[name].last()
        filled[name] = filled["unique_id"].map(known).astype("str")
    return filled


def check_density(clean: pd.DataFrame, cutoff: pd.Timestamp, reading: DatasetSpec) -> list[Violation]:
    """A table with hardly a row a step: its freq may be wrong, one time may be, or a step without a row means none."""
    past = clean.loc[clean["ds"] <= cutoff, ["unique_id", "ds", "y"]]
    share = past["y"].isna().mean()
    if share <= MAX_GAP_SHARE:
        return []
    counts = past["y"].isna().groupby(past["unique_id"]).sum()
    name = str(counts.idxmax())
    begins = past.loc[past["unique_id"] == name, "ds"].min()
    reason = (
        f"{share:.0%} of the steps of freq {reading.freq!r} have no value, most of them in series {name!r}, which "
        f"begins at {begins:%Y-%m-%d %H:%M}; if a step without a row had none, write `cleaning: {{fill: {{y: zero}}}}`"
    )
    return [Violation("most steps have a row", reading.columns.ds, "info", reason, [])]


def check_future_covariates(
    clean: pd.DataFrame, cutoff: pd.Timestamp, reading: DatasetSpec
) -> tuple[pd.DataFrame, list[str], list[Violation]]:
    """(clean, series that can't be forecast, faults): what the spec calls known ahead must have values there.

    A series that lacks some loses its horizon and is not forecast; where every series does, that is an error.
    """
    ahead = clean[clean["ds"] > cutoff]
    lacking = ahead[ahead[list(reading.features.known_columns)].isna().any(axis=1)]
    if lacking.empty:
        return clean, [], []
    silent = sorted(lacking["unique_id"].unique())
    severity = "error" if len(silent) == ahead["unique_id"].nunique() else "warning"
    faults = []
    for name in reading.features.known_columns:
        holes = lacking[lacking[name].isna()]
        if len(holes):
            first = holes.iloc[0]
            reason = (
                f"known covariate has no value for {len(holes):,} of {len(ahead):,} steps of the horizon, first "
                f"series {first['unique_id']!r} at {first['ds']:%Y-%m-%d %H:%M}; supply it, or declare it as observed"
            )
            faults.append(Violation("known covariates reach over the horizon", name, severity, reason, []))
    return clean[(clean["ds"] <= cutoff) | ~clean["unique_id"].isin(silent)], silent, faults
