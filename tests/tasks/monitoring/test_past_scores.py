"""Forecasts of earlier nights are scored against the actuals that are known by now."""

import pandas as pd
import pytest

from models.data.panel_table import PanelTable
from tasks.monitoring.past_scores import score_vintages

FIRST = pd.Timestamp("2024-03-08", tz="UTC")


def vintage(steps: list[str], names: str = "ab", y_hat: float = 4.0) -> pd.DataFrame:
    ds = pd.to_datetime(steps, utc=True)
    parts = [
        pd.DataFrame({"unique_id": name, "ds": ds, "y_hat": y_hat, "q10": 3.0, "q50": y_hat, "q90": 6.0})
        for name in names
    ]
    return pd.concat(parts).assign(model_name="gru", source="champion")


def clean(days: int = 9) -> pd.DataFrame:
    ds = pd.date_range("2024-03-01", periods=days, freq="D", tz="UTC")
    parts = [pd.DataFrame({"unique_id": name, "ds": ds, "y": [float(n % 4 + 3) for n in range(days)]}) for name in "ab"]
    return pd.concat(parts)


def test_forecast_is_scored_on_steps_that_have_actuals() -> None:
    scores = score_vintages({FIRST: vintage(["2024-03-09", "2024-03-10"])}, PanelTable.from_frame(clean()), season=1)
    assert scores["rows"].tolist() == [1, 1]
    assert scores["mae"].tolist() == [1.0, 1.0]  # 3 came on the ninth
    assert scores["mase"].tolist() == pytest.approx([1 / (9 / 7)] * 2)  # seven changes before it, six of 1 and one of 3
    assert scores["coverage"].tolist() == [1.0, 1.0]
    assert set(scores["forecast_vintage"]) == {FIRST}


def test_each_vintage_and_series_has_its_own_row() -> None:
    vintages = {FIRST: vintage(["2024-03-08"]), FIRST + pd.Timedelta(days=1): vintage(["2024-03-09"], names="b")}
    scores = score_vintages(vintages, PanelTable.from_frame(clean()), season=1)
    assert list(zip(scores["forecast_vintage"].dt.day, scores["unique_id"], strict=True)) == [
        (8, "a"),
        (8, "b"),
        (9, "b"),
    ]


def test_missing_actuals_are_not_scored() -> None:
    assert score_vintages({FIRST: vintage(["2024-04-01"])}, PanelTable.from_frame(clean()), season=1).empty
    assert score_vintages(
        {FIRST: vintage(["2024-03-08"])}, PanelTable.from_frame(clean().assign(y=float("nan"))), season=1
    ).empty
    assert score_vintages({FIRST: vintage(["2024-03-08"], names="z")}, PanelTable.from_frame(clean()), season=1).empty


def test_scale_does_not_use_values_after_the_forecast() -> None:
    wild = clean()
    wild.loc[wild["ds"] > "2024-03-08", "y"] = 1e9
    calm = score_vintages({FIRST: vintage(["2024-03-08"])}, PanelTable.from_frame(clean()), season=1)
    assert (
        score_vintages({FIRST: vintage(["2024-03-08"])}, PanelTable.from_frame(wild), season=1)["mase"].tolist()
        == calm["mase"].tolist()
    )
