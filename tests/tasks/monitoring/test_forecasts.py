"""Forecasts take the place of the newest observations: one that leaves the history is found, a flat one too."""

import numpy as np
import pandas as pd
import pytest

from models.data.panel import Panel
from models.drift.detection import DriftWindows
from tasks.monitoring.forecasts import compare_forecasts, join_forecasts
from tests.tasks.drift_panels import CUTOFF, clean, view_of

WINDOWS = DriftWindows(reference=56 * 24, current=168, block=24, season=168)
WAVE = np.sin(2 * np.pi * np.arange(24) / 24)


def history() -> pd.DataFrame:
    """Two series of 70 days with a daily season of amplitude 1 and 100."""
    frame = clean()
    hours = frame.groupby("unique_id").cumcount()
    size = frame["unique_id"].map({"a": 1.0, "b": 100.0})
    draw = np.random.default_rng(3).normal(0, 0.2, len(frame))
    return frame.assign(y=size * (5 + np.sin(2 * np.pi * hours / 24) + draw))


def forecast(a: np.ndarray, b: np.ndarray) -> pd.DataFrame:
    steps = np.arange(1, len(a) + 1)
    parts = [pd.DataFrame({"unique_id": name, "step": steps, "y_hat": y}) for name, y in (("a", a), ("b", b))]
    return pd.concat(parts, ignore_index=True).assign(cutoff=CUTOFF)


def p_value(table: pd.DataFrame) -> float:
    (night,) = compare_forecasts([table], history(), view_of(), WINDOWS)
    return night["forecasts"].p_value


def test_forecast_that_goes_on_as_before_is_no_drift() -> None:
    assert p_value(forecast(5 + WAVE, 100 * (5 + WAVE))) > 0.05


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (9 + WAVE, 100 * (9 + WAVE)),
        (5 + WAVE, 100 * (9 + WAVE)),
        (5 - WAVE, 100 * (5 - WAVE)),
        (5 + 0 * WAVE, 500 + 0 * WAVE),
    ],
    ids=["level", "level of one series", "season upside down", "flat"],
)
def test_forecast_that_leaves_the_history_is_drift(a: np.ndarray, b: np.ndarray) -> None:
    assert p_value(forecast(a, b)) < 0.01


def test_forecasts_follow_the_observations_before_the_cutoff() -> None:
    frame = pd.DataFrame({"unique_id": "a", "ds": pd.date_range(end=CUTOFF, periods=4, freq="h"), "y": [1.0, 2, 3, 4]})
    panel = Panel.from_frame(frame.assign(ds=frame["ds"].dt.as_unit("us")), view_of(horizon=3))
    table = pd.DataFrame({"unique_id": ["a", "a", "z"], "step": [1, 3, 1], "y_hat": [5.0, 7.0, 9.0]})
    np.testing.assert_equal(join_forecasts(panel, table, 3, 2, 3), [[3.0, 4.0, 5.0, np.nan, 7.0]])


def test_forecast_shorter_than_a_block_or_history_shorter_than_the_reference_is_not_compared() -> None:
    assert compare_forecasts([forecast(WAVE[:23], WAVE[:23])], history(), view_of(), WINDOWS) == []
    assert compare_forecasts([forecast(WAVE, WAVE)], clean(days=50), view_of(), WINDOWS) == []
