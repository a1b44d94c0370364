"""Times far from all others, such as 1900-01-01 or 2099-12-31 for a missing date: a violation of that row alone.

            cluster of one or two times                      body: the middle of the rows
────────────────●────────────────────────────────────────────────●●●●●●●●●●●●●────────────
                ├──────── several times the span of the body ────┤
"""

import numpy as np
import pandas as pd

from models.data.time_steps import step_width
from tasks.quality.violations import Violation
from tasks.sources.dataset import DatasetSpec

MAX_STEPS = 10_000_000
MIN_SPANS = 5.0  # distance from the body, in spans of the body
MIN_PLACEHOLDER_STEPS = 100  # distance of a placeholder date from the body
MAX_CLUSTER_TIMES = 2  # more times together are a short history before a pause
MAX_ROW_SHARE = 0.05  # of outlying rows
MIN_BODY_TIMES = 20
BODY_QUANTILES = (0.05, 0.95)
CLUSTER_GAP = 0.1  # spans of the body between two clusters
MIN_CLUSTER_GAP_STEPS = 10
MAX_LISTED_TIMES = 3
PLACEHOLDER_DATES = (
    *("0001-01-01", "1753-01-01", "1899-12-30", "1899-12-31", "1900-01-01", "1970-01-01"),
    *("2099-01-01", "2099-12-31", "2100-01-01", "2100-12-31", "2199-12-31", "2999-12-31", "3000-01-01", "9999-12-31"),
)
PLACEHOLDER_DAYS = {  # also the day before and after: a local midnight in UTC
    int(np.datetime64(date, "D").astype("int64")) + shift for date in PLACEHOLDER_DATES for shift in (-1, 0, 1)
}


def is_outlying(times: pd.Series, freq: str, series: pd.Series | None = None) -> pd.Series:
    """Find times that stand alone, far from most rows of the table; a placeholder date also far from its series.

    A group of one or two times is outlying if it lies several spans of the other rows away from them. A date that
    systems write for a missing date, such as 1900-01-01 and 2099-12-31, is outlying from a hundred steps.

    Args:
        times: Times in UTC; NaT is not outlying.
        freq: The step as a pandas frequency.
        series: The series of each time. Without it, only the table as a whole is looked at.

    Returns:
        True for each outlying row, on the index of `times`.
    """
    counts = times.value_counts(sort=False).sort_index()
    outlying = times.isin(_outlying(counts, freq, placeholders_only=False))
    if series is None:
        return outlying
    candidates = times.notna() & ~outlying & _is_placeholder(times)
    for name in series[candidates].unique():
        rows = (series == name) & ~outlying
        outlying |= rows & times.isin(_outlying(times[rows].value_counts(sort=False).sort_index(), freq, True))
    return outlying


def check_outlying_times(frame: pd.DataFrame, reading: DatasetSpec) -> list[Violation]:
    """Find rows far from all others, and rows so far away that the grid between them would not fit in memory."""
    alone = is_outlying(frame["ds"], reading.freq, frame["unique_id"])
    others = frame["ds"][~alone]
    early = (others.max() - others) / step_width(reading.freq) > MAX_STEPS
    far = ~early & others.notna() if 2 * early.sum() > others.notna().sum() else early
    violations = []
    if alone.any():
        times = ", ".join(_format(time) for time in sorted(frame.loc[alone, "ds"].unique())[:MAX_LISTED_TIMES])
        reason = (
            f"{times} lies far from the other times, {_format(others.min())} to {_format(others.max())}; correct the "
            "date or remove the row in the source, or send such rows to quarantine with a contract (rowFaults: warning)"
        )
        violations.append(_violation(frame.loc[alone, "row"], reason, reading))
    if far.any():
        side = "before the newest time" if far is early else "after most times"
        reason = f"lies more than {MAX_STEPS:,} steps of freq {reading.freq!r} {side}"
        violations.append(_violation(frame.loc[far[far].index, "row"], reason, reading))
    return violations


def _violation(rows: pd.Series, reason: str, reading: DatasetSpec) -> Violation:
    return Violation("ds is near the others", reading.columns.ds, reading.row_faults, reason, rows.tolist())


def _format(time: pd.Timestamp) -> str:
    return str(np.datetime64(time.tz_localize(None), "D"))


def _is_placeholder(times: pd.Series) -> pd.Series:
    days = times.dt.tz_localize(None).to_numpy().astype("datetime64[D]").astype("int64")
    return pd.Series(np.isin(days, list(PLACEHOLDER_DAYS)), index=times.index)


def _outlying(counts: pd.Series, freq: str, placeholders_only: bool) -> pd.Index:
    """Return the outlying times of a sorted count of rows by time."""
    if len(counts) <= MIN_BODY_TIMES:
        return counts.index[:0]
    seconds = counts.index.tz_localize(None).to_numpy().astype("datetime64[s]").astype("int64").astype(float)
    rows = counts.to_numpy()
    cumulative = rows.cumsum()
    low, high = (int(np.searchsorted(cumulative, share * cumulative[-1])) for share in BODY_QUANTILES)
    step = step_width(freq).total_seconds()
    span = max(seconds[high] - seconds[low], step * MIN_BODY_TIMES)
    distance = np.maximum(np.maximum(seconds[low] - seconds, seconds - seconds[high]), 0.0)
    placeholder = _is_placeholder(counts.index.to_series()).to_numpy()
    gap = max(CLUSTER_GAP * span, MIN_CLUSTER_GAP_STEPS * step)
    cluster = np.concatenate([[0], np.cumsum(np.diff(seconds) > gap)])
    small = np.bincount(cluster)[cluster] <= MAX_CLUSTER_TIMES
    near_placeholder = placeholder & (distance >= max(MIN_PLACEHOLDER_STEPS * step, gap))
    outlying = small & (near_placeholder | ((distance >= MIN_SPANS * span) & (not placeholders_only)))
    fits = (~outlying).sum() >= MIN_BODY_TIMES and rows[outlying].sum() <= MAX_ROW_SHARE * rows.sum()
    return counts.index[outlying] if fits else counts.index[:0]
