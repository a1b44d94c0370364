"""Panels of hours for the tests of drift and of its report."""

from typing import Any

import numpy as np
import pandas as pd

from models.data.features import FeatureSpec
from models.data.panel import InputSpec

CUTOFF = pd.Timestamp("2024-04-28 23:00", tz="UTC")


def view_of(*observed: str, freq: str = "h", horizon: int = 24) -> InputSpec:
    features = FeatureSpec(known=(), observed=observed)
    return InputSpec(features=features, freq=freq, zone="UTC", lookback=24, horizon=horizon)


def clean(days: int = 70, **columns: Any) -> pd.DataFrame:
    """Two series of hours up to the cutoff, of different size, and further columns by name."""
    ds = pd.date_range(end=CUTOFF, periods=24 * days, freq="h").as_unit("us")
    draw = np.random.default_rng(1)
    parts = []
    for name, size in (("a", 1.0), ("b", 100.0)):
        y = size * (5 + np.sin(2 * np.pi * np.arange(len(ds)) / 168) + draw.normal(0, 0.1, len(ds)))
        more = {column: values(draw, len(ds)) if callable(values) else values for column, values in columns.items()}
        parts.append(pd.DataFrame({"unique_id": name, "ds": ds, "y": y} | more))
    return pd.concat(parts, ignore_index=True)


def noise(draw: np.random.Generator, count: int) -> np.ndarray:
    return draw.normal(size=count)
