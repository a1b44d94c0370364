"""Gaps inside a window, filled by a policy. A model is told by a mask what was filled, and targets never are.

none         stays a gap: the network sees the window's mean there, and the mask
zero         0
forward      the last known value
interpolate  on the line between its neighbours; at the cutoff, where the right one is not known yet, the last value
season       the value one season before, or two …; where there is none, the last known value
"""

from typing import Literal

import numpy as np

from data_contracts.spec import Spec

Fill = Literal["none", "zero", "forward", "interpolate", "season"]


class Filling(Spec):
    """The policy of each column, and which covariates had gaps in the training rows: those come with a mask."""

    season: int = 1
    y: Fill = "none"
    known: tuple[Fill, ...] = ()
    observed: tuple[Fill, ...] = ()
    gappy_known: tuple[int, ...] = ()
    gappy_observed: tuple[int, ...] = ()


def filled(values: np.ndarray, policy: Fill, season: int) -> np.ndarray:
    """(b, n) windows of values, NaN where nothing is known; what lies before the first known value stays a gap.

    Works inside the window alone: what it holds was known at the cutoff, what lies beyond was not.
    """
    if policy == "none":
        return values
    if policy == "zero":
        return np.where(np.isfinite(values), values, 0.0)
    if policy == "season":
        return _forward(_seasonal(values, season))
    return _forward(values) if policy == "forward" else _interpolated(values)


def _forward(values: np.ndarray) -> np.ndarray:
    newest = _newest(values)
    return np.where(newest < 0, np.nan, np.take_along_axis(values, np.maximum(newest, 0), axis=1))


def _newest(values: np.ndarray) -> np.ndarray:
    """(b, n) the place of the newest known value up to each step; -1 where there is none."""
    known = np.where(np.isfinite(values), np.arange(values.shape[1]), -1)
    return np.asarray(np.maximum.accumulate(known, axis=1))


def _interpolated(values: np.ndarray) -> np.ndarray:
    steps = np.arange(values.shape[1])
    before = _newest(values)
    after = steps[-1] - _newest(values[:, ::-1])[:, ::-1]  # n where there is none
    inside = (before >= 0) & (after <= steps[-1])
    left, right = np.where(inside, before, 0), np.where(inside, after, 0)
    low, high = np.take_along_axis(values, left, axis=1), np.take_along_axis(values, right, axis=1)
    share = (steps - left) / np.maximum(right - left, 1)
    return np.where(inside, low + share * (high - low), _forward(values))


def _seasonal(values: np.ndarray, season: int) -> np.ndarray:
    found = values.copy()
    for start in range(season, values.shape[1], season):
        block = found[:, start : start + season]
        earlier = found[:, start - season : start][:, : block.shape[1]]
        found[:, start : start + season] = np.where(np.isfinite(block), block, earlier)
    return found
