"""The level of forecasts against the seasons before them: medians of counts are no drift, a level that jumps is."""

import numpy as np
import pandas as pd
import pytest

from models.data.panel import Panel
from tasks.monitoring.forecasts import compare_forecast_nights, forecast_levels
from tests.tasks.drift_panels import CUTOFF, view_of

DAYS = 40


def panel_of(kind: str, series: int = 8) -> Panel:
    """Hourly series of forty days: counts that are mostly 0, or values with a long tail."""
    draw, ds = np.random.default_rng(3), pd.date_range(end=CUTOFF, periods=24 * DAYS, freq="h").as_unit("us")
    parts = []
    for number in range(series):
        y = draw.poisson(0.3, len(ds)).astype(float) if kind == "counts" else draw.lognormal(0, 1, len(ds))
        parts.append(pd.DataFrame({"unique_id": f"{number:02}", "ds": ds, "y": y}))
    return Panel.from_frame(pd.concat(parts, ignore_index=True), view_of())


def forecast(panel: Panel, days_ago: int, median: float) -> pd.DataFrame:
    step, cutoff = np.arange(1, 25), CUTOFF - pd.Timedelta(days=days_ago)
    tables = [pd.DataFrame({"unique_id": name, "step": step, "y_hat": median}) for name in panel.ids]
    return pd.concat(tables, ignore_index=True).assign(cutoff=cutoff)


@pytest.mark.parametrize(("kind", "median"), [("counts", 0.0), ("long tail", 1.0)])
@pytest.mark.parametrize(("factor", "drifted"), [(0.0, False), (4.0, True)])
def test_only_a_level_that_jumps_is_drift(kind: str, median: float, factor: float, drifted: bool) -> None:
    panel = panel_of(kind)
    tables = [forecast(panel, day, median + (factor if day < 2 else 0.0)) for day in range(27, -1, -1)]
    nights = compare_forecast_nights(forecast_levels(tables, panel))
    assert [night["forecasts"].p_value < 0.01 for night in nights] == [drifted, drifted, False]


def test_level_is_the_mean_distance_from_the_same_hours_in_deviations() -> None:
    ds = pd.date_range(end=CUTOFF, periods=24 * 5, freq="h").as_unit("us")
    wave = np.tile(np.arange(24.0), 5)
    frame = pd.DataFrame({"unique_id": "a", "ds": ds, "y": wave})
    panel = Panel.from_frame(frame, view_of())
    table = pd.DataFrame({"unique_id": "a", "step": np.arange(1, 25), "y_hat": wave[:24] + 3.0, "cutoff": CUTOFF})
    levels = forecast_levels([table], panel)
    assert levels.tolist() == [[pytest.approx(3.0 / wave.std(ddof=1))]]


def test_tables_without_rows_of_one_cutoff_or_off_the_grid_count_once_or_not() -> None:
    panel = panel_of("counts")
    tonight, again = forecast(panel, 0, 0.0), forecast(panel, 0, 5.0)
    assert forecast_levels([tonight, again, tonight.iloc[:0]], panel).shape == (8, 1)
    assert forecast_levels([tonight, again], panel).tolist() == forecast_levels([again], panel).tolist()
    assert forecast_levels([forecast(panel, 99, 0.0)], panel).shape == (8, 0)
    assert compare_forecast_nights(forecast_levels([], panel)) == []


def test_constant_series_and_unknown_names_give_no_level() -> None:
    ds = pd.date_range(end=CUTOFF, periods=48, freq="h").as_unit("us")
    panel = Panel.from_frame(pd.DataFrame({"unique_id": "a", "ds": ds, "y": 1.0}), view_of())
    assert np.isnan(forecast_levels([forecast(panel, 0, 9.0).assign(unique_id="z")], panel)).all()
    assert np.isnan(forecast_levels([forecast(panel, 0, 9.0)], panel)).all()
