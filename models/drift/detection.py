"""Join the tests of all columns, series, statistics and windows into one decision with a stated error rate.

           panel: mean over the series             each series
column     level spread shape x 1, 2, 3, … blocks  the same           Bonferroni over these
           Bonferroni over columns              Benjamini-Yekutieli over columns and series
night      half of the level                    half of the level
alarm      two of three nights, each against the reference before its own newest season
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from models.drift.block_tests import compare_newest, mean_over_series, signals
from models.drift.scores import seasonal_scores

NIGHTS = 3  # of which ALARM_NIGHTS make an alarm
ALARM_NIGHTS = 2
NOTHING_EXCLUDED: Mapping[str, np.ndarray] = {}
MIN_CYCLES = 4  # of the season in the reference; else a shorter season is removed


class DriftWindows(NamedTuple):
    """Lengths of the reference and of the newest part, of a block and of the season that is removed, in steps."""

    reference: int
    current: int
    block: int
    season: int

    @property
    def blocks(self) -> tuple[int, ...]:
        """Numbers of newest blocks that are compared."""
        newest = max(self.current // self.block, 1)
        return tuple(sorted({1, min(2, newest), min(3, newest), newest}))


class ColumnDrift(NamedTuple):
    """Adjusted p-values of one column: of the mean over its series, and of each series, (S,)."""

    panel: float
    series: np.ndarray

    @property
    def p_value(self) -> float:
        """The p-value of the column: both kinds of test share the level."""
        return min(1.0, 2 * min(self.panel, float(self.series.min(initial=1.0))))


def benjamini_yekutieli(p_values: np.ndarray) -> np.ndarray:
    """Adjust p-values of any dependence for the false discovery rate.

    Args:
        p_values: (n,).

    Returns:
        Adjusted p-values, (n,). Source: Benjamini and Yekutieli 2001.
    """
    count = len(p_values)
    order = np.argsort(p_values)[::-1]
    ranks = np.arange(count, 0, -1)
    penalty = (1 / np.arange(1, count + 1)).sum()
    adjusted = np.empty(count)
    adjusted[order] = np.minimum.accumulate(np.minimum(p_values[order] * count * penalty / ranks, 1.0))
    return adjusted


def compare_columns(columns: Mapping[str, np.ndarray], windows: DriftWindows) -> dict[str, ColumnDrift]:
    """Compare the newest part of each column with its reference.

    Args:
        columns: Values by name, each (S, reference + current), NaN where nothing was observed.
        windows: Lengths of the parts.

    Returns:
        P-values by name, adjusted over columns and series.
    """
    panels, series = {}, {}
    for name, values in columns.items():
        seasonal = seasonal_scores(values, windows.reference, windows.season)
        panels[name], series[name] = _test_column(signals(seasonal, windows.block, windows.season), windows)
    adjusted = benjamini_yekutieli(np.concatenate([*series.values()])) if series else np.ones(0)
    result, begin = {}, 0
    for name, panel in panels.items():
        end = begin + len(series[name])
        result[name] = ColumnDrift(min(1.0, len(panels) * panel), adjusted[begin:end])
        begin = end
    return result


def _test_column(parts: Mapping[str, np.ndarray], windows: DriftWindows) -> tuple[float, np.ndarray]:
    """Return the p-value of the mean over the series and of each series, (S,), over statistics and windows."""
    panel, series = [], []
    for statistic, signal in parts.items():
        mean = mean_over_series(signal)
        for window in windows.blocks:
            arguments = statistic, windows.reference, windows.block, window
            panel.append(float(compare_newest(mean, *arguments)[0]))
            series.append(compare_newest(signal, *arguments))
    return min(1.0, len(panel) * min(panel)), np.minimum(1.0, len(series) * np.min(series, axis=0))


def compare_nights(
    columns: Mapping[str, np.ndarray], windows: DriftWindows, excluded: Mapping[str, np.ndarray] = NOTHING_EXCLUDED
) -> list[dict[str, ColumnDrift]]:
    """Compare as of the newest steps, and as of one and two blocks before, as earlier nights have seen them.

    Args:
        columns: Values by name, each (S, T) with T at least reference + current; older steps are used only in place of
            excluded ones.
        windows: Lengths of the parts.
        excluded: By name, the steps that no reference may contain, (T,) bool.

    Returns:
        The comparisons of up to NIGHTS nights, the newest first.
    """
    length = windows.reference + windows.current
    total = min((values.shape[1] for values in columns.values()), default=0)
    nights = list[dict[str, ColumnDrift]]()
    for back in range(NIGHTS):
        end = total - back * windows.block
        if end - length < 0 and nights:
            break
        part = {
            name: take_without(values, excluded[name], end, windows)
            if name in excluded
            else values[:, max(end - length, 0) : end]
            for name, values in columns.items()
        }
        nights.append(compare_columns(part, windows))
    return nights


def take_without(values: np.ndarray, excluded: np.ndarray, end: int, windows: DriftWindows) -> np.ndarray:
    """Return the newest part, and before it as many whole seasons as the reference has, without excluded steps.

    Args:
        values: (S, T).
        excluded: Steps that are left out of the reference, with the whole season that contains them, (T,) bool.
        end: Step after the newest part.
        windows: Lengths of the parts.

    Returns:
        (S, reference + current); NaN at the beginning if the history has too few seasons.
    """
    stop, chosen, missing = end - windows.current, [values[:, max(end - windows.current, 0) : end]], windows.reference
    while missing > 0 and stop > 0:
        first = max(stop - min(windows.season, missing), 0)
        if not excluded[first:stop].any():
            chosen.append(values[:, first:stop])
            missing -= stop - first
        stop -= windows.season
    unknown = windows.reference + windows.current - sum(part.shape[1] for part in chosen)
    return np.concatenate([np.full((len(values), unknown), np.nan), *reversed(chosen)], axis=1)


def has_alarm(nights: list[dict[str, ColumnDrift]], level: float) -> dict[str, bool]:
    """Return by column whether at least ALARM_NIGHTS of the nights are below the level."""
    names = nights[0] if nights else {}
    return {name: sum(night[name].p_value < level for night in nights) >= ALARM_NIGHTS for name in names}
