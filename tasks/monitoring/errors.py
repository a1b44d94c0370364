"""The errors of earlier forecasts, night by night, and whether they grew or became one-sided.

Each new actual has been compared with the newest forecast before it (`find_anomalies`): its scaled error is in the
published table `anomalies`. The mean over a night and series is a point of a CUSUM chart.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import StoreDamaged
from models.drift.cusum import MAX_NIGHTS, compare_errors
from models.drift.detection import NIGHTS, ColumnDrift
from tasks.storage.series_rows import open_series_files
from tasks.storage.store import Store

COLUMN = "forecast errors"
TEST = "CUSUM"
MAX_SCALED_ERROR = 10.0  # half widths of an interval; a single error beyond it is an anomaly and no drift
KEYS = ["unique_id", "cutoff", "model_name"]


class NightlyErrors(NamedTuple):
    """Mean absolute and mean signed scaled errors, each (series, nights), the newest night last; NaN without one."""

    series: list[str]
    sizes: np.ndarray
    biases: np.ndarray


def sum_errors(tables: Iterable[Artifact], names: Collection[str], store: Store) -> pd.DataFrame:
    """Add up the published errors of each series and night, one table at a time.

    Args:
        tables: Published tables `anomalies`. A damaged one is left out.
        names: The series that count.
        store: The store that holds the tables.

    Returns:
        unique_id, cutoff, model_name, size and bias (sums of absolute and signed scaled errors) and rows. An actual
        that was corrected counts in each version.
    """
    parts = list[pd.DataFrame]()
    for table in tables:
        try:
            with open_series_files([table], store) as (file,):
                frame = file.select(names, [*KEYS, "scaled_error"]).to_pandas()
        except StoreDamaged:
            continue
        bias = frame["scaled_error"].clip(-MAX_SCALED_ERROR, MAX_SCALED_ERROR)
        parts.append(frame[KEYS].assign(size=bias.abs(), bias=bias, rows=1).groupby(KEYS, observed=True).sum())
    if not parts:
        return pd.DataFrame(columns=[*KEYS, "size", "bias", "rows"])
    return pd.concat(parts).groupby(level=KEYS, observed=True).sum().reset_index()


def arrange_errors(sums: pd.DataFrame) -> NightlyErrors:
    """Arrange errors by series and night.

    Args:
        sums: The sums of `sum_errors`.

    Returns:
        The mean errors of the model that forecast the newest night, of the newest nights that all tests use.
    """
    if sums.empty:
        return NightlyErrors([], np.empty((0, 0)), np.empty((0, 0)))
    newest = sums.loc[sums["cutoff"] == sums["cutoff"].max()].groupby("model_name")["rows"].sum()
    own = sums[sums["model_name"] == newest.idxmax()].set_index(["unique_id", "cutoff"])
    tables = (own[name].div(own["rows"]).unstack("cutoff") for name in ("size", "bias"))
    sizes, biases = (table.iloc[:, -(MAX_NIGHTS + NIGHTS - 1) :] for table in tables)
    return NightlyErrors(sizes.index.astype(str).tolist(), sizes.to_numpy(float), biases.to_numpy(float))


def compare_error_nights(errors: NightlyErrors) -> list[dict[str, ColumnDrift]]:
    """Compare as of the newest night and of the nights before, as they have seen it, the newest first."""
    count = errors.sizes.shape[1]
    parts = [slice(max(count - back - MAX_NIGHTS, 0), count - back) for back in range(min(NIGHTS, count))]
    return [{COLUMN: compare_errors(errors.sizes[:, part], errors.biases[:, part])} for part in parts]
