"""Factors of a forecast come from errors of the same model that are known at its cutoff."""

import dataclasses

import numpy as np
import pytest

from models import factor_shrinkage, rolling_origins
from models.baselines.seasonal import fit_baselines
from models.bundle import Bundle
from models.data.panel import Panel
from models.data.windows import WindowSpec, build_window_index
from models.predict import Predictor
from models.recalibration import Recalibration
from models.rolling_origins import RollingOrigins

QUANTILES = (0.1, 0.5, 0.9)
NAMES = tuple("abcdef")


def panel_of_noise(build_panel, days: int = 90, scale: float = 1.0) -> Panel:
    """Six hourly series of normal noise, the last of which is `scale` times as wide."""
    draws = np.random.default_rng(0).normal(size=(len(NAMES), 24 * days))
    draws[-1] *= scale
    return build_panel(dict(zip(NAMES, draws.tolist(), strict=True)), lookback=24, horizon=4, freq="h")


@pytest.fixture
def naive(build_panel) -> Bundle:
    panel = panel_of_noise(build_panel)
    index = build_window_index(panel, WindowSpec(horizon=4, validation=240, test=240), panel.grid[24 * 90 - 1], 2)
    return next(model for model in fit_baselines(panel, index, panel.view, QUANTILES, (24,)) if model.name == "naive")


def factors_at(rolling: RollingOrigins, *cutoffs: int) -> list[Recalibration]:
    """The factors of every series at each position."""
    codes = np.tile(np.arange(len(NAMES)), len(cutoffs))
    position = np.repeat(cutoffs, len(NAMES))
    groups = list(rolling.recalibrate(codes, position))
    assert [rows.tolist() for rows, _ in groups] == np.arange(len(codes)).reshape(len(cutoffs), -1).tolist()
    return [fitted for _, fitted in groups]


def assert_equal(one: Recalibration, other: Recalibration) -> None:
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)


def test_values_after_the_cutoff_change_nothing(build_panel, naive) -> None:
    panel = panel_of_noise(build_panel)
    (before,) = factors_at(RollingOrigins(Predictor(naive), panel), 1800)
    spoiled = panel.y.copy()
    for start, length in zip(panel.starts, panel.lengths, strict=True):
        spoiled[start + 1801 : start + length] = 1e9
    (after,) = factors_at(RollingOrigins(Predictor(naive), dataclasses.replace(panel, y=spoiled)), 1800)
    assert_equal(before, after)
    assert (before.by_series != 1).any()


def test_cutoffs_together_and_in_turn_equal_each_alone(build_panel, naive) -> None:
    panel = panel_of_noise(build_panel)
    cutoffs = 1500, 1524, 1531, 1900
    alone = [factors_at(RollingOrigins(Predictor(naive), panel), cutoff)[0] for cutoff in cutoffs]
    together = factors_at(RollingOrigins(Predictor(naive), panel), *cutoffs)
    rolling = RollingOrigins(Predictor(naive), panel)
    in_turn = [factors_at(rolling, cutoff)[0] for cutoff in cutoffs]
    for one, other, third in zip(alone, together, in_turn, strict=True):
        assert_equal(one, other)
        assert_equal(one, third)


def test_forecasts_of_successive_cutoffs_are_computed_once(build_panel, naive, monkeypatch) -> None:
    rolling, forecast = RollingOrigins(Predictor(naive), panel_of_noise(build_panel)), []
    compute = rolling.predictor.forecast
    monkeypatch.setattr(rolling.predictor, "forecast", lambda *of: forecast.append(len(of[1])) or compute(*of))
    for cutoff in (1500, 1524, 1548):
        factors_at(rolling, cutoff)
    assert forecast == [6 * 56, 6, 6]


def test_series_that_starts_later_has_fewer_origins(build_panel, naive) -> None:
    values = np.random.default_rng(0).normal(size=(2, 24 * 90))
    late = {"a": values[0].tolist(), "b": (10 * values[1, 24 * 80 :]).tolist()}
    start = {"a": "2024-01-01", "b": "2024-03-21"}
    panel = build_panel(late, lookback=24, horizon=4, freq="h", start=start)
    series, position = np.array([0, 1]), np.array([24 * 89, 24 * 9])
    ((rows, fitted),) = RollingOrigins(Predictor(naive), panel).recalibrate(series, position)
    assert rows.tolist() == [0, 1]
    assert (fitted.by_series[1, [0, 2]] < 5).all()  # the errors of all series: b has only 9 origins x 4 steps
    assert (fitted.by_series[0, [0, 2]] < 1.2).all()


def test_of_many_series_a_sample_gives_the_factors_of_all(build_panel, naive, monkeypatch) -> None:
    monkeypatch.setattr(rolling_origins, "MAX_CELLS", 3 * 56 * 4)  # three of six series
    (fitted,) = factors_at(RollingOrigins(Predictor(naive), panel_of_noise(build_panel)), 1800)
    assert fitted.by_series.shape == (6, 3)
    assert (fitted.by_series == fitted.by_series[0]).all()
    assert fitted.nights.tolist() == [56] * 6


def test_origins_with_targets_that_a_network_was_trained_on_are_left_out(build_panel, naive, monkeypatch) -> None:
    panel = panel_of_noise(build_panel)
    settings = naive.settings.model_copy(update={"trained_until": str(panel.grid[1700])})
    rolling = RollingOrigins(Predictor(dataclasses.replace(naive, settings=settings)), panel)
    seen = []
    compute = rolling.predictor.forecast
    monkeypatch.setattr(rolling.predictor, "forecast", lambda *of: seen.extend(of[2]) or compute(*of))
    factors_at(rolling, 1800)
    assert sorted(set(seen)) == [1704, 1728, 1752, 1776]
    (unseen,) = factors_at(RollingOrigins(rolling.predictor, panel), 1700)
    assert_equal(unseen, Recalibration.neutral(6, 4, 3))


@pytest.mark.parametrize(
    ("freq", "horizon", "horizons"),
    [("h", 12, 56), ("h", 24, 56), ("h", 48, 28), ("h", 96, 14), ("D", 2, 28), ("B", 20, 2.8), ("W", 8, 7)],
)
def test_factors_are_closer_to_1_the_fewer_horizons_the_origins_cover(
    build_panel, freq: str, horizon: int, horizons: float
) -> None:
    draw = np.random.default_rng(0)
    series = {"a": draw.normal(size=3000).tolist()}
    panel = build_panel(series, lookback=2, horizon=horizon, freq=freq, start="1950-01-02")
    index = build_window_index(panel, WindowSpec(horizon=horizon, validation=240, test=240), panel.grid[2999], 2)
    bundle = next(iter(fit_baselines(panel, index, panel.view, QUANTILES, (1,))))
    rolling, window = RollingOrigins(Predictor(bundle), panel), (np.array([0]), np.array([2500]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(factor_shrinkage, "MAX_SHIFT", np.inf)
        ((_, fitted),) = rolling.recalibrate(*window)
        patch.setattr(factor_shrinkage, "OWN_HORIZONS", 1e-9)
        ((_, whole),) = rolling.recalibrate(*window)
    share = horizons / (horizons + 20)
    np.testing.assert_allclose(np.log(fitted.by_series), share * np.log(whole.by_series))
    np.testing.assert_allclose(np.log(fitted.by_step), share * np.log(whole.by_step))
