"""Scores from sums equal those of all rows at once, for any split into parts; left-out series are counted."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from utilsforecast import losses

from data_contracts.odcs_compiler import builtin_contract
from models import metrics
from models.data.panel_table import PanelTable
from tasks.modeling.group_scores import ScoreSpec, SeriesScales, interval_columns, score_groups, score_models
from tasks.modeling.loss_sums import CentralInterval, LossSums, central_intervals
from tasks.storage.parquet import to_contract_table

LEVELS = {"q10": 0.1, "q50": 0.5, "q90": 0.9}
TOLERANCE = {"rel": 1e-9, "abs": 1e-9}


def forecasts(seed: int = 0, origins: int = 3, horizon: int = 4) -> pd.DataFrame:
    """Three series, three origins and four steps, with quantiles that miss some targets."""
    draw = np.random.default_rng(seed)
    days = pd.date_range("2024-03-01", periods=origins, freq="D", tz="UTC")
    index = pd.MultiIndex.from_product(
        [("a", "b", "c"), days, range(1, horizon + 1)], names=["unique_id", "as_of", "step"]
    )
    frame = index.to_frame(index=False)
    frame["ds"] = frame["as_of"] + pd.to_timedelta(frame["step"], unit="h")
    frame["y"] = np.round(draw.gamma(2, 5, len(frame)))
    quantiles = np.sort(frame["y"].to_numpy()[:, None] + draw.normal(0, 3, (len(frame), 3)), axis=1)
    return frame.assign(y_hat=quantiles[:, 1], **dict(zip(LEVELS, quantiles.T, strict=True)))


def history(seed: int = 1) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    hours = pd.date_range("2024-02-01", periods=200, freq="h", tz="UTC")
    return pd.concat([pd.DataFrame({"unique_id": n, "ds": hours, "y": draw.gamma(2, 5, 200)}) for n in "abc"])


def scales_of(train: pd.DataFrame, season: int = 24) -> SeriesScales:
    return SeriesScales.before(PanelTable.from_frame(train), train["ds"].max(), season)


def score(frame: pd.DataFrame, by: str = "overall", weights: str = "equal", **models: pd.DataFrame) -> pd.DataFrame:
    sums = {name: LossSums() for name in ("net", *models)}
    for name, table in {"net": frame, **models}.items():
        sums[name].add(table)
    spec = ScoreSpec(season=24, reference="naive", weights=weights)
    scores = score_models(sums, pd.DataFrame(index=["a", "b", "c"]), scales_of(history()), spec)
    return scores[(scores["by"] == by) & (scores["model_name"] == "net")].set_index("group")


def test_central_intervals_need_both_ends() -> None:
    assert central_intervals({"q025": 0.025, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}) == (
        CentralInterval(0.8, "q10", "q90"),
    )
    assert CentralInterval(0.95, "q025", "q975").name == "95"
    assert CentralInterval(0.975, "q0125", "q9875").name == "975"


def test_scores_of_all_rows_equal_the_metrics() -> None:
    frame = forecasts()
    scores, y, y_hat = score(frame).loc[""], frame["y"], frame["y_hat"]
    quantiles, levels = frame[list(LEVELS)].to_numpy(), list(LEVELS.values())
    expected = {
        "rows": 36,
        "series": 3,
        "mae": metrics.mae(y, y_hat),
        "rmse": metrics.rmse(y, y_hat),
        "bias": metrics.bias(y, y_hat),
        "wape": metrics.wape(y, y_hat),
        "smape": metrics.smape(y, y_hat),
        "wql": metrics.wql(y, quantiles, levels),
        "crps": metrics.crps(y, quantiles, levels),
        "coverage_80": metrics.coverage(y, frame["q10"], frame["q90"]),
        "winkler_80": metrics.interval_scores(y, frame["q10"], frame["q90"], 0.8).mean(),
        "pinball_q10": metrics.pinball(y, frame["q10"], 0.1).mean(),
    }
    assert {name: scores[name] for name in expected} == {
        name: pytest.approx(v, **TOLERANCE) for name, v in expected.items()
    }


@pytest.mark.parametrize("by", ["overall", "series"])
def test_means_over_series_equal_those_of_utilsforecast(by: str) -> None:
    frame, train = forecasts(), history()
    scores = score(frame, by)
    rows = frame.rename(columns={"y_hat": "net"})
    for name, table in (
        ("mase", losses.mase(rows, ["net"], 24, train)),
        ("rmsse", losses.rmsse(rows, ["net"], 24, train)),
        ("wql_series", losses.scaled_crps(rows, {"net": list(LEVELS)}, np.array(list(LEVELS.values())))),
    ):
        expected = table.set_index("unique_id")["net"].sort_index().to_numpy()
        expected = expected if by == "series" else [expected.mean()]
        np.testing.assert_allclose(scores[name].to_numpy(float), expected, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("by", ["step", "origin"])
def test_scores_of_a_group_are_those_of_its_rows(by: str) -> None:
    frame = forecasts()
    scores = score(frame, by)
    key = {"step": "step", "origin": "as_of"}[by]
    for value, rows in frame.groupby(key):
        group = scores.loc[value.isoformat() if by == "origin" else str(value)]
        assert group["mae"] == pytest.approx(metrics.mae(rows["y"], rows["y_hat"]), **TOLERANCE)
        of_rows = score(rows).loc[""]
        assert group["mase"] == pytest.approx(of_rows["mase"], **TOLERANCE)


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, 36), max_size=4), seed=st.integers(0, 5))
def test_any_split_into_parts_gives_the_same_scores(cuts: Sequence[int], seed: int) -> None:
    frame = forecasts(seed).sample(frac=1, random_state=seed)
    whole, parts = LossSums(), LossSums()
    whole.add(frame)
    borders = [0, *sorted(cuts), len(frame)]
    for start, end in itertools.pairwise(borders):
        parts.add(frame.iloc[start:end])
    for name in ("step", "origin"):
        pd.testing.assert_frame_equal(whole.by(name), parts.by(name), rtol=1e-12)


def test_series_without_a_scale_is_left_out_and_counted() -> None:
    frame = forecasts()
    constant = history()
    constant.loc[constant["unique_id"] == "b", "y"] = 5.0
    sums = LossSums()
    sums.add(frame)
    scores = score_groups(sums.by_series, None, scales_of(constant), "equal").loc[0]
    others = LossSums()
    others.add(frame[frame["unique_id"] != "b"])
    expected = score_groups(others.by_series, None, scales_of(constant), "equal").loc[0]
    assert (scores["left_out_mase"], scores["left_out_rmsse"], scores["left_out"]) == (1, 1, 0)
    assert scores["mase"] == pytest.approx(expected["mase"])
    assert scores["mae"] != expected["mae"]


def test_series_without_an_actual_is_counted_and_has_no_score() -> None:
    frame = forecasts()
    frame.loc[frame["unique_id"] == "c", "y"] = np.nan
    scores = score(frame).loc[""]
    assert (scores["rows"], scores["series"], scores["left_out"], scores["left_out_mase"]) == (24, 2, 1, 1)
    assert scores["mae"] == pytest.approx(score(frame[frame["unique_id"] != "c"]).loc["", "mae"])
    assert np.isnan(score(frame, "series").loc["c", "mae"])


def test_series_of_zeros_has_no_weighted_quantile_loss_of_its_own() -> None:
    frame = forecasts()
    frame.loc[frame["unique_id"] == "a", "y"] = 0.0
    scores = score(frame).loc[""]
    assert scores["left_out_wql_series"] == 1
    assert np.isfinite(scores["wql_series"])


def test_forecast_that_is_not_finite_is_not_left_out() -> None:
    frame = forecasts()
    frame.loc[3, ["y_hat", *LEVELS]] = np.nan
    scores, series = score(frame).loc[""], score(frame, "series")
    assert np.isnan(
        [scores[name] for name in ("mae", "mase", "rmsse", "wql", "wql_series", "crps", "coverage_80")]
    ).all()
    assert np.isnan(series.loc["a", "mae"])
    assert np.isfinite(series.loc["b", "mae"])


def test_owa_compares_with_the_reference_in_the_same_group() -> None:
    frame = forecasts()
    worse = frame.assign(y_hat=frame["y_hat"] + 10)
    scores = score(frame, "step", naive=worse)
    assert (scores["owa"] < 1).all()
    assert score(frame, naive=frame).loc["", "owa"] == pytest.approx(1.0)
    assert np.isnan(score(frame).loc["", "owa"])


def test_weights_by_volume_favour_large_series() -> None:
    frame = forecasts()
    large = frame["unique_id"] == "a"
    frame.loc[large, ["y", "y_hat", *LEVELS]] *= 1000
    by_series, sizes = score(frame, "series"), frame.groupby("unique_id")["y"].mean()
    expected = (by_series["mase"] * sizes).sum() / sizes.sum()
    assert score(frame, weights="volume").loc["", "mase"] == pytest.approx(expected)
    assert score(frame).loc["", "mase"] == pytest.approx(by_series["mase"].mean())


def test_segments_are_values_of_static_columns() -> None:
    frame, sums = forecasts(), LossSums()
    sums.add(frame)
    towns = pd.DataFrame({"town": ["Bonn", "Bonn", "Kiel"]}, index=["a", "b", "c"])
    scores = score_models({"net": sums}, towns, scales_of(history()), ScoreSpec(season=24, reference="naive"))
    segments = scores[scores["by"] == "segment town"].set_index("group")
    assert segments["series"].to_dict() == {"Bonn": 2, "Kiel": 1}
    rows = frame[frame["unique_id"] == "c"]
    assert segments.loc["Kiel", "mae"] == pytest.approx(metrics.mae(rows["y"], rows["y_hat"]))
    assert interval_columns(list(scores.columns)) == ("80",)
    assert to_contract_table(scores, builtin_contract("rolling_scores")).num_rows == len(scores)
