"""Errors that a model makes for a series of which it has seen only a few values: those for other series, cut short.

series       · · · · · · · · · · · · · · o        its forecast at o follows from the whole lookback
cut to 2                           · · o · · ·    forecast from two values; the actuals are known

A window with one value has no spread, so the intervals of a network are nearly as narrow as the rounding. The other
series say how far such a forecast is off, relative to the size of the values.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from models.data.panel import Panel
from models.predict import Predictor

LENGTHS = (1, 2, 4, 8, 16)  # observations; a series with a length between two has the errors of the shorter
MIN_PAIRS, MAX_PAIRS = 20, 200  # of a series and an origin; with fewer, nothing is known
MAX_ORIGINS = 28  # of one series
SMALL = 0.1  # share of the typical size of a series that is added to the size of each


class FirstErrors(NamedTuple):
    """Distances of quantiles from the median, relative to the size of a series, by the length of its history."""

    relative: np.ndarray  # (B, H, Q)
    typical: float  # median size of the other series, in units of the source


def history_lengths(panel: Panel, series: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return the index in LENGTHS of the observations of each series up to its cutoff, (n,); -1 from a season on."""
    season = panel.view.season
    is_young = position < 4 * season
    count = np.full(len(series), season)
    values = panel.take(panel.y, series[is_young], position[is_young], np.arange(1 - 4 * season, 1))
    count[is_young] = np.isfinite(values).sum(axis=1)
    return np.where(count < season, np.searchsorted(LENGTHS, count, side="right") - 1, -1)


def sizes_of(panel: Panel, series: np.ndarray, position: np.ndarray, typical: float) -> np.ndarray:
    """Return the mean |y| of the newest season of each series, (n,), plus a small share of the typical one."""
    values = np.abs(panel.take(panel.y, series, position, np.arange(1 - panel.view.season, 1)))
    known = np.isfinite(values)
    return np.where(known, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1) + SMALL * typical


def fit_first_errors(predictor: Predictor, panel: Panel, series: np.ndarray, cutoff: int) -> FirstErrors | None:
    """Forecast series with a long history from their newest values only.

    Args:
        predictor: The model.
        panel: The series.
        series: Codes of series with a long history.
        cutoff: Step of the grid up to which y is known.

    Returns:
        Their errors; None if the series and origins are too few.
    """
    horizon, season, phase = panel.view.horizon, panel.view.season, panel.view.phase
    count = min(MAX_ORIGINS, -(-MAX_PAIRS // max(len(series), 1)))
    back = phase * (np.arange(count) - (-horizon // phase))  # at the hour of the day of the cutoff
    chosen = series[:: -(-len(series) // MAX_PAIRS)] if len(series) else series
    codes, origins = np.repeat(chosen, count), np.tile(cutoff - back, len(chosen))
    position = origins - panel.first[codes]
    codes, position = codes[position >= 4 * season], position[position >= 4 * season]
    values = np.abs(panel.take(panel.y, codes, position, np.arange(1 - season, 1)))
    is_usable = np.isfinite(values).all(axis=1)
    codes, position = codes[is_usable], position[is_usable]
    if len(codes) < MIN_PAIRS:
        return None
    typical = float(np.median(values[is_usable].mean(axis=1)))
    levels = np.array(predictor.bundle.levels)
    actuals = panel.take(panel.y, codes, position, np.arange(1, horizon + 1))
    relative = []
    for length in LENGTHS:
        cut = _cut(panel, codes, position, length)
        at = np.arange(len(codes), dtype=np.int32), np.full(len(codes), length - 1, dtype=np.int32)
        median = np.sort(predictor.quantiles(cut, *at), axis=-1)[..., predictor.bundle.levels.index(0.5)]
        errors = (actuals - median) / sizes_of(cut, *at, typical)[:, None]
        relative.append(_distances(errors, levels))
    return FirstErrors(np.stack(relative), typical)


def _distances(errors: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the conformal distance of each quantile from the median, (H, Q), from errors (n, H)."""
    distances = np.zeros((errors.shape[1], len(levels)))
    for step, column in enumerate(errors.T):
        known = np.sort(column[np.isfinite(column)])
        for number, level in enumerate(levels):
            side = np.sign(level - 0.5)
            if len(known) and side:
                rank = min(int(np.ceil((len(known) + 1) * max(level, 1 - level))), len(known)) - 1
                distances[step, number] = max(0.0, np.sort(side * known)[rank])
    return distances


def _cut(panel: Panel, codes: np.ndarray, position: np.ndarray, length: int) -> Panel:
    """Return a panel with a series for each origin: its newest `length` steps, and what is known over the horizon."""
    offsets = np.arange(1 - length, panel.view.horizon + 1)
    count, rows = len(codes), len(offsets)
    y = panel.take(panel.y, codes, position, offsets)
    y[:, length:] = np.nan
    observed = panel.take(panel.observed, codes, position, offsets)
    observed[:, length:] = np.nan
    return replace(
        panel,
        ids=tuple(f"{panel.ids[code]} cut {number}" for number, code in enumerate(codes)),
        first=panel.first[codes] + position + 1 - length,
        starts=np.arange(count, dtype=np.int64) * rows,
        lengths=np.full(count, rows, dtype=np.int64),
        y=y.reshape(-1),
        known=panel.take(panel.known, codes, position, offsets).reshape(count * rows, panel.known.shape[1]),
        observed=observed.reshape(count * rows, panel.observed.shape[1]),
        static=tuple(tuple(values[code] for code in codes) for values in panel.static),
        earlier=None,
    )
