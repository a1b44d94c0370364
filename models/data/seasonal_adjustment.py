"""Seasonal adjustment: a window is divided by a seasonal index of its own history, and its forecast multiplied by it.

A model then learns level and trend, which are alike in series whose seasons differ. The idea is that of ES-RNN (Smyl
2020), in closed form: the index is a ratio to the moving mean, of the shortest season first, then of what the longer
ones add, each shrunk toward 1 by its own noise. It depends on nothing but the window, so nothing is stored.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from models.data.panel import Panel
from models.data.windows import WindowRanges

HISTORY_CYCLES = 6  # of the longest season, the newest ones, from which an index is estimated
MAX_HISTORY = 2048  # steps; a season of which two cycles are longer is not adjusted for
BLOCK_VALUES = 100_000  # of histories that are adjusted together: they stay in the cache of a core
MAX_COMPARED_SERIES = 1000
MIN_CYCLES = 2  # of a season in the history of a window
MAX_LEARNED_CYCLES, MAX_COMMON_SHARE = 20, 0.5  # of seasons that a network takes out by their index
NotAdjusted = Literal["no_season", "not_positive", "no_gain", "source_units", "one_series", "many_cycles", "common"]
"""Why the windows of a network are not adjusted; the last four: those of its linear map are."""


def adjustable_seasons(seasons: Sequence[int]) -> tuple[int, ...]:
    """Return the seasons, in steps, that can be adjusted for: longer than a step, and two cycles in MAX_HISTORY."""
    return tuple(season for season in seasons if 1 < season <= MAX_HISTORY // MIN_CYCLES)


def history_steps(seasons: Sequence[int]) -> int:
    """Return the steps before a cutoff that an adjustment for these seasons reads; 0 without seasons."""
    longest = max(seasons, default=0)
    return longest and longest * min(HISTORY_CYCLES, MAX_HISTORY // longest)


def seasonal_factors(
    panel: Panel, series: np.ndarray, position: np.ndarray, seasons: Sequence[int], offsets: np.ndarray
) -> np.ndarray:
    """Compute the seasonal index of windows at steps around their cutoffs.

    Args:
        panel: The series.
        series: Series code of each window, (n,).
        position: Step of each cutoff within its series, (n,).
        seasons: Season lengths in steps, ascending.
        offsets: Steps relative to the cutoff, (k,).

    Returns:
        Positive factors (n, k); all 1 for a window whose history has a value of 0 or below.
    """
    back = np.arange(1 - history_steps(seasons), 1)
    factors, block = np.empty((len(series), len(offsets))), max(1, BLOCK_VALUES // len(back))
    for start in range(0, len(series), block):
        part = slice(start, start + block)
        index = seasonal_index(panel.take(panel.y, series[part], position[part], back), seasons)
        factors[part] = index[:, (offsets - 1) % index.shape[1]]
    return factors


def seasonal_index(past: np.ndarray, seasons: Sequence[int]) -> np.ndarray:
    """Estimate a multiplicative seasonal index from the history of each window.

    Args:
        past: (n, M), the newest value last; NaN where nothing was observed. M is a multiple of the longest season.
        seasons: Season lengths in steps, ascending; at least one.

    Returns:
        (n, longest season), positive, its logarithm with mean 0; column 0 belongs to the step after the newest value.
    """
    index = np.zeros((len(past), seasons[-1]))
    usable = np.isfinite(past) & np.all(~(past <= 0), axis=1, keepdims=True)
    logs = np.log(np.where(usable, past, np.nan))
    span = past.shape[1] - np.argmax(np.isfinite(logs), axis=1)
    span[~np.isfinite(logs).any(axis=1)] = 0
    carried = np.array([span >= MIN_CYCLES * season for season in seasons]).sum(axis=0)
    for count in np.unique(carried[carried > 0]):
        rows = carried == count
        index[rows] = _log_index(logs[rows], span[rows], seasons[:count], seasons[-1])
    return np.exp(index)


def _log_index(logs: np.ndarray, span: np.ndarray, seasons: Sequence[int], length: int) -> np.ndarray:
    """Logarithm of the index, (n, length), of histories (n, M) that all have two cycles of each of these seasons."""
    ratios = logs - _moving_mean(logs, span, seasons[-1])
    index = np.zeros((len(logs), length))
    for season in seasons:
        cycles = _cut_cycles(ratios, season)
        effect = _shrunk_mean(cycles)
        ratios = (cycles - effect[:, None]).reshape(len(logs), -1)[:, -ratios.shape[1] :]
        index += effect[:, np.arange(length) % season]
    return index - index.mean(axis=1, keepdims=True)


def _cut_cycles(values: np.ndarray, season: int) -> np.ndarray:
    """Cut (n, M) into cycles (n, M / season, season), padded on the left with NaN."""
    padded = np.pad(values, ((0, 0), (-values.shape[1] % season, 0)), constant_values=np.nan)
    return padded.reshape(len(values), -1, season)


def _shrunk_mean(cycles: np.ndarray) -> np.ndarray:
    """Mean of each step of a season over cycles (n, c, season), shrunk toward 0: (n, season).

    Returns:
        The means times the share that empirical Bayes keeps: 1 - variance of their noise / their variance, at least 0.
    """
    known = np.isfinite(cycles)
    count = known.sum(axis=1)
    mean = np.where(known, cycles, 0.0).sum(axis=1) / np.maximum(count, 1)
    mean -= mean.mean(axis=1, keepdims=True)
    noise = np.where(known, cycles - mean[:, None], 0.0)
    freedom = np.maximum(count.sum(axis=1) - (count > 0).sum(axis=1), 1)
    variance = np.square(noise).sum(axis=(1, 2)) / freedom / np.maximum(count.mean(axis=1), 1)
    size = np.square(mean).mean(axis=1)
    return np.asarray(mean * np.maximum(0.0, 1 - variance / np.maximum(size, np.finfo(float).tiny))[:, None])


def _moving_mean(values: np.ndarray, span: np.ndarray, width: int) -> np.ndarray:
    """Mean of the known values among `width` steps around each step of (n, M).

    Args:
        values: NaN where nothing is known.
        span: Steps from the first known value to the end, (n,), at least `width`.
        width: Steps.

    Returns:
        (n, M), at both ends the mean of the nearest `width` steps.
    """
    count, steps = values.shape
    first = np.maximum(np.arange(steps)[None, :] - width // 2, (steps - span)[:, None])
    first = np.minimum(first, steps - width) + (steps + 1) * np.arange(count)[:, None]

    def window_sums(terms: np.ndarray) -> np.ndarray:
        sums = np.zeros((count, steps + 1))
        np.cumsum(terms, axis=1, out=sums[:, 1:])
        return np.asarray(sums.ravel()[first + width] - sums.ravel()[first])

    known = np.isfinite(values)
    total = window_sums(np.where(known, values, 0.0))
    if known.sum() == span.sum():  # no gaps
        return total / width
    observed = window_sums(known.astype(float))
    return np.where(observed > 0, total / np.maximum(observed, 1.0), np.nan)


def is_positive(panel: Panel, windows: WindowRanges) -> bool:
    """Return whether all observations up to the last cutoff of each series among the windows are above 0."""
    until = panel.rows_until(windows.last_cutoffs(len(panel.ids)))
    parts = (panel.y[rows][until[rows]] for rows, _ in panel.blocks())
    return all(bool((values[np.isfinite(values)] > 0).all()) for values in parts)


def learnable_seasons(
    panel: Panel, windows: WindowRanges, seasons: Sequence[int]
) -> Literal["one_series", "many_cycles", "common"] | None:
    """Return why a network can learn the seasons of the series without an adjustment.

    A network learns a season that all series share from the calendar, and one that it sees often from its inputs.

    Args:
        panel: The series.
        windows: The training windows.
        seasons: Season lengths in steps, ascending.

    Returns:
        None if the index that is common to all series has less than MAX_COMMON_SHARE of the mean variance of their own
        indices (logarithms, at the last cutoffs), and the median series had at most MAX_LEARNED_CYCLES of the longest.
    """
    last, length = windows.last_cutoffs(len(panel.ids)), seasons[-1]
    codes = np.flatnonzero(last >= 0)
    if np.median(last[codes] + 1) > MAX_LEARNED_CYCLES * length:
        return "many_cycles"
    if len(codes) == 1:
        return "one_series"
    codes = codes[:: -(-len(codes) // MAX_COMPARED_SERIES)]
    steps = np.arange(1, length + 1)
    logs = np.log(seasonal_factors(panel, codes, last[codes], seasons, steps))
    columns = (
        steps - (panel.first + last)[codes, None] - 1
    ) % length  # from steps after the cutoff to those of the grid
    logs = np.take_along_axis(logs, columns, axis=1)
    own, common = float(np.square(logs).mean()), float(np.square(logs.mean(axis=0)).mean())
    return None if own > 0 and common < MAX_COMMON_SHARE * own else "common"
