"""Scores of published forecasts by step, from forecasts beside their actuals."""

import numpy as np
import pandas as pd
import pyarrow as pa

from tasks.modeling.loss_sums import central_intervals
from tasks.modeling.scores import quantile_levels


def score_lead_times(comparison: pa.Table) -> pa.Table:
    """Score forecasts by step: how the error grows with the lead time, and whether intervals hold at each step.

    Args:
        comparison: Forecasts with `y`: a row per (unique_id, ds, cutoff), with a column per quantile.

    Returns:
        A row per step, ascending: `rows`, `mae`, `rmse`, `bias` (forecast minus actual), `wape`, and for each central
        interval the share of the actuals in it, ends included: `coverage_<percent>`, the widest first. Rows without
        both ends of an interval are not counted in its share. Errors are in the units of the source.
    """
    frame = comparison.to_pandas()
    frame = frame[np.isfinite(frame["y"])]
    error = frame["y_hat"] - frame["y"]
    losses = {"mae": error.abs(), "rmse": error**2, "bias": error, "wape": error.abs()}
    for interval in central_intervals(quantile_levels(comparison.column_names)):
        is_inside = (frame["y"] >= frame[interval.low]) & (frame["y"] <= frame[interval.high])
        has_ends = frame[interval.low].notna() & frame[interval.high].notna()
        losses[f"coverage_{interval.name}"] = is_inside.astype("float64").where(has_ends)
    step = frame["step"].to_numpy()
    grouped = pd.DataFrame(losses).groupby(step, sort=True)
    scores, size = grouped.mean(), frame["y"].abs().groupby(step, sort=True).mean()
    scores["rmse"] = np.sqrt(scores["rmse"])
    scores["wape"] = (scores["wape"] / size).where(size > 0)
    scores.insert(0, "rows", grouped.size())
    return pa.Table.from_pandas(scores.rename_axis("step").reset_index(), preserve_index=False)
