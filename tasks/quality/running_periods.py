"""Rows of a period that is not over at the as-of, such as the day that has just begun: held back, and named.

        period that is over                    period that runs             not begun
├──────────────────────────────────┼──────────────────┬───────────────┼──────────────────
                                   stamp              as-of
"""

import numpy as np
import pandas as pd

from tasks.sources.dataset import DatasetSpec
from tasks.sources.distinct_times import DistinctTimes
from tasks.sources.values import format_value

MAX_LISTED_STAMPS = 3
MAX_NAMED_SERIES = 4


def describe_held_back(held: pd.DataFrame, moment: pd.Timestamp, reading: DatasetSpec) -> tuple[str, ...]:
    """Describe the rows that are held back, for the page and for `nightcast check`.

    Args:
        held: The parsed rows of the period that runs, with `unique_id` and `ds` (UTC).
        moment: The as-of on the clock of `ds`.
        reading: How the source is read.

    Returns:
        A sentence with the number of rows, their stamps and series, and the setting that decides when a period is over;
        none without such rows.
    """
    if held.empty:
        return ()
    pattern = "%Y-%m-%d" if reading.calendar_steps else "%Y-%m-%d %H:%M"
    stamps = held["ds"].drop_duplicates().sort_values()
    listed = ", ".join(f"{stamp:{pattern}}" for stamp in stamps.head(MAX_LISTED_STAMPS))
    names = held["unique_id"].drop_duplicates().sort_values()
    more = len(names) - MAX_NAMED_SERIES
    series = ", ".join(format_value(name) for name in names.head(MAX_NAMED_SERIES))
    plural = "s" if len(held) > 1 else ""
    sentence = (
        f"{len(held):,} row{plural} of {reading.columns.ds} {listed}{' …' if len(stamps) > MAX_LISTED_STAMPS else ''} "
        f"held back, because the period is not over at the as-of {moment:%Y-%m-%d %H:%M}: series {series}"
        f"{f' and {more} more' if more > 0 else ''}. A stamp is the {reading.stamps} of its period (source.stamps)"
    )
    return (sentence,)


def has_arrived(values: pd.Series, times: DistinctTimes, moment: pd.Timestamp, reading: DatasetSpec) -> np.ndarray:
    """Return which rows show that the source has data: observations, and rows of the period that runs.

    Args:
        values: y of each row, which is hidden while a period runs.
        times: The times of the rows.
        moment: The as-of on the clock of `ds`.
        reading: How the source is read.

    Returns:
        (n,) bool. If covariates are known ahead, a row of the period that runs may be a plan only, and does not count.
    """
    observed = values.notna().to_numpy() & times.spread(reading.ended_times(times, moment))
    return observed if reading.features.known_columns else observed | times.spread(reading.running_times(times, moment))


def newest_arrival(cutoff: pd.Timestamp, held: pd.DataFrame, reading: DatasetSpec) -> pd.Timestamp:
    """Return the newest time of the rows of `has_arrived`, for the freshness of the source.

    Args:
        cutoff: The last observation.
        held: The rows of the period that runs.
        reading: How the source is read.

    Returns:
        A time in UTC, at least the cutoff.
    """
    return cutoff if held.empty or reading.features.known_columns else max(cutoff, held["ds"].max())
