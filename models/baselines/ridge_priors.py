"""Forecasts that a ridge regression shrinks toward, each a fixed linear map: last value, mean, mean of a season.

With an infinite penalty the ridge regression is the prior. A map that shrinks toward a seasonal mean can have a strong
penalty, and so a long lookback, without losing the season.
"""

from typing import NamedTuple

import numpy as np

SHARES = (1.0, 0.5, 0.25)  # of the lookback, its newest part, that a prior averages


class RidgePrior(NamedTuple):
    """The mean of the newest `values` observations that lie a whole number of `period` steps before a target.

    A period of 0 is the last value. A period of 1 is the mean of the newest steps.
    """

    period: int  # steps
    values: int

    def weights(self, lookback: int, steps: np.ndarray) -> np.ndarray:
        """Return the map of windows that are shifted by their last value.

        Args:
            lookback: Steps of a window.
            steps: Steps of the horizon, from 0, (k,).

        Returns:
            (lookback, k); a column sums to 1, or to 0 for the last value, which is 0 after the shift.
        """
        weights = np.zeros((lookback, len(steps)))
        if self.period:
            newest = lookback - self.period + steps % self.period
            rows = newest - self.period * np.arange(self.values)[:, None]
            weights[rows, np.arange(len(steps))] = 1 / self.values
        return weights


def list_priors(lookback: int, seasons: tuple[int, ...]) -> list[RidgePrior]:
    """List the priors of a lookback: the last value, and means of its newest shares without a season and with each.

    Args:
        lookback: Steps of a window.
        seasons: Season lengths, in steps.

    Returns:
        Different priors that read no more than the lookback, the last value first.
    """
    priors = [RidgePrior(0, 0)]
    for period in (1, *(season for season in seasons if season > 1)):
        counts = [int(lookback * share) // period for share in SHARES]
        priors += [RidgePrior(period, count) for count in counts if count * period > 1]
    return list(dict.fromkeys(priors))
