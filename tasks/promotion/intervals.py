"""Whether the interval of a challenger covers the share of the actuals of the test part that it promises."""

import numpy as np
import pandas as pd

from data_contracts.spec import Spec
from models import metrics
from tasks.modeling.scores import quantile_columns

MISCALIBRATED = (
    "the interval of {best} promises {share:g}% and covers {inside:.1%} of the actuals of the test part, {error:.1f} "
    "points off, more than promotion.max_coverage_error allows ({limit:g}) and than that of {reference} ({other:.1f} "
    "points off). Lengthen windowing.validation, on which intervals are calibrated, or raise "
    "promotion.max_coverage_error"
)


class IntervalCoverage(Spec):
    """Coverage of the interval from the lowest to the highest quantile of a model, over all rows of the test part.

    `share` is the promised coverage and `inside` the measured one, ends included. `error` is how far off it is, by the
    criterion of `metrics.coverage_error`, which counts as well as other targets can meet.
    """

    share: float
    inside: float
    error: float


def measure_coverage(table: pd.DataFrame) -> IntervalCoverage | None:
    """Measure the coverage of one model.

    Args:
        table: Rows of the model in a backtest, with y and quantiles.

    Returns:
        The coverage; None without two quantiles, without an actual, or if a forecast is not finite.
    """
    levels = quantile_columns(table)
    rows = table.dropna(subset=["y"])
    if len(levels) < 2 or rows.empty:
        return None
    lowest, highest = next(iter(levels)), next(reversed(levels))
    y, low, high = (rows[name].to_numpy(float) for name in ("y", lowest, highest))
    if not np.isfinite(low + high).all():
        return None
    share = round(levels[highest] - levels[lowest], 9)
    error = metrics.coverage_error(y, low, high, share)
    return IntervalCoverage(share=share, inside=metrics.coverage(y, low, high), error=error)


def describe_coverage_fault(
    best: str, reference: str, own: IntervalCoverage | None, other: IntervalCoverage | None, limit: float
) -> str:
    """Return why a challenger fails the gate of coverage, with what to do; empty if it passes.

    Args:
        best: Label of the challenger.
        reference: Label of the model that forecasts in its place.
        own: Coverage of the challenger; unknown coverage passes.
        other: Coverage of that model. If it is unknown, or as far off or farther, the challenger passes.
        limit: The largest error that passes in any case.
    """
    if own is None or other is None or not own.error > limit or other.error >= own.error:
        return ""
    return MISCALIBRATED.format(
        best=best, reference=reference, share=round(own.share * 100, 6), inside=own.inside, error=own.error * 100,
        limit=limit, other=other.error * 100,
    )  # fmt: skip
