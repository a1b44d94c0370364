"""Fabricate what nights publish: copies of a measured night with later times, in place of nights that would take hours.

Forecasts, scores and anomalies are those of the measured night, moved by whole days. Actuals are the values of the
table, so that the next measured night has as many vintages to score and as many errors to compare with as after that
many nights, and only its own actuals are new.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from tasks.storage.layout import vintage_uri
from tasks.storage.store import Store

KINDS = ("forecasts", "actuals", "accuracy", "anomalies")
TIMES = ("ds", "cutoff", "as_of", "forecast_vintage")


def fabricate_nights(folder: Path, measured: datetime, count: int) -> None:
    """Publish copies of a night for each of the days after it.

    Args:
        folder: The store, and `big.parquet`: every series has the same hours, sorted.
        measured: The as-of of a night that has published each of the kinds.
        count: The number of nights.
    """
    store = Store(root=str(folder / "store"))
    values, start = read_values(folder / "big.parquet", measured)
    for kind in KINDS:
        parts = list(store.row_groups(store.table_at(vintage_uri(kind, "big", measured), kind)))
        for days in range(1, count + 1):
            moved = move_parts((part.to_pandas() for part in parts), timedelta(days=days), values, start)
            store.publish(store.put_parts(moved, kind), vintage_uri(kind, "big", measured + timedelta(days=days)))


def read_values(path: Path, since: datetime) -> tuple[np.ndarray, pd.Timestamp]:
    """Read y of every series from a day before a time on, (series, hours), and the time of the first column."""
    file, start = pq.ParquetFile(path), pd.Timestamp(since) - timedelta(days=1)
    rows = []
    for batch in file.iter_batches(columns=["t", "y"]):
        frame = batch.to_pandas()
        rows.append(frame.loc[frame["t"] >= start, "y"].to_numpy())
    hours = int((file.read_row_group(file.num_row_groups - 1)["t"][-1].as_py() - start) / timedelta(hours=1)) + 1
    return np.concatenate(rows).reshape(-1, hours), start


def move_parts(
    parts: Iterator[pd.DataFrame], by: timedelta, values: np.ndarray, start: pd.Timestamp
) -> Iterator[pd.DataFrame]:
    """Yield rows with later times, and with the values of the table in the column y if there is one."""
    for part in parts:
        moved = part.assign(**{name: part[name] + by for name in TIMES if name in part})
        if "y" in moved:
            series = moved["unique_id"].str.removeprefix("series-").to_numpy(np.int64)
            moved["y"] = values[series, ((moved["ds"] - start) // timedelta(hours=1)).to_numpy()]
        yield moved
