"""Forecasts that are not finite: which series and origins of a forecast table have them."""

import numpy as np
import pandas as pd

from tasks.modeling.scores import quantile_columns


def nonfinite_rows(table: pd.DataFrame) -> np.ndarray:
    """Return whether each row of a forecast table has a median or a quantile that is NaN or infinite.

    Args:
        table: A forecast table with y_hat and quantile columns.

    Returns:
        (rows,) bool.
    """
    finite = np.ones(len(table), dtype=bool)
    for name in ("y_hat", *quantile_columns(table)):  # one column at a time is copied
        finite &= np.isfinite(table[name].to_numpy(dtype=float))
    return ~finite


def describe_nonfinite(table: pd.DataFrame) -> str | None:
    """Describe the forecasts of one model that are not finite.

    Args:
        table: A forecast table with unique_id, cutoff (UTC), y_hat and quantile columns.

    Returns:
        The number of rows, and series and origin of the first; None if every forecast is finite.
    """
    failing = table[nonfinite_rows(table)]
    if failing.empty:
        return None
    first, series = failing.iloc[0], failing["unique_id"].nunique()
    more = f" and {series - 1} more series" if series > 1 else ""
    return (
        f"{len(failing)} of {len(table)} forecasts are not finite, the first of series {first['unique_id']!r}{more} "
        f"at origin {first['cutoff']:%Y-%m-%d %H:%M} UTC"
    )
