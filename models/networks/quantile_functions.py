"""Quantiles of each head's distribution from its parameters, in NumPy: alike for PyTorch and for an exported network.

params (b, H, …) as a head returns them, in normalised units · levels (Q,) ascending · quantiles (b, H, Q)
"""

import numpy as np

from models.networks.architecture import POINT_HEADS, HeadName


def distribution_quantiles(
    head: HeadName, params: np.ndarray, levels: tuple[float, ...], location: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """Compute the quantiles of a head's distribution.

    Args:
        head: The head that gave the parameters.
        params: Parameters of each step, (b, H, …); for `quantiles` the quantiles themselves.
        levels: Quantile levels, (Q,).
        location: Location of each window, (b, 1), in units of the source.
        scale: Scale of each window, (b, 1), in units of the source.

    Returns:
        Quantiles (b, H, Q), float64, in normalised units, non-decreasing in Q.
    """
    if head in POINT_HEADS:
        return np.repeat(params.astype(np.float64), len(levels), axis=-1)
    if head == "student_t":
        return student_t_quantiles(params, levels)
    if head == "negative_binomial":
        return negative_binomial_quantiles(params, levels, location, scale)
    return params.astype(np.float64)


def student_t_quantiles(params: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Compute quantiles (b, H, Q) of location, scale and degrees of freedom (b, H, 3)."""
    from scipy import stats  # takes a second, and few networks need it

    location, scale, freedom = (params[..., index : index + 1].astype(np.float64) for index in range(3))
    return np.asarray(location + scale * stats.t.ppf(np.array(levels), freedom))


def negative_binomial_quantiles(
    params: np.ndarray, levels: tuple[float, ...], location: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """Compute quantiles of counts; each is a whole number in units of the source.

    Args:
        params: Mean and dispersion, (b, H, 2), in units of the source.
        levels: Quantile levels, (Q,).
        location: Location of each window, (b, 1).
        scale: Scale of each window, (b, 1).

    Returns:
        Quantiles (b, H, Q), in normalised units.
    """
    from scipy import stats

    mean, dispersion = (params[..., index : index + 1].astype(np.float64) for index in range(2))
    counts = stats.nbinom.ppf(np.array(levels), 1 / dispersion, 1 / (1 + mean * dispersion))
    return np.asarray((counts - location[..., None]) / scale[..., None])
