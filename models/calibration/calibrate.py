"""Fit and apply the calibration of a network: shares of simple forecasts in the median, and the width of intervals."""

import numpy as np

from models.calibration.inputs import CalibrationSpec, SimpleForecasts
from models.calibration.series_shares import fit_series_shares
from models.calibration.shares import SHARES, fit_shares, weigh_differences
from models.calibration.widths import best_spread, error_quantiles
from models.networks.architecture import POINT_HEADS

SERIES_SHARES = "share.series"  # tensor (S, 3): shares of the series that have their own
SPREAD_HORIZONS = 20.0  # that unchanged distances of quantiles from the median are worth


def apply_calibration(
    normal: np.ndarray,
    simple: SimpleForecasts | None,
    tensors: dict[str, np.ndarray],
    middle: int,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Apply what `calibrate` has fitted.

    Args:
        normal: Quantiles of the network, (n, H, Q), in normalised units.
        simple: Forecasts that are blended in; None if there are none.
        tensors: Those of `calibrate`. A share that a bundle of an earlier release lacks is 0.
        middle: Index of the median among the quantiles.
        rows: Row of each window in the shares by series, (n,), -1 for a series without its own; None: none has its own.

    Returns:
        Calibrated quantiles (n, H, Q), in normalised units, not sorted.
    """
    blended = _blend(normal, simple, stored_shares(tensors, rows), middle) if simple is not None else normal
    median = blended[..., middle : middle + 1]
    return np.asarray(median + tensors["spread"] * (blended - median) + tensors["errors"])


def stored_shares(tensors: dict[str, np.ndarray], rows: np.ndarray | None) -> np.ndarray:
    """Return the shares of the simple forecasts that `calibrate` has fitted.

    Args:
        tensors: Those of `calibrate`. A share that a bundle of an earlier release lacks is 0.
        rows: Row of each window in the shares by series, (n,), -1 for a series without its own; None: none has its own.

    Returns:
        Shares (3,) of all windows, or (n, 3) of each.
    """
    shares = np.concatenate([tensors.get(name, np.zeros(1)) for name in SHARES])
    if rows is None or SERIES_SHARES not in tensors:
        return shares
    return np.where(rows[:, None] < 0, shares, tensors[SERIES_SHARES][rows])


def calibrate(
    normal: np.ndarray,
    simple: SimpleForecasts | None,
    target: np.ndarray,
    weights: np.ndarray,
    spec: CalibrationSpec,
) -> dict[str, np.ndarray]:
    """Fit the calibration of a network on validation windows. All values are in normalised units.

    Args:
        normal: Quantiles of the network, (n, H, Q).
        simple: Forecasts to blend in; None if there are none.
        target: (n, H), NaN where nothing was observed.
        weights: Weight of the errors of each window, (n, 1), or of each step, (n, H).
        spec: Quantile levels, the network's head, the series of the windows and when they begin. A point head gets its
            intervals from its errors.

    Returns:
        Shares (1,) in the median: `share` of the linear map, `share.last` of the last value, `share.seasonal` of the
        seasonal median. `share.series` (S, 3), if they help: the same of each series. `spread` (Q,): factors on the
        distances of the quantiles from the median. `errors` (H, Q): error quantiles of a point head, else 0.
    """
    levels, head = spec.levels, spec.head
    middle, horizon = levels.index(0.5), target.shape[1]
    fitted = {"spread": np.ones(len(levels)), "errors": np.zeros((horizon, len(levels)))}
    shares = np.zeros(len(SHARES))
    if simple is not None:
        median = normal[..., middle]
        errors = weights * np.concatenate([(target - median)[None], simple.differences(median)])
        shares = fit_shares(errors, spec)
        if (by_series := fit_series_shares(errors, shares, spec)) is not None:
            fitted[SERIES_SHARES] = by_series
        normal = _blend(normal, simple, shares if by_series is None else by_series[spec.series], middle)
    if head in POINT_HEADS:
        fitted["errors"] = error_quantiles(target - normal[..., middle], levels)
    else:
        fitted["spread"] = best_spread(normal, target, weights, levels) ** spec.weight(SPREAD_HORIZONS)
    return fitted | dict(zip(SHARES, shares[:, None], strict=True))


def _blend(normal: np.ndarray, simple: SimpleForecasts, shares: np.ndarray, middle: int) -> np.ndarray:
    differences = simple.differences(normal[..., middle])
    return np.asarray(normal + weigh_differences(shares, differences)[..., None])
