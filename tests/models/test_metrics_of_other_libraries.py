"""Every metric equals that of utilsforecast or scoringrules to 1e-9, on several series with ties, zeros and gaps."""

import numpy as np
import pandas as pd
import pytest
import scoringrules
from utilsforecast import losses

from models import metrics

TOLERANCE = 1e-9
LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
SEASON, SERIES, ROWS = 7, ("a", "b", "c"), 60
COLUMNS = [f"q{round(100 * level):02}" for level in LEVELS]


def table(seed: int) -> pd.DataFrame:
    """Three series of another size: targets, a forecast and its quantiles; some targets are 0."""
    draw = np.random.default_rng(seed)
    parts = []
    for number, name in enumerate(SERIES):
        y = np.round(draw.gamma(2, 10.0**number, ROWS)) * (draw.random(ROWS) > 0.2)
        quantiles = np.sort(y[:, None] + draw.normal(0, 3 * 10.0**number, (ROWS, len(LEVELS))), axis=1)
        days = pd.date_range("2024-01-01", periods=ROWS, freq="D")
        part = pd.DataFrame({"unique_id": name, "ds": days, "y": y, "model": quantiles[:, 3]})
        parts.append(part.assign(**dict(zip(COLUMNS, quantiles.T, strict=True))))
    return pd.concat(parts, ignore_index=True)


def history(seed: int) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    days = pd.date_range("2023-01-01", periods=100, freq="D")
    parts = [
        pd.DataFrame({"unique_id": name, "ds": days, "y": draw.gamma(2, 10.0**number, 100)})
        for number, name in enumerate(SERIES)
    ]
    return pd.concat(parts, ignore_index=True)


def of_series(result: pd.DataFrame, name: str) -> float:
    return float(result.set_index("unique_id").loc[name, "model"])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SERIES)
def test_point_metrics_equal_those_of_utilsforecast(name: str, seed: int) -> None:
    frame, train = table(seed), history(seed)
    rows, past = frame[frame["unique_id"] == name], train.loc[train["unique_id"] == name, "y"]
    y, y_hat = rows["y"], rows["model"]
    close = {"rel": TOLERANCE, "abs": TOLERANCE}
    assert metrics.mae(y, y_hat) == pytest.approx(of_series(losses.mae(frame, ["model"]), name), **close)
    assert metrics.rmse(y, y_hat) == pytest.approx(of_series(losses.rmse(frame, ["model"]), name), **close)
    assert metrics.bias(y, y_hat) == pytest.approx(of_series(losses.bias(frame, ["model"]), name), **close)
    assert metrics.wape(y, y_hat) == pytest.approx(of_series(losses.nd(frame, ["model"]), name), **close)
    smape = of_series(losses.smape(frame, ["model"]), name)  # of 0 to 1
    assert metrics.smape(y, y_hat) == pytest.approx(200 * smape, **close)
    mase = of_series(losses.mase(frame, ["model"], SEASON, train), name)
    assert metrics.mase(y, y_hat, metrics.mase_scale(past, SEASON)) == pytest.approx(mase, **close)
    rmsse = of_series(losses.rmsse(frame, ["model"], SEASON, train), name)
    assert metrics.rmsse(y, y_hat, metrics.rmsse_scale(past, SEASON)) == pytest.approx(rmsse, **close)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SERIES)
def test_quantile_metrics_equal_those_of_utilsforecast(name: str, seed: int) -> None:
    frame = table(seed)
    rows = frame[frame["unique_id"] == name]
    y, quantiles = rows["y"].to_numpy(), rows[COLUMNS].to_numpy()
    close = {"rel": TOLERANCE, "abs": TOLERANCE}
    for column, level in zip(COLUMNS, LEVELS, strict=True):
        expected = of_series(losses.quantile_loss(frame, {"model": column}, level), name)
        assert metrics.pinball(y, rows[column], level).mean() == pytest.approx(expected, **close)
    mean_loss = of_series(losses.mqloss(frame, {"model": COLUMNS}, LEVELS), name)
    assert metrics.crps(y, quantiles, LEVELS) == pytest.approx(2 * mean_loss, **close)
    scaled = of_series(losses.scaled_crps(frame, {"model": COLUMNS}, LEVELS), name)
    assert metrics.wql(y, quantiles, LEVELS) == pytest.approx(scaled, **close)
    for low, high, percent in (("q05", "q95", 90), ("q10", "q90", 80), ("q25", "q75", 50)):
        named = frame.rename(columns={low: f"model-lo-{percent}", high: f"model-hi-{percent}"})
        coverage = of_series(losses.coverage(named, ["model"], percent), name)
        assert metrics.coverage(y, rows[low], rows[high]) == pytest.approx(coverage, **close)
        winkler = of_series(losses.winkler_score(named, ["model"], percent), name)
        scores = metrics.interval_scores(y, rows[low], rows[high], percent / 100)
        assert scores.mean() == pytest.approx(winkler, **close)


@pytest.mark.parametrize("seed", range(3))
def test_probabilistic_scores_equal_those_of_scoringrules(seed: int) -> None:
    frame = table(seed)
    y, quantiles = frame["y"].to_numpy(), frame[COLUMNS].to_numpy()
    expected = scoringrules.crps_quantile(y, quantiles, LEVELS)
    assert metrics.crps(y, quantiles, LEVELS) == pytest.approx(float(np.mean(expected)), rel=TOLERANCE)
    for column, level in zip(COLUMNS, LEVELS, strict=True):
        losses_of_level = scoringrules.quantile_score(y, frame[column].to_numpy(), level)
        np.testing.assert_allclose(metrics.pinball(y, frame[column], level), losses_of_level, rtol=0, atol=TOLERANCE)
    for low, high, share in (("q05", "q95", 0.9), ("q10", "q90", 0.8), ("q25", "q75", 0.5)):
        expected = scoringrules.interval_score(y, frame[low].to_numpy(), frame[high].to_numpy(), 1 - share)
        scores = metrics.interval_scores(y, frame[low], frame[high], share)
        np.testing.assert_allclose(scores, expected, rtol=TOLERANCE, atol=TOLERANCE)
