"""The median of values one, two … seasons before, moved to the newest level: a forecast that networks are blended with.

A median takes no notice of holidays. The level follows the last day, or what else the shortest season is, by a quarter:
half of its distance from earlier seasons, or all of it, is mostly noise.
"""

import numpy as np

from models.data.panel import InputSpec, Panel, last_observed

MAX_SEASONS, MIN_SEASONS = 8, 2
MAX_STEPS = 2048  # before the cutoff that are read: kept steps cost memory
LEVEL_SHARE = 0.25  # of the difference of the newest level from that of the same steps of earlier seasons


def choose_seasons(seasons: tuple[int, ...]) -> tuple[int, int] | None:
    """Choose the seasons whose median a network is blended with.

    Args:
        seasons: Season lengths in steps.

    Returns:
        The longest season of which MAX_STEPS have two or more, in steps, and how many are read; None without one.
    """
    readable = [season for season in seasons if 1 < season <= MAX_STEPS // MIN_SEASONS]
    return (max(readable), min(MAX_SEASONS, MAX_STEPS // max(readable))) if readable else None


def seasonal_median(
    panel: Panel, view: InputSpec, series: np.ndarray, position: np.ndarray, seasons: tuple[int, int]
) -> np.ndarray:
    """Forecast windows with the median of their newest seasons.

    Args:
        panel: The series.
        view: Lookback, horizon and frequency.
        series: Series code of each window, (n,).
        position: Step of each cutoff within its series, (n,).
        seasons: Season length in steps, and how many seasons are read; those without a value do not count.

    Returns:
        (n, H), in the units of the source; the last observation where no season has a value.
    """
    season, count = seasons
    ahead = np.arange(1, view.horizon + 1)
    newest = ahead - season * -(-ahead // season)
    values = np.stack([panel.take(panel.y, series, position, newest - season * back) for back in range(count)])
    median = _median_of_known(values) + LEVEL_SHARE * _level_change(panel, view, series, position, seasons)[:, None]
    rows = np.flatnonzero(np.isnan(median).any(axis=1))
    if len(rows):
        past = np.arange(1 - max(view.lookback, view.season), 1)
        last = last_observed(panel.take(panel.y, series[rows], position[rows], past))
        median[rows] = np.where(np.isnan(median[rows]), last[:, None], median[rows])
    return median


def _level_change(
    panel: Panel, view: InputSpec, series: np.ndarray, position: np.ndarray, seasons: tuple[int, int]
) -> np.ndarray:
    """Mean of the last shortest season minus the median of those of the same steps of earlier seasons, (n,)."""
    season, count = seasons
    newest = np.arange(1 - view.season, 1)
    values = np.stack([panel.take(panel.y, series, position, newest - season * back) for back in range(count)])
    known = np.isfinite(values)
    means = np.where(known, values, 0.0).sum(axis=2) / np.where(known.any(axis=2), known.sum(axis=2), np.nan)
    change = means[0] - _median_of_known(means[1:])
    return np.where(np.isfinite(change), change, 0.0)


def _median_of_known(values: np.ndarray) -> np.ndarray:
    """Median over the first axis without NaN; NaN where all are. `np.nanmedian` takes ten times as long."""
    ordered = np.sort(values, axis=0)  # NaN last
    last = np.maximum(np.isfinite(ordered).sum(axis=0) - 1, 0)[None]
    low, high = (np.take_along_axis(ordered, index, axis=0)[0] for index in (last // 2, last - last // 2))
    return np.asarray((low + high) / 2)
