"""Losses by segment are the scores of the rows of each segment, split over the origins."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from models.data.panel_table import PanelTable
from tasks.modeling.scores import losses_by_origin, score_forecasts
from tasks.modeling.segments import losses_by_segment, segments_of

TOWNS = pd.DataFrame({"town": ["Bonn", "Bonn", "Kiel"], "land": "DE", "code": ["1", "2", "3"]}, index=["a", "b", "c"])


def backtest() -> pd.DataFrame:
    draw = np.random.default_rng(5)
    days = pd.date_range("2024-03-01", periods=4, freq="D", tz="UTC")
    index = pd.MultiIndex.from_product([("a", "b", "c"), days, range(3)], names=["unique_id", "cutoff", "step"])
    frame = index.to_frame(index=False)
    frame["y"] = draw.gamma(2, 5, len(frame))
    frame["y_hat"] = frame["y"] + draw.normal(0, 3, len(frame))
    scale = frame["unique_id"].map({"a": 1.0, "b": 2.0, "c": 0.5})
    return frame.assign(scale=scale, q10=frame["y_hat"] - 2, q50=frame["y_hat"], q90=frame["y_hat"] + 2)


def test_losses_of_two_rows() -> None:
    table = pd.DataFrame({"unique_id": ["a", "b"], "cutoff": 0, "y": 1.0, "y_hat": [1.5, 3.0], "scale": [1.0, 4.0]})
    losses = losses_by_segment(table, "mase", TOWNS.loc[["a", "b"]])
    assert losses.to_dict() == {("series", "a", 0): 0.5, ("series", "b", 0): 0.5}
    assert list(losses.index.names) == ["by", "segment", "cutoff"]


@pytest.mark.parametrize("metric", ["mase", "wql", "mae"])
def test_mean_over_the_origins_is_the_score_of_the_segment(metric: str) -> None:
    table = backtest()
    losses = losses_by_segment(table, metric, TOWNS)
    means = losses.groupby(level=["by", "segment"]).mean().to_dict()
    kiel = table["unique_id"] == "c"
    expected = {("series", name): score_forecasts(rows)[metric] for name, rows in table.groupby("unique_id")}
    expected |= {("segment town", "Bonn"): score_forecasts(table[~kiel])[metric]}
    expected |= {("segment town", "Kiel"): score_forecasts(table[kiel])[metric]}
    assert means == {segment: pytest.approx(value) for segment, value in expected.items()}


@pytest.mark.parametrize("metric", ["mase", "wql", "mae"])
def test_segment_of_all_rows_has_the_losses_by_origin(metric: str) -> None:
    table = backtest()
    alone = table[table["unique_id"] == "c"]
    by_origin = losses_by_origin([("new", alone)], metric)["new"]
    assert losses_by_segment(alone, metric, TOWNS).to_numpy() == pytest.approx(by_origin.to_numpy())


def test_segment_without_a_scale_is_absent_and_a_forecast_that_is_not_finite_is_nan() -> None:
    table = backtest()
    table.loc[table["unique_id"] == "a", "scale"] = np.nan
    table.loc[len(table) - 1, "y_hat"] = np.nan
    losses = losses_by_segment(table, "mase", TOWNS[[]])
    assert losses.index.get_level_values("segment").unique().tolist() == ["b", "c"]
    assert losses.isna().tolist() == [False] * 7 + [True]


def test_segment_of_a_series_is_its_last_value(waves: Callable[..., pd.DataFrame]) -> None:
    clean = waves(1).assign(town=lambda frame: np.where(frame["unique_id"] == "a", "Bonn", "Kiel"))
    assert segments_of(PanelTable.from_frame(clean), ("town",))["town"].to_dict() == {"a": "Bonn", "b": "Kiel"}
    assert segments_of(PanelTable.from_frame(clean), ()).shape == (2, 0)
