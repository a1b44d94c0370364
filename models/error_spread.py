"""The spread of a model's errors, night by night, and what it is tonight: errors of earlier nights are scaled to it.

log spread of the nights ── do the newest differ? ──yes──> mean of the newest
                                                  └──no──> decayed mean, or one spread for all nights

- Spread that has jumped: if the newest nights differ significantly from those before, these are scaled to them
  (adaptive pointwise estimation: Mercurio and Spokoiny 2004). One night alone does not count: on real series
  it is a holiday more often, and following it makes the next intervals too wide.
- Spread that persists, as in a heat wave: each night is scaled by the prediction of its spread from the nights before,
  a mean whose weights decay as the nights of the series themselves suggest; often they do not (filtered historical
  simulation: Barone-Adesi, Giannopoulos and Vosper 1999, with an exponentially weighted mean as the filter).
"""

import numpy as np

RECENT_NIGHTS = (2, 3, 5, 7, 10, 14)  # candidates for the newest nights after a jump
MIN_EARLIER_NIGHTS = 7  # that the newest ones are compared with
CRITICAL_VALUE = 4.0  # standard deviations of a mean of normal values
MIN_SPREAD = 0.1  # of a night, as a share of its mean distance
MIN_JUMP = 0.2  # of the logarithm of the spread
DECAYS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)  # of the weight of a night from one night to the next
WARM_UP_NIGHTS = 14  # that are predicted, and not compared; as many must follow


def nightly_spread(errors: np.ndarray, outer: np.ndarray, shortest: np.ndarray) -> np.ndarray:
    """Compute the mean absolute error of each night and series, as a share of the mean distance of its quantiles.

    Args:
        errors: Actuals minus medians, (K, S, H); NaN where no actual is known.
        outer: Mean distance of the outer quantiles from the median, (K, S, H), in the same units.
        shortest: Smallest distance of each series, (S,).

    Returns:
        The spread, (K, S); NaN without an actual.
    """
    known = np.isfinite(errors)
    size = np.where(known, np.abs(errors), 0.0).sum(axis=2)
    width = np.where(known, np.maximum(outer, shortest[None, :, None]), 0.0).sum(axis=2)
    return np.divide(size, width, out=np.full(size.shape, np.nan), where=width > 0)


def scale_to_tonight(ratios: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale the ratios of earlier nights, in place, to the spread that is expected tonight.

    Args:
        ratios: Error / distance, (K, S, H, Q), the oldest night first.
        spread: That of `nightly_spread`, (K, S).

    Returns:
        The ratios, and how many of the newest nights follow the last jump, (S,); K without one.
    """
    logs = np.log(spread + MIN_SPREAD)  # nights of counts without an error have no spread of 0
    nights, jump = _find_jump(logs)
    older = np.arange(len(logs))[:, None] < len(logs) - nights[None, :]
    predicted = _predict(logs)
    change = np.where(nights < len(logs), np.where(older, jump, 0.0), predicted[-1] - predicted[:-1])
    ratios *= np.exp(change)[:, :, None, None]
    return ratios, nights


def spread_error(spread: np.ndarray) -> np.ndarray:
    """Compute the standard error of the mean log spread of independent nights.

    Args:
        spread: That of `nightly_spread`, (K, S).

    Returns:
        The error, (S,); NaN for a series of which no night is known.
    """
    logs = np.log(spread + MIN_SPREAD)
    variance = _mean_of_known(np.square(logs - _mean_of_known(logs)))
    return np.asarray(np.sqrt(variance / np.maximum(np.isfinite(logs).sum(axis=0), 1)))


def _predict(logs: np.ndarray) -> np.ndarray:
    """Predict the log spread (K, S) of each night and of tonight from the nights before, (K + 1, S).

    Args:
        logs: Log of the spread and MIN_SPREAD, which damps what is predicted; NaN without an actual.

    Returns:
        The mean of all nights of a series, later ones too, unless a decayed mean has predicted its nights with a
        smaller squared error than the mean of the nights before them.
    """
    mean = _mean_of_known(logs)
    predicted = np.repeat(np.nan_to_num(mean)[None], len(logs) + 1, axis=0)
    if len(logs) < 2 * WARM_UP_NIGHTS:
        return predicted
    compared = logs[WARM_UP_NIGHTS:]
    plain = np.square(compared - _decayed_means(logs, 1.0)[WARM_UP_NIGHTS:-1])
    best = np.zeros(logs.shape[1])
    for decay in DECAYS:
        decayed = _decayed_means(logs, decay)
        losses = plain - np.square(compared - decayed[WARM_UP_NIGHTS:-1])
        gain = np.where(np.isfinite(losses).sum(axis=0) >= WARM_UP_NIGHTS, _mean_of_known(losses), 0.0)
        is_better, best = gain > best, np.maximum(best, gain)
        predicted = np.where(is_better & np.isfinite(decayed), decayed, predicted)
    return predicted


def _size(logs: np.ndarray) -> np.ndarray:
    """Log of the spread itself, at least MIN_SPREAD, of a mean of logs to which MIN_SPREAD was added."""
    return np.log(np.maximum(np.exp(logs) - MIN_SPREAD, MIN_SPREAD))


def _decayed_means(logs: np.ndarray, decay: float) -> np.ndarray:
    """Mean of the nights before each night and before tonight, (K + 1, S), whose weights decay; NaN without any."""
    means = np.full((len(logs) + 1, logs.shape[1]), np.nan)
    total, weight = np.zeros(logs.shape[1]), np.zeros(logs.shape[1])
    for night, values in enumerate(logs, start=1):
        known = np.isfinite(values)
        total, weight = decay * total + np.where(known, values, 0.0), decay * weight + known
        np.divide(total, weight, out=means[night], where=weight > 0)
    return means


def _find_jump(logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the newest nights after a jump of the log spread (K, S), and the jump; K and 0 without one, both (S,)."""
    count = len(logs)
    nights, jump = np.full(logs.shape[1], count), np.zeros(logs.shape[1])
    for recent in reversed(RECENT_NIGHTS):  # the shortest that differs counts
        if count < recent + MIN_EARLIER_NIGHTS:
            continue
        newest, earlier = logs[count - recent :], logs[: count - recent]
        enough = np.isfinite(newest).any(axis=0) & (np.isfinite(earlier).sum(axis=0) >= MIN_EARLIER_NIGHTS)
        before = _mean_of_known(earlier[:, enough])
        changes = newest[:, enough] - before
        mean = _mean_of_known(changes)
        deviation = np.nanstd(earlier[:, enough], axis=0, ddof=1) * np.sqrt(1 / recent + 1 / len(earlier))
        is_significant = np.abs(mean) > np.maximum(CRITICAL_VALUE * deviation, MIN_JUMP)
        has_jumped = is_significant & (_mean_without_largest(changes * np.sign(mean)) > np.abs(mean) / 2)
        where = np.flatnonzero(enough)[has_jumped]
        nights[where], jump[where] = recent, (_size(before + mean) - _size(before))[has_jumped]
    return nights, jump


def _mean_without_largest(values: np.ndarray) -> np.ndarray:
    """Mean of the finite values of each column of (n, S) but the largest, (S,); -inf without a second one."""
    ordered = np.sort(np.where(np.isfinite(values), values, -np.inf), axis=0)
    return np.nan_to_num(_mean_of_known(ordered[:-1]), nan=-np.inf)


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Mean of the finite values of each column of (n, S), (S,); NaN without any."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=np.full(total.shape, np.nan), where=known.any(axis=0))
