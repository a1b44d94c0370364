"""The errors of earlier forecasts, night by night, and whether they grew or became one-sided.

Each new actual has been compared once, with the newest forecast before it (`find_anomalies`): its scaled error is in
the published table `anomalies`. The mean over a night and series is a point of a CUSUM chart.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from models.drift.cusum import MAX_NIGHTS, compare_errors
from models.drift.detection import NIGHTS, ColumnDrift

COLUMN = "forecast errors"
TEST = "CUSUM"
MAX_SCALED_ERROR = 10.0  # half widths of an interval; a single error beyond it is an anomaly and no drift


class NightlyErrors(NamedTuple):
    """Mean absolute and mean signed scaled errors, each (series, nights), the newest night last; NaN without one."""

    series: list[str]
    sizes: np.ndarray
    biases: np.ndarray


def arrange_errors(anomalies: pd.DataFrame) -> NightlyErrors:
    """Arrange published errors by series and night.

    Args:
        anomalies: Newest versions of the published table `anomalies`: unique_id, cutoff, model_name and scaled_error.

    Returns:
        The errors of the model that forecast the newest night, of the newest nights that all tests use.
    """
    if anomalies.empty:
        return NightlyErrors([], np.empty((0, 0)), np.empty((0, 0)))
    newest = anomalies.loc[anomalies["cutoff"] == anomalies["cutoff"].max(), "model_name"]
    own = anomalies[anomalies["model_name"] == newest.mode().iloc[0]]
    own = own.assign(error=own["scaled_error"].clip(-MAX_SCALED_ERROR, MAX_SCALED_ERROR))
    own = own.assign(size=own["error"].abs())
    means = own.groupby(["unique_id", "cutoff"])[["size", "error"]].mean().unstack("cutoff")
    sizes, biases = (means[name].iloc[:, -(MAX_NIGHTS + NIGHTS - 1) :].to_numpy(float) for name in ("size", "error"))
    return NightlyErrors(means.index.astype(str).tolist(), sizes, biases)


def compare_error_nights(errors: NightlyErrors) -> list[dict[str, ColumnDrift]]:
    """Compare as of the newest night and of the nights before, as they have seen it, the newest first."""
    count = errors.sizes.shape[1]
    parts = [slice(max(count - back - MAX_NIGHTS, 0), count - back) for back in range(min(NIGHTS, count))]
    return [{COLUMN: compare_errors(errors.sizes[:, part], errors.biases[:, part])} for part in parts]
