"""The newest vintage as the last resort: moved on by whole seasons, and the least width of a fallback."""

import numpy as np
import pandas as pd
import pytest

from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from tasks.modeling.forecast_setup import OutputSpec
from tasks.modeling.last_vintage import move_on, widen

CUTOFF = pd.Timestamp("2024-03-10 23:00", tz="UTC")
BOUNDS = OutputSpec(quantiles=(0.1, 0.5, 0.9), minimum=0.0)


def view_of(horizon: int, freq: str = "h") -> InputSpec:
    return InputSpec(features=FeatureSpec(known=()), freq=freq, zone="UTC", lookback=24, horizon=horizon)


def vintage_of(*names: str, horizon: int = 48, freq: str = "h", **changes: object) -> pd.DataFrame:
    """Medians that count the steps, from 101 on, and ends 10 below and 20 above."""
    steps = np.arange(1, horizon + 1, dtype=np.int16)
    parts = []
    for name in names:
        ds = pd.date_range(CUTOFF, periods=horizon + 1, freq=freq)[1:]
        part = pd.DataFrame({"unique_id": name, "ds": ds, "cutoff": CUTOFF, "step": steps, "y_hat": 100.0 + steps})
        parts.append(part.assign(q10=part["y_hat"] - 10, q50=part["y_hat"], q90=part["y_hat"] + 20))
    facts = {"model_name": "gru", "model_version": "2", "source": "champion"}
    return pd.concat(parts, ignore_index=True).assign(**(facts | changes))


def rows_of(*names: str, later: str = "24h") -> pd.DataFrame:
    return pd.DataFrame({"unique_id": list(names), "cutoff": CUTOFF + pd.Timedelta(later)})


def test_vintage_that_reaches_far_enough_is_used_as_it_is_and_then_a_season_later() -> None:
    moved = move_on(vintage_of("a"), rows_of("a"), view_of(48), BOUNDS)
    assert moved["step"].tolist() == list(range(1, 49))
    assert moved["ds"].tolist() == pd.date_range("2024-03-12", periods=48, freq="h", tz="UTC").tolist()
    assert moved["y_hat"].tolist() == [100.0 + step for step in (*range(25, 49), *range(25, 49))]
    assert (moved["y_hat"] - moved["q10"]).tolist() == pytest.approx([10.0] * 24 + [10 * 2**0.5] * 24)
    assert (moved["q90"] - moved["y_hat"]).tolist() == pytest.approx([20.0] * 24 + [20 * 2**0.5] * 24)
    assert set(moved["model_name"] + " " + moved["model_version"]) == {"gru 2"}


def test_width_grows_with_every_night_that_is_missing() -> None:
    for nights in (1, 2, 5):
        moved = move_on(vintage_of("a", horizon=24), rows_of("a", later=f"{24 * nights}h"), view_of(24), BOUNDS)
        assert moved["y_hat"].tolist() == [100.0 + step for step in range(1, 25)]
        assert (moved["q90"] - moved["y_hat"]).tolist() == pytest.approx([20 * (1 + nights) ** 0.5] * 24)


def test_horizon_shorter_than_a_season_repeats_the_last_step() -> None:
    moved = move_on(vintage_of("a", horizon=6), rows_of("a", later="3h"), view_of(6), BOUNDS)
    assert moved["y_hat"].tolist() == [104.0, 105.0, 106.0, 106.0, 106.0, 106.0]


def test_closed_steps_are_filled_so_that_every_series_has_every_step() -> None:
    vintage = vintage_of("a", "b", horizon=24)
    vintage = vintage[~vintage["step"].isin([1, 2, 10])]
    moved = move_on(vintage, rows_of("a", "b"), view_of(24), BOUNDS)
    assert moved.groupby("unique_id").size().tolist() == [24, 24]
    assert moved.loc[moved["step"].isin([1, 2, 10]), "y_hat"].tolist() == [103.0, 103.0, 109.0] * 2


def test_limits_hold_after_widening() -> None:
    low = vintage_of("a", horizon=24)
    low[["y_hat", "q10", "q50", "q90"]] -= 95.0
    assert move_on(low, rows_of("a"), view_of(24), BOUNDS)["q10"].min() == 0.0


def test_series_that_is_not_in_the_vintage_or_not_finite_there_is_left_out() -> None:
    vintage = vintage_of("a", "b", horizon=24)
    vintage.loc[vintage["unique_id"] == "b", "q90"] = np.nan
    moved = move_on(vintage, rows_of("a", "b", "c"), view_of(24), BOUNDS)
    assert set(moved["unique_id"]) == {"a"}
    other_levels = BOUNDS.model_copy(update={"quantiles": (0.05, 0.5, 0.95)})
    assert move_on(vintage, rows_of("a"), view_of(24), other_levels).empty


def test_months_are_moved_on_by_the_calendar() -> None:
    vintage = vintage_of("a", horizon=12, freq="MS")
    vintage["cutoff"] = cutoff = pd.Timestamp("2024-02-01", tz="UTC")
    vintage["ds"] = pd.date_range("2024-03-01", periods=12, freq="MS", tz="UTC")
    rows = pd.DataFrame({"unique_id": ["a"], "cutoff": cutoff + pd.offsets.MonthBegin(1)})
    moved = move_on(vintage, rows, view_of(12, "MS"), BOUNDS)
    assert moved["ds"].tolist() == pd.date_range("2024-04-01", periods=12, freq="MS", tz="UTC").tolist()
    assert moved["y_hat"].tolist() == [100.0 + step for step in (*range(2, 13), 1)]


def test_fallback_is_no_narrower_than_the_champion_was() -> None:
    table = vintage_of("a", "b", horizon=3)
    table[["y_hat", "q50"]] = 7.0
    table["q10"], table["q90"] = 6.0, np.where(table["unique_id"] == "a", 8.0, 90.0)
    served = widen(table, vintage_of("a", "b", horizon=3), BOUNDS)
    assert served["y_hat"].tolist() == [7.0] * 6
    assert served["q10"].tolist() == [0.0] * 6  # 7 - 10, and not below the minimum
    assert served["q90"].tolist() == [27.0] * 3 + [90.0] * 3
    for vintage in (vintage_of("c", horizon=3), vintage_of("a", "b", horizon=3, source="naive")):
        pd.testing.assert_frame_equal(widen(table, vintage, BOUNDS), table)
