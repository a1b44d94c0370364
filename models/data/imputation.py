"""Imputation: fill gaps inside a window. A mask tells the network which values were filled; targets are never filled.

none         the gap stays: the network reads the window's mean there, and the mask
zero         0
forward      the last known value
interpolate  linear between the neighbours; at the cutoff, where the next value is not known yet, the last value
season       the value one season before, or two …; without any, the last known value
"""

from typing import Literal

import numpy as np

from data_contracts.spec import Spec

Fill = Literal["none", "zero", "forward", "interpolate", "season"]


class Filling(Spec):
    """Policy of each column, and the covariates that had gaps in the training rows: each of those has a mask."""

    season: int = 1
    y: Fill = "none"
    known: tuple[Fill, ...] = ()
    observed: tuple[Fill, ...] = ()
    gappy_known: tuple[int, ...] = ()
    gappy_observed: tuple[int, ...] = ()


def fill_gaps(values: np.ndarray, policy: Fill, season: int) -> np.ndarray:
    """Fill the gaps of windows from values inside the same window: those are known at the cutoff.

    Args:
        values: (n, L), NaN where nothing is known.
        policy: How gaps are filled.
        season: Season length in steps, for the policy `season`.

    Returns:
        (n, L); steps before the first known value of a window stay NaN, except with `zero`.
    """
    if policy == "none":
        return values
    if policy == "zero":
        return np.where(np.isfinite(values), values, 0.0)
    if policy == "season":
        return _fill_forward(_fill_from_season(values, season))
    return _fill_forward(values) if policy == "forward" else _interpolate(values)


def _fill_forward(values: np.ndarray) -> np.ndarray:
    newest = _newest_known(values)
    return np.where(newest < 0, np.nan, np.take_along_axis(values, np.maximum(newest, 0), axis=1))


def _newest_known(values: np.ndarray) -> np.ndarray:
    """Index of the newest known value up to each step, (n, L); -1 before the first."""
    known = np.where(np.isfinite(values), np.arange(values.shape[1]), -1)
    return np.asarray(np.maximum.accumulate(known, axis=1))


def _interpolate(values: np.ndarray) -> np.ndarray:
    steps = np.arange(values.shape[1])
    before = _newest_known(values)
    after = steps[-1] - _newest_known(values[:, ::-1])[:, ::-1]  # L after the last known value
    inside = (before >= 0) & (after <= steps[-1])
    left, right = np.where(inside, before, 0), np.where(inside, after, 0)
    low, high = np.take_along_axis(values, left, axis=1), np.take_along_axis(values, right, axis=1)
    share = (steps - left) / np.maximum(right - left, 1)
    return np.where(inside, low + share * (high - low), _fill_forward(values))


def _fill_from_season(values: np.ndarray, season: int) -> np.ndarray:
    result = values.copy()
    for start in range(season, values.shape[1], season):
        block = result[:, start : start + season]
        earlier = result[:, start - season : start][:, : block.shape[1]]
        result[:, start : start + season] = np.where(np.isfinite(block), block, earlier)
    return result
