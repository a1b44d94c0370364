"""Error measures against literal numbers, another library, and published scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from utilsforecast import losses

from models import metrics

M4_WEEKLY = Path(__file__).parents[3] / "shared" / "data" / "m4_weekly"
LEVELS = (0.1, 0.5, 0.9)


def test_errors_of_literal_forecasts() -> None:
    assert metrics.mae([1, 2, 3], [2, 2, 5]) == 1.0
    assert metrics.rmse([0, 0], [3, 4]) == pytest.approx(12.5**0.5)
    assert metrics.smape([100, 0], [50, 0]) == pytest.approx(200 * (50 / 150) / 2)
    assert metrics.pinball([10], [8], 0.9).tolist() == pytest.approx([1.8])
    assert metrics.pinball([8], [10], 0.9).tolist() == pytest.approx([0.2])
    assert metrics.mase_scale([1, 2, 4, 7], 1) == 2.0
    assert metrics.mase_scale([1, 2, 4, 7], 2) == 4.0
    assert metrics.coverage([1, 2, 3, 4], [0, 0, 4, 4], [2, 2, 5, 4]) == 0.75
    assert metrics.wql([10, 30], [[8, 10, 12], [20, 30, 40]], LEVELS) == pytest.approx(
        np.mean([2 * (0.2 + 1.0), 0, 2 * (0.2 + 1.0)]) / 40
    )


def test_relative_and_interval_errors_of_literal_forecasts() -> None:
    assert metrics.bias([1, 2, 3], [2, 2, 5]) == 1.0
    assert metrics.wape([1, 2, 3], [2, 2, 5]) == 0.5
    assert metrics.rmsse_scale([1, 2, 4, 7], 1) == pytest.approx((1 + 4 + 9) / 3)
    assert metrics.mase([1, 3], [2, 5], scale=3.0) == 0.5
    assert metrics.rmsse([0, 0], [3, 4], scale=12.5) == pytest.approx(1.0)
    assert metrics.owa(100.0, 0.5, 50.0, 1.0) == 1.25
    assert metrics.interval_scores([5, 0, 12], [4, 4, 4], [6, 6, 6], share=0.8).tolist() == pytest.approx([2, 42, 62])
    assert metrics.crps([10], [[8, 10, 12]], LEVELS) == pytest.approx(2 * (0.2 + 0.0 + 0.2) / 3)


def test_error_relative_to_zero_is_nan() -> None:
    assert np.isnan(metrics.wape([0, 0], [1, 2]))
    assert np.isnan(metrics.mase([1], [2], scale=0.0))
    assert np.isnan(metrics.rmsse([1], [2], scale=np.nan))
    assert np.isnan(metrics.owa(1.0, 1.0, 0.0, 1.0))
    assert np.isnan(metrics.rmsse_scale([1, 2], 7))


def test_missing_targets_are_skipped() -> None:
    nan = np.nan
    assert metrics.mae([1, nan, 3], [2, 100, 3]) == 0.5
    assert metrics.mase_scale([1, nan, 4, 7], 1) == 3.0
    assert metrics.coverage([1, nan], [0, 0], [2, 2]) == 1.0
    assert metrics.wql([10, nan], [[8, 10, 12], [1, 2, 3]], LEVELS) == metrics.wql([10], [[8, 10, 12]], LEVELS)
    assert metrics.crps([10, nan], [[8, 10, 12], [1, 2, 3]], LEVELS) == metrics.crps([10], [[8, 10, 12]], LEVELS)
    assert metrics.bias([1, nan], [2, 5]) == metrics.wape([1, nan], [2, 5]) == 1.0


@pytest.mark.parametrize("forecast", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("metric", [metrics.mae, metrics.rmse, metrics.smape])
def test_forecast_that_is_not_finite_has_no_finite_error(metric, forecast: float) -> None:
    assert not np.isfinite(metric([1, 2, 3], [1, forecast, 3]))
    assert not np.isfinite(metrics.wql([1, 2], [[1], [forecast]], [0.5]))
    assert metric([1, np.nan, 3], [1, forecast, 3]) == 0.0  # its target is missing


PAIRS = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=8)


@settings(max_examples=50)
@given(pairs=PAIRS, shift=st.floats(-1e3, 1e3), scale=st.floats(0.01, 100))
def test_errors_scale_with_the_target(pairs: list[tuple[float, float]], shift: float, scale: float) -> None:
    y, y_hat = np.array(pairs).T
    moved = scale * y + shift, scale * y_hat + shift
    assert metrics.mae(*moved) == pytest.approx(scale * metrics.mae(y, y_hat), rel=1e-6, abs=1e-6)
    assert metrics.rmse(*moved) == pytest.approx(scale * metrics.rmse(y, y_hat), rel=1e-6, abs=1e-6)
    assert 0 <= metrics.mae(y, y_hat) <= metrics.rmse(y, y_hat) * (1 + 1e-9) + 1e-9
    assert 0 <= metrics.smape(y, y_hat) <= 200 * (1 + 1e-9)


@settings(max_examples=50)
@given(values=st.lists(st.floats(-100, 100), min_size=1, max_size=30), level=st.sampled_from([0.1, 0.5, 0.9]))
def test_empirical_quantile_minimises_the_pinball_loss(values: list[float], level: float) -> None:
    best = metrics.pinball(values, np.quantile(values, level, method="inverted_cdf"), level).sum()
    others = [metrics.pinball(values, other, level).sum() for other in (*values, -200, 0, 200)]
    assert best <= min(others) + 1e-9


def test_undefined_errors_are_nan() -> None:
    assert np.isnan(metrics.mase_scale([1, 2], 2))
    assert np.isnan(metrics.mae([np.nan], [1]))
    assert np.isnan(metrics.wql([0, 0], [[0, 0, 0], [1, 1, 1]], LEVELS))


def test_errors_equal_those_of_utilsforecast() -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"unique_id": "a", "y": draw.random(50) + 1, "model": draw.random(50) + 1})
    train = pd.DataFrame({"unique_id": "a", "y": draw.random(100)})
    frame["low"], frame["high"] = frame["model"] - 0.2, frame["model"] + 0.2
    expected = {name: getattr(losses, name)(frame, ["model"])["model"].item() for name in ("mae", "rmse", "smape")}
    y, model = frame["y"], frame["model"]
    assert metrics.mae(y, model) == pytest.approx(expected["mae"])
    assert metrics.rmse(y, model) == pytest.approx(expected["rmse"])
    assert metrics.smape(y, model) == pytest.approx(100 * 2 * expected["smape"])
    scaled = losses.mase(frame, ["model"], 7, train)["model"].item()
    assert metrics.mae(y, model) / metrics.mase_scale(train["y"], 7) == pytest.approx(scaled)
    quantiles = {0.1: "low", 0.5: "model", 0.9: "high"}
    parts = [losses.quantile_loss(frame, {"q": name}, level)["q"].item() for level, name in quantiles.items()]
    stacked = frame[["low", "model", "high"]].to_numpy()
    assert metrics.wql(y, stacked, LEVELS) == pytest.approx(2 * np.mean(parts) * 50 / y.sum())


@pytest.mark.skipif(not M4_WEEKLY.exists(), reason=f"{M4_WEEKLY} is not on this machine")
def test_naive_forecast_of_m4_weekly_scores_as_published() -> None:
    train = pd.read_csv(M4_WEEKLY / "Weekly-train.csv").iloc[:, 1:].to_numpy(float)
    test = pd.read_csv(M4_WEEKLY / "Weekly-test.csv").iloc[:, 1:].to_numpy(float)
    errors, scaled = [], []
    for past, future in zip(train, test, strict=True):
        known = past[np.isfinite(past)]
        errors.append(metrics.smape(future, np.full(13, known[-1])))
        scaled.append(metrics.mae(future, np.full(13, known[-1])) / metrics.mase_scale(known, 1))
    assert round(np.mean(errors), 3) == 9.161
    assert round(np.mean(scaled), 3) == 2.777


def test_squares_of_huge_errors_do_not_overflow() -> None:
    assert metrics.rmse([0, 0], [3e300, 4e300]) == pytest.approx(12.5**0.5 * 1e300)
    assert metrics.rmse([0, 0], [3, 4]) == float(np.sqrt(12.5))
    assert not np.isfinite(metrics.rmse([0], [np.inf]))


def test_coverage_error_of_counts_is_zero_if_the_share_lies_between_both_coverages() -> None:
    assert metrics.coverage_error([0, 0, 1, 1, 2], [0] * 5, [2] * 5, 0.9) == 0.0  # 40 % strictly inside, 100 % inside
    assert metrics.coverage_error([0, 0, 1, 1, 2], [-1] * 5, [3] * 5, 0.9) == pytest.approx(0.1)
    assert metrics.coverage_error([1, 2, 3, 9], [0.5] * 4, [4.5] * 4, 0.9) == pytest.approx(0.15)
    assert metrics.coverage_error([1, np.nan], [0, 0], [2, np.nan], 0.5) == 0.5
    assert np.isnan(metrics.coverage_error([np.nan], [0], [2], 0.5))
