"""From the p-values of the series of a night to the series that raise an alarm, at a set rate of false alarms.

Benjamini-Hochberg chooses among the p-values that `models/anomalies.py` computes. How large their sample has to be, and
at which level earlier nights would have raised an alarm at the rate, is computed here too.
"""

from typing import NamedTuple

import numpy as np

STRICTLY = 1e-9  # a level is so much below a p-value that does not pass it


def exact_size(available: int, tests: int, rate: float) -> int:
    """Return how many errors of a sample to use, so that the share of nights with a false alarm is the rate itself.

    P-values are multiples of 1 / (n + 1). If rate / tests, the strictest level of Benjamini-Hochberg, lies between two
    of them, the smaller counts, and fewer alarms come than the rate allows.

    Args:
        available: Number of errors that there are.
        tests: Number of series that are tested.
        rate: The rate of false alarms.

    Returns:
        The largest number for which rate / tests is a multiple of 1 / (n + 1), nearly; all of them if there are fewer
        than `smallest_size`.
    """
    levels = int((available + 1) * rate / tests + 1e-9)
    return int(np.ceil(levels * tests / rate - 1e-9)) - 1 if levels else available


def smallest_size(tests: int, rate: float) -> int:
    """Return the least number of errors in a sample with which one anomalous series alone can raise an alarm."""
    return int(np.ceil(tests / rate - 1e-9)) - 1


def benjamini_hochberg(p_values: np.ndarray, rate: float) -> tuple[np.ndarray, float]:
    """Choose the p-values that are too small, with a bounded share of false ones.

    Args:
        p_values: P-values, (n,); NaN is never chosen, and is not counted as a test.
        rate: The largest expected share of false alarms among the alarms (Benjamini and Hochberg 1995).

    Returns:
        Which are chosen, (n,), and the largest p-value of these; 0 if none is chosen.
    """
    ordered = np.sort(p_values[np.isfinite(p_values)])
    passed = ordered <= rate * np.arange(1, len(ordered) + 1) / max(len(ordered), 1) + 1e-12
    level = float(ordered[np.flatnonzero(passed).max()]) if passed.any() else 0.0
    return np.nan_to_num(p_values, nan=np.inf) <= level, level


def simes_p_value(p_values: np.ndarray) -> float:
    """Return the p-value of a night: the least rate at which Benjamini-Hochberg chooses any series (Simes 1986).

    Args:
        p_values: P-values of the series, (m,), without NaN.

    Returns:
        The smallest of p_(k) m / k; infinity without p-values.
    """
    ordered = np.sort(p_values)
    return float(np.min(ordered * len(ordered) / np.arange(1, len(ordered) + 1), initial=np.inf))


class CalibratedLevel(NamedTuple):
    """A level for Benjamini-Hochberg, and the number of the newest nights that it comes from."""

    level: float
    nights: int


def calibrate_level(largest: np.ndarray, nights: np.ndarray, tested: np.ndarray, rate: float) -> CalibratedLevel | None:
    """Return the level for Benjamini-Hochberg at which the share of nights with a false alarm is the rate.

    The series of a night share its shocks, such as weather, so its p-values are not independent. Each earlier night is
    compared with the other nights as the new one is. If nights are exchangeable, the new one has a smaller p-value
    than the k-th smallest of N earlier nights with a probability of at most k / (N + 1), whatever its series share.

    Args:
        largest: The largest error of each series and earlier night, (n,).
        nights: The night of each, (n,), 0 for the newest.
        tested: The largest error of each series of the new night, (m,).
        rate: The rate of false alarms.

    Returns:
        The level; p-values of the new night are compared with the errors of the nights that it comes from. None if
        there are fewer nights than 1 / rate - 1.
    """
    count = int(nights.max(initial=-1)) + 1
    rank = int((count + 1) * rate + 1e-9)
    if rank < 1:
        return None
    used = int(np.ceil(rank / rate - 1e-9)) - 1  # the newest nights, so that k / (N + 1) is the rate
    ordered = np.sort(largest[nights < used])
    statistics = []
    for night in range(used):
        own = largest[nights == night]
        others = _count_at_least(ordered, own) - _count_at_least(np.sort(own), own)
        compared = 1 + others + _count_at_least(np.sort(tested), own)
        statistics.append(simes_p_value(compared / (1 + len(ordered) - len(own) + len(tested))))
    return CalibratedLevel(float(np.sort(statistics)[rank - 1]) * (1 - STRICTLY), used)


def _count_at_least(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return how many of `ordered`, ascending, are at least as large as each value."""
    return len(ordered) - np.searchsorted(ordered, values, "left")
