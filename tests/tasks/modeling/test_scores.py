"""Scores of forecast tables, by model and by origin."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.panel_table import PanelTable
from tasks.modeling.scores import (
    losses_by_origin,
    mase_scales_before,
    quantile_columns,
    quantile_name,
    score_forecasts,
    score_series,
)

DAY = pd.Timestamp("2024-03-08", tz="UTC")


@pytest.mark.parametrize(
    ("level", "name"), [(0.05, "q05"), (0.1, "q10"), (0.5, "q50"), (0.975, "q975"), (0.005, "q005"), (0.9, "q90")]
)
def test_level_and_column_name_correspond(level: float, name: str) -> None:
    assert quantile_name(level) == name
    assert quantile_columns(pd.DataFrame(columns=[name])) == {name: level}


@settings(max_examples=100)
@given(level=st.integers(1, 999_999).map(lambda millionths: millionths / 1_000_000))
def test_level_of_six_digits_is_read_back_from_its_name(level: float) -> None:
    assert quantile_columns(pd.DataFrame(columns=[quantile_name(level)])) == {quantile_name(level): level}


def test_quantile_columns_are_sorted_and_others_ignored() -> None:
    frame = pd.DataFrame(columns=["q90", "y", "q975", "q05", "q5", "quality", "q1x"])
    assert list(quantile_columns(frame)) == ["q05", "q90", "q975"]


def test_scale_is_the_seasonal_naive_error_before_the_moment() -> None:
    ds = pd.date_range("2024-03-01", periods=6, freq="D", tz="UTC")
    clean = pd.concat(
        [
            pd.DataFrame({"unique_id": "a", "ds": ds, "y": [1.0, 2.0, 4.0, 5.0, 900.0, 900.0]}),
            pd.DataFrame({"unique_id": "flat", "ds": ds, "y": 3.0}),
            pd.DataFrame({"unique_id": "short", "ds": ds[:1], "y": 3.0}),
        ]
    )
    scales = mase_scales_before(PanelTable.from_frame(clean), pd.Timestamp("2024-03-05", tz="UTC"), 2)
    assert scales["a"] == 3.0  # |4 - 1| and |5 - 2|
    assert scales[["flat", "short"]].isna().all()


def rows(**columns: object) -> pd.DataFrame:
    plain = {"unique_id": ["a", "a", "b"], "y": [1.0, 3.0, 10.0], "y_hat": [2.0, 3.0, 6.0], "scale": [1.0, 1.0, 2.0]}
    return pd.DataFrame(plain | {"q10": [0.0, 2.0, 5.0], "q50": [2.0, 3.0, 6.0], "q90": [3.0, 4.0, 7.0]} | columns)


def test_scores_of_three_rows_computed_by_hand() -> None:
    scores = score_forecasts(rows())
    assert scores["mase"] == pytest.approx((0.5 + 2.0) / 2)  # a: mean of 1 and 0; b: 4 / 2; then the mean of series
    assert scores["mae"] == pytest.approx(5 / 3)
    assert scores["rmse"] == pytest.approx(math.sqrt(17 / 3))
    assert scores["coverage"] == pytest.approx(2 / 3)
    # pinball: q10 0.1, 0.1, 0.5; q50 0.5, 0, 2; q90 0.2, 0.1, 2.7; twice their sums over the sum of |y|, then the mean
    assert scores["wql"] == pytest.approx((1.4 + 5.0 + 6.0) / 14 / 3)


def test_row_without_an_actual_does_not_count() -> None:
    more = pd.concat([rows(), rows(y=[np.nan] * 3)])
    assert score_forecasts(more) == score_forecasts(rows())


def test_constant_series_is_left_out_of_mase() -> None:
    assert score_forecasts(rows(scale=[1.0, 1.0, np.nan]))["mase"] == pytest.approx(0.5)
    assert math.isnan(score_forecasts(rows(scale=np.nan))["mase"])


def test_coverage_is_nan_without_quantiles() -> None:
    assert math.isnan(score_forecasts(rows().drop(columns=["q10", "q50", "q90"]).assign(q50=2.0))["coverage"])


def backtest() -> pd.DataFrame:
    table = pd.concat([rows(cutoff=DAY), rows(cutoff=DAY + pd.Timedelta(days=1), y=[2.0, 3.0, 6.0])])
    return pd.concat([table.assign(model_name="m"), table.assign(model_name="n", y_hat=0.0)])


@pytest.mark.parametrize("metric", ["mase", "wql", "mae"])
def test_mean_over_origins_is_the_score(metric: str) -> None:
    table = backtest()  # its series have gaps, so that a plain mean of means would be another number
    losses = losses_by_origin(table.groupby("model_name"), metric)
    assert losses.index.tolist() == sorted(table["cutoff"].unique())
    for name, part in table.groupby("model_name"):
        assert losses[name].mean() == pytest.approx(score_forecasts(part)[metric])


def test_forecast_that_is_not_finite_gives_nan_loss() -> None:
    table = backtest()
    table.loc[table.index[0], "y_hat"] = np.nan
    assert losses_by_origin(table.reset_index(drop=True).groupby("model_name"), "mae").isna().any().any()


def test_model_without_any_loss_has_a_nan_column() -> None:
    table = backtest()
    table.loc[table["model_name"] == "n", "scale"] = np.nan
    losses = losses_by_origin(table.groupby("model_name"), "mase")
    assert losses.columns.tolist() == ["m", "n"]
    assert losses["n"].isna().all()
    table["scale"] = np.nan
    assert losses_by_origin(table.groupby("model_name"), "mase").columns.tolist() == ["m", "n"]


def test_forecast_that_is_not_finite_gives_nan_score() -> None:
    table = backtest()
    part = table[table["model_name"] == "m"].reset_index(drop=True)
    part.loc[part["y"].first_valid_index(), "y_hat"] = np.nan
    assert np.isnan(score_forecasts(part)["mase"])


@pytest.mark.parametrize(
    ("level", "noise", "known"), [(0.1, 1e-17, False), (1e6, 1e-9, False), (0.0, 1e-9, True), (1e6, 1.0, True)]
)
def test_rounding_error_is_not_a_scale(level: float, noise: float, known: bool) -> None:
    ds = pd.date_range("2024-01-01", periods=60, freq="D", tz="UTC")
    y = level + noise * np.random.default_rng(2).normal(size=60)
    scales = mase_scales_before(PanelTable.from_frame(pd.DataFrame({"unique_id": "a", "ds": ds, "y": y})), ds[-1], 7)
    assert scales.notna().tolist() == [known]


@pytest.mark.parametrize("changes", [{}, {"scale": np.nan}, {"y": 0.0}, {"q10": np.nan}, {"y_hat": np.nan}])
def test_scores_of_series_are_those_of_their_rows(changes: dict[str, float]) -> None:
    table = backtest().dropna(subset=["y"]).reset_index(drop=True).assign(**changes)
    scores = score_series(table, ["unique_id", "model_name"]).set_index(["unique_id", "model_name"])
    for key, part in table.groupby(["unique_id", "model_name"]):
        expected = score_forecasts(part) | {"rows": len(part)}
        for name in ("rows", "mase", "wql", "mae", "coverage"):
            assert scores.loc[key, name] == pytest.approx(expected[name], nan_ok=True)
