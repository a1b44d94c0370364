"""Small panels for the tests of models: series by name, on one regular grid."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.data.features import FeatureSpec
from models.data.panel import InputSpec, Panel
from models.data.windows import WindowIndex, WindowSpec, build_window_index

BuildFrame = Callable[..., pd.DataFrame]
BuildPanel = Callable[..., Panel]
PLAIN = FeatureSpec(known=())


def frame_of(
    series: Mapping[str, Sequence[float]],
    freq: str = "D",
    start: str | Mapping[str, str] = "2024-01-01",
    **columns: Mapping[str, Sequence[Any]],
) -> pd.DataFrame:
    """unique_id, ds, y and further columns, each a mapping from series to its values."""
    parts = []
    for name in sorted(series):
        first = start if isinstance(start, str) else start[name]
        ds = pd.date_range(first, periods=len(series[name]), freq=freq, tz="UTC").as_unit("us")
        part = pd.DataFrame({"unique_id": name, "ds": ds, "y": np.array(series[name], dtype=float)})
        parts.append(part.assign(**{word: list(values[name]) for word, values in columns.items()}))
    return pd.concat(parts, ignore_index=True)


def panel_of(
    series: Mapping[str, Sequence[float]],
    lookback: int = 3,
    horizon: int = 2,
    features: FeatureSpec = PLAIN,
    freq: str = "D",
    **more: Any,
) -> Panel:
    view = InputSpec(features=features, freq=freq, zone="UTC", lookback=lookback, horizon=horizon)
    return Panel.from_frame(frame_of(series, freq, **more), view)


def noisy_days(days: int = 40, seed: int = 0) -> dict[str, list[float]]:
    """Three hourly series with a daily wave and noise, of very different size."""
    draw, hours = np.random.default_rng(seed), np.arange(24 * days)
    wave = np.sin(2 * np.pi * hours / 24)
    return {
        name: (size * (wave + 0.2 * draw.standard_normal(len(hours)) + 3)).tolist()
        for name, size in (("big", 1e6), ("middle", 10.0), ("small", 1e-3))
    }


@pytest.fixture(scope="session")
def build_frame() -> BuildFrame:
    return frame_of


@pytest.fixture
def build_panel() -> BuildPanel:
    return panel_of


@pytest.fixture(scope="session")
def waves() -> tuple[Panel, WindowIndex]:
    """Forty days of three hourly waves, lookback a day, horizon six hours, and their windows."""
    panel = panel_of(noisy_days(), lookback=24, horizon=6, freq="h", features=FeatureSpec())
    spec = WindowSpec(horizon=6, validation="5d", test="5d")
    return panel, build_window_index(panel, spec, panel.grid[24 * 40 - 1], origins=5)


def gappy_waves() -> tuple[Panel, WindowIndex]:
    """The panel of `waves` without a fifth of the values of one series: the parts of a batch weigh unequally."""
    series = noisy_days()
    series["big"] = [np.nan if hour % 5 == 0 else value for hour, value in enumerate(series["big"])]
    panel = panel_of(series, lookback=24, horizon=6, freq="h", features=FeatureSpec())
    spec = WindowSpec(horizon=6, validation="5d", test="5d")
    return panel, build_window_index(panel, spec, panel.grid[24 * 40 - 1], origins=5)
