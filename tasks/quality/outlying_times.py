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
from tasks.sources.distinct_times import DistinctTimes

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
    distinct = DistinctTimes.of(times)
    if series is None:
        return pd.Series(distinct.spread(outlying_times(distinct, freq)), index=times.index)
    return pd.Series(outlying_rows(distinct, freq, series), index=times.index)


def outlying_times(times: DistinctTimes, freq: str) -> np.ndarray:
    """Return which distinct times are outlying in the table as a whole, (m,) bool."""
    return np.asarray(times.times.isin(_outlying(times.counts, freq, placeholders_only=False)))


def outlying_rows(times: DistinctTimes, freq: str, series: pd.Series) -> np.ndarray:
    """Return which rows are outlying, in the table or in their series, (n,) bool."""
    outlying = times.spread(outlying_times(times, freq))
    placeholder = _is_placeholder(times.series).to_numpy()
    if not placeholder.any():
        return outlying
    candidates = times.spread(placeholder) & ~outlying
    codes, _ = pd.factorize(series)
    concerned = np.isin(codes, np.unique(codes[candidates & (codes >= 0)]))
    rows = np.flatnonzero(concerned & ~outlying)
    rows = rows[np.argsort(codes[rows], kind="stable")]
    for group in np.split(rows, np.flatnonzero(np.diff(codes[rows])) + 1):
        counts = DistinctTimes(times.times, times.codes[group]).counts
        outlying[group] = np.isin(times.codes[group], times.times.get_indexer(_outlying(counts, freq, True)))
    return outlying


def check_outlying_times(
    frame: pd.DataFrame, reading: DatasetSpec, times: DistinctTimes | None = None
) -> list[Violation]:
    """Find rows far from all others, and rows so far away that the grid between them would not fit in memory.

    Args:
        frame: The parsed rows, with `row`, unique_id and ds (UTC).
        reading: How the source is read.
        times: The distinct times of the rows, if they are known.

    Returns:
        The violations of the rows.
    """
    times = DistinctTimes.of(frame["ds"]) if times is None else times
    alone = outlying_rows(times, reading.freq, frame["unique_id"])
    others = _near_body(times.where(~alone), reading.freq).counts
    too_old = _too_old(others, times.times, reading.freq)
    early = int(others[others.index.isin(times.times[too_old])].sum())
    most_are_early = early > 0 and 2 * early > int(others.sum())
    far = times.spread(~too_old if most_are_early else too_old) & ~alone
    violations = []
    if alone.any():
        near = _near_times(times, reading.freq)
        distinct = sorted({*frame.loc[alone, "ds"].unique(), *times.counts.index.difference(near)})
        stamps = ", ".join(_format(time) for time in distinct[:MAX_LISTED_TIMES])
        reason = (
            f"{stamps} lies far from the other times, {_format(near.min())} to {_format(near.max())}; correct the "
            "date or remove the row in the source, or send such rows to quarantine with a contract (rowFaults: warning)"
        )
        violations.append(_violation(frame.loc[alone, "row"], reason, reading))
    if far.any():
        side = "after most times" if most_are_early else "before the newest time"
        reason = f"lies more than {MAX_STEPS:,} steps of freq {reading.freq!r} {side}"
        violations.append(_violation(frame.loc[far, "row"], reason, reading))
    return violations


def _near_times(times: DistinctTimes, freq: str) -> pd.DatetimeIndex:
    """Return the times of the table without outlying ones, and without placeholders far from all other dates.

    They depend on the times of the table alone, so that the message is the same for each of its parts.
    """
    near = times.counts.index.difference(times.times[outlying_times(times, freq)])
    dates = near[~_is_placeholder(near.to_series()).to_numpy()]
    if dates.empty:
        return near
    margin = MIN_PLACEHOLDER_STEPS * step_width(freq)
    return near[(dates.min() - near <= margin) & (near - dates.max() <= margin)]


def without_far_times(times: DistinctTimes, freq: str) -> DistinctTimes:
    """Leave the rows that `check_outlying_times` reports in other parts out of their counts.

    Args:
        times: The times of the rows of a part, without those that are reported in it.
        freq: The step as a pandas frequency.

    Returns:
        The same rows; `others` is 0 at times that are far from most rows of the table.
    """
    if times.others is None:
        return times
    near = _near_body(times, freq)
    too_old = _too_old(near.counts, near.times, freq)
    others = near.others if near.others is not None else np.zeros(len(near.times), dtype=np.int64)
    most_are_early = 2 * int(others[too_old].sum()) > int(others.sum())
    return near._replace(others=np.where(~too_old if most_are_early else too_old, 0, others))


def _near_body(times: DistinctTimes, freq: str) -> DistinctTimes:
    """Return the rows without rows of other parts at times that are outlying in the table."""
    if times.others is None:
        return times
    return times._replace(others=np.where(outlying_times(times, freq), 0, times.others))


def _too_old(counts: pd.Series, times: pd.DatetimeIndex, freq: str) -> np.ndarray:
    """Return which times lie so far before the newest of `counts` that no grid between them fits in memory."""
    if not len(counts):
        return np.zeros(len(times), dtype=bool)
    return np.asarray((counts.index.max() - times) / step_width(freq) > MAX_STEPS)


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
