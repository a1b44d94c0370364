"""Baselines: their point forecasts and the coverage of their intervals."""

import numpy as np
import pytest

from models.baselines import seasonal
from models.baselines.seasonal import fit_baselines
from models.bundle import Bundle
from models.data.panel import Panel
from models.data.windows import WindowSpec, build_window_index
from models.predict import predict

QUANTILES = (0.1, 0.5, 0.9)


def baselines(panel: Panel, cycles: tuple[int, ...] = (7,), **parts: int) -> dict[str, Bundle]:
    spec = WindowSpec(horizon=panel.view.horizon, **({"validation": 14, "test": 14} | parts))
    index = build_window_index(panel, spec, panel.grid[int(panel.lengths.max()) - 1], 2)
    return {bundle.name: bundle for bundle in fit_baselines(panel, index, panel.view, QUANTILES, cycles)}


def point(bundle: Bundle, panel: Panel, position: int) -> list[float]:
    return predict(bundle, panel, np.array([0]), np.array([position]))[0, :, 1].tolist()


def test_point_forecasts_of_each_baseline(build_panel) -> None:
    panel = build_panel({"a": [*range(98), 100, 101, 102, 103, 104, 105, 106]}, lookback=14, horizon=3)
    bundles = baselines(panel)
    assert sorted(bundles) == ["linear", "naive", "seasonal_mean_7", "seasonal_naive_7"]
    assert point(bundles["naive"], panel, 104) == [106, 106, 106]
    assert point(bundles["seasonal_naive_7"], panel, 104) == [100, 101, 102]
    mean = np.mean([[100, 101, 102], *([91 - 7 * k, 92 - 7 * k, 93 - 7 * k] for k in range(7))], axis=0)
    assert point(bundles["seasonal_mean_7"], panel, 104) == np.rint(mean).tolist()


def test_each_season_has_a_seasonal_naive(build_panel) -> None:
    hours = np.sin(np.arange(24 * 40) / 24 * 2 * np.pi) + 3
    panel = build_panel({"a": hours.tolist()}, lookback=48, horizon=24, freq="h")
    names = list(baselines(panel, (24, 168), validation=96, test=96))
    assert names == ["naive", "seasonal_naive_24", "seasonal_naive_168", "seasonal_mean_168", "linear"]


def test_horizon_longer_than_the_season_repeats_the_season(build_panel) -> None:
    panel = build_panel({"a": list(range(70))}, lookback=14, horizon=4)
    assert point(baselines(panel, (3,))["seasonal_naive_3"], panel, 69) == [67, 68, 69, 67]


def test_missing_seasonal_value_falls_back_to_the_last_value(build_panel) -> None:
    panel = build_panel({"a": [*range(66), None, 67, 68, 69]}, lookback=14, horizon=2)
    assert point(baselines(panel, (4,))["seasonal_naive_4"], panel, 69) == [69, 67]


@pytest.mark.parametrize("name", ["naive", "seasonal_naive_7", "seasonal_mean_7", "linear"])
def test_windows_are_forecast_a_few_at_a_time(build_panel, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    panel = build_panel({n: (50 + draw.standard_normal(200)).tolist() for n in "abc"}, lookback=14, horizon=3)
    bundle, windows = baselines(panel)[name], (np.array([0, 1, 2, 1, 0]), np.array([190, 195, 60, 70, 150]))
    at_once = predict(bundle, panel, *windows)
    monkeypatch.setattr(seasonal, "BATCH_WINDOWS", 2)
    np.testing.assert_allclose(predict(bundle, panel, *windows), at_once, rtol=1e-12)


@pytest.mark.parametrize("name", ["naive", "seasonal_naive_7", "seasonal_mean_7", "linear"])
def test_intervals_cover_their_level(build_panel, name: str) -> None:
    draw = np.random.default_rng(0)
    panel = build_panel({n: (50 + draw.standard_normal(400)).tolist() for n in "abcdef"}, lookback=14, horizon=3)
    bundle = baselines(panel, validation=60, test=60)[name]
    series, position = np.repeat(np.arange(6), 55), np.tile(np.arange(342, 397), 6)
    quantiles = predict(bundle, panel, series, position)
    truth = panel.take(panel.y, series, position, np.arange(1, 4))
    inside = (truth >= quantiles[..., 0]) & (truth <= quantiles[..., 2])
    assert 0.72 < inside.mean() < 0.88


def test_intervals_depend_on_the_hour_of_the_day(build_panel) -> None:
    # noise by day only: after a midnight cutoff the first steps are certain and the last are not
    hours = np.arange(24 * 60)
    noise = np.random.default_rng(0).standard_normal(len(hours)) * (hours % 24 >= 12)
    panel = build_panel({"a": (10 + noise).tolist()}, lookback=48, horizon=24, freq="h")
    bundle = baselines(panel, (24,), validation=24 * 7, test=24 * 7)["seasonal_naive_24"]
    width = np.ptp(predict(bundle, panel, np.array([0]), np.array([24 * 60 - 1]))[0], axis=1)
    assert width[:12].max() < 1e-9
    assert width[12:].min() > 1


def test_constant_lookbacks_do_not_inflate_intervals_of_a_new_series(build_panel) -> None:
    # rare events: most lookbacks are constant, so their errors have no unit to be scaled by
    rare = {name: 1.5 * (np.random.default_rng(seed).random(300) < 0.03) for seed, name in enumerate("ab")}
    bundles = baselines(build_panel({name: y.tolist() for name, y in rare.items()}, lookback=12, horizon=4))
    new = build_panel({"new": (100 * np.random.default_rng(2).random(50)).tolist()}, lookback=12, horizon=4)
    for bundle in bundles.values():
        quantiles = predict(bundle, new, np.array([0]), np.array([49]))
        assert -500 < quantiles.min() <= quantiles.max() < 500


def test_intervals_of_a_new_series_have_its_scale(build_panel) -> None:
    draw = np.random.default_rng(0)
    panel = build_panel({n: (50 + draw.standard_normal(400)).tolist() for n in "abc"}, lookback=14, horizon=3)
    new = build_panel({"new": (5000 + 100 * draw.standard_normal(400)).tolist()}, lookback=14, horizon=3)
    naive = baselines(panel, validation=60, test=60)["naive"]
    windows = np.zeros(380, int), np.arange(14, 394)
    quantiles, truth = predict(naive, new, *windows), new.take(new.y, *windows, np.arange(1, 4))
    assert 0.7 < ((truth >= quantiles[..., 0]) & (truth <= quantiles[..., 2])).mean() < 0.9


def test_no_windows_give_empty_forecasts(build_panel) -> None:
    panel = build_panel({"a": list(range(105))}, lookback=14, horizon=3)
    no_windows = np.zeros(0, np.int32)
    assert {predict(bundle, panel, no_windows, no_windows).shape for bundle in baselines(panel).values()} == {(0, 3, 3)}


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_error_quantiles_of_each_series_are_those_of_nanquantile(missing: float) -> None:
    draw = np.random.default_rng(1)
    series, errors = draw.integers(0, 6, 240), draw.standard_normal((240, 3))
    errors[draw.random(errors.shape) < missing] = np.nan
    quantiles = seasonal.series_quantiles(errors, series, 7, QUANTILES)
    for code in range(7):
        own = errors[series == code]
        enough = bool(len(own)) and np.isfinite(own).sum(axis=0).min() >= seasonal.MIN_SERIES_ERRORS
        expected = np.nanquantile(own, QUANTILES, axis=0).T if enough else np.full((3, 3), np.nan)
        np.testing.assert_array_equal(quantiles[code], expected)
