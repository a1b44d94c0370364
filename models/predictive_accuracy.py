"""A test of equal predictive accuracy that holds its level if the losses of successive origins are correlated.

The Diebold-Mariano statistic divides the mean gain by its standard error. A kernel estimate of that error is too small
in short samples, so that a test at 5 % rejects 11 to 24 % of true hypotheses. The estimate here is the mean square of a
few cosine projections (EWC), and the statistic has Student's t distribution with as many degrees of freedom.

Source: Lazarus, Lewis, Stock and Watson 2018, "HAR Inference: Recommendations for Practice".
"""

import numpy as np

MIN_ORIGINS = 4  # two projections need more origins than themselves
MIN_PROJECTIONS = 2


def count_projections(origins: int, overlap: int = 1) -> int:
    """Return the number of cosine projections, which is the number of degrees of freedom.

    Args:
        origins: Number of origins.
        overlap: Number of origins that one horizon covers. Projections above the frequency at which overlapping
            errors lose their power would make the standard error too small.

    Returns:
        0.4 * origins^(2/3), as the source recommends, and at most half of the horizons that do not overlap.
    """
    return max(MIN_PROJECTIONS, min(int(0.4 * origins ** (2 / 3)), origins // (2 * overlap)))


def equal_accuracy_p_value(gains: np.ndarray, overlap: int = 1) -> float:
    """Compute the one-sided p-value for H0: the mean gain is not positive.

    Args:
        gains: Loss of one model minus loss of the other at successive origins, (origins,).
        overlap: Number of origins that one horizon covers; 1 if the errors of successive origins do not overlap.

    Returns:
        The p-value; 1.0 if there are fewer than MIN_ORIGINS gains, or one is not finite.
    """
    from scipy import special  # takes long to import, and only a night that decides needs it

    count = len(gains)
    if count < MIN_ORIGINS or not np.isfinite(gains).all():
        return 1.0
    largest = float(np.abs(gains).max())
    if largest == 0:
        return 1.0
    gains = gains / largest  # the square of a very large or small loss is not finite
    degrees = count_projections(count, overlap)
    frequencies, centres = np.arange(1, degrees + 1), (np.arange(count) + 0.5) / count
    cosines = np.sqrt(2 / count) * np.cos(np.pi * np.outer(frequencies, centres))
    variance = float(np.mean((cosines @ gains) ** 2))
    mean = float(gains.mean())
    if variance < np.finfo(float).eps ** 2:  # the gain is the same at every origin
        return 0.0 if mean > 0 else 1.0
    return float(special.stdtr(degrees, -np.sqrt(count / variance) * mean))
