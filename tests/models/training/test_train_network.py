"""From windows to a bundle: weights from the training part, intervals from validation, nothing from the test part."""

import numpy as np
import pytest

from models.baselines.seasonal import fit_baselines
from models.bundle import Bundle
from models.data.features import FeatureSpec
from models.data.panel import InputSpec, Panel
from models.data.scaling import Scaling
from models.data.windows import WindowRanges, WindowSpec, build_window_index
from models.metrics import coverage
from models.networks.architecture import RecurrentSpec
from models.predict import predict
from models.training.recipe import Recipe
from models.training.train_network import train_network
from models.training.training_spec import TrainingSpec

QUANTILES = (0.05, 0.5, 0.95)
SMALL = RecurrentSpec(cell="gru", hidden=8, segment=6)


def train(panel: Panel, **training: object):
    index = build_window_index(
        panel, WindowSpec(horizon=panel.view.horizon, validation=48, test=48), panel.grid[479], 4
    )
    quick = TrainingSpec.model_validate({"max_epochs": 3, "windows_per_epoch": 512} | training)
    recipe = Recipe(model=SMALL, training=quick, quantiles=QUANTILES, view=panel.view)
    return index, train_network(panel, index, recipe)[0]


def noise(seed: int = 0) -> np.ndarray:
    return 10 + np.sin(np.arange(480) * 2 * np.pi / 24) + np.random.default_rng(seed).standard_normal(480)


def test_no_model_reads_the_test_part(build_panel) -> None:
    features = FeatureSpec(known=("plan",), observed=("wind",))
    corrupt, columns = noise(), {"plan": {"a": noise(1)}, "wind": {"a": noise(2)}}
    corrupt[480 - 48 :] = 1e9
    other = {"plan": {"a": columns["plan"]["a"]}, "wind": {"a": np.where(corrupt > 1e8, -1e9, columns["wind"]["a"])}}
    shape = {"lookback": 24, "horizon": 6, "freq": "h", "features": features}
    panel = build_panel({"a": noise()}, **shape, **columns)
    broken = build_panel({"a": corrupt}, **shape, **other)
    index, bundle = train(panel)
    assert train(broken)[1].to_bytes() == bundle.to_bytes()
    baselines, others = (list(fit_baselines(each, index, each.view, QUANTILES, (24,))) for each in (panel, broken))
    assert [baseline.to_bytes() for baseline in baselines] == [baseline.to_bytes() for baseline in others]


def test_covariates_are_standardised_by_the_training_rows(build_panel) -> None:
    features = FeatureSpec(observed=("wind",), known=())
    wind = {"a": [1, 3, 100, 100], "b": [5, 7, 9, 100]}
    panel = build_panel({"a": [0, 1, 2, 3], "b": [0, 1, 2, 3]}, features=features, wind=wind)
    scaling = Scaling.fit(panel, WindowRanges.from_cutoffs(np.array([0, 1, 1]), np.array([1, 1, 2])), 2)
    assert scaling.observed[:, 0].tolist() == [5.0, pytest.approx(8**0.5)]


def test_constant_covariate_keeps_its_units(build_panel) -> None:
    features = FeatureSpec(observed=("wind",), known=())
    panel = build_panel({"a": range(7)}, features=features, wind={"a": [0.1] * 7})
    assert np.std([0.1] * 7) > 0  # from rounding alone
    assert Scaling.fit(panel, WindowRanges.from_cutoffs(np.array([0]), np.array([6])), 2).observed[1].tolist() == [1.0]


def test_coverage_on_the_test_part_is_near_the_nominal_level(build_panel) -> None:
    panel = build_panel({name: noise(seed) for seed, name in enumerate("abcdefgh")}, lookback=24, horizon=6, freq="h")
    bundle = train(panel, max_epochs=8, learning_rate=0.005)[1]
    series, position = np.repeat(np.arange(8), 42), np.tile(np.arange(432, 474), 8)
    forecast = predict(bundle, panel, series, position)
    actual = panel.take(panel.y, series, position, np.arange(1, 7))
    assert 0.8 < coverage(actual, forecast[..., 0], forecast[..., 2]) < 0.97


def test_known_covariate_that_explains_the_future_is_used(build_panel) -> None:
    plan = np.random.default_rng(5).random(480) * 10
    y = 3 * plan + np.random.default_rng(6).random(480)
    features = FeatureSpec(known=("plan",))
    panel = build_panel({"a": y}, lookback=24, horizon=6, freq="h", features=features, plan={"a": plan})
    index, bundle = train(panel, max_epochs=25, patience=25, learning_rate=0.01)
    series, position = index.of("test")
    actual = panel.take(panel.y, series, position, np.arange(1, 7))
    error = np.abs(predict(bundle, panel, series, position)[..., 1] - actual).mean()
    median_error = np.abs(np.median(y) - actual).mean()
    assert error < median_error / 3


def test_only_forecasts_of_counts_are_whole_numbers(build_panel) -> None:
    counts = np.random.default_rng(0).poisson(0.7, 480)
    for values, whole in ((counts, True), (counts + 0.5, False)):
        panel = build_panel({"a": values}, lookback=24, horizon=6, freq="h")
        index, bundle = train(panel, max_epochs=1)
        for model in (bundle, *fit_baselines(panel, index, panel.view, QUANTILES, (24,))):
            forecast = predict(model, panel, *index.of("forecast"))
            assert (forecast == np.rint(forecast)).all() == whole or model.name in ("naive", "seasonal_naive_24")


def test_series_of_any_size_are_forecast_in_their_units(build_panel) -> None:
    series = {name: size * noise(seed) for seed, (name, size) in enumerate([("big", 1e9), ("small", 1e-6)])}
    panel = build_panel(series, lookback=24, horizon=6, freq="h")
    index, bundle = train(panel, max_epochs=6, learning_rate=0.005)
    numbers, position = index.of("forecast")
    forecast = predict(bundle, panel, numbers, position)[..., 1] / np.array([1e9, 1e-6])[:, None]
    assert forecast.min() > 8
    assert forecast.max() < 12


UNUSUAL = {
    "constant": [5.3] * 480,
    "zero": [0.0] * 480,
    "rare": [*[0.0] * 479, 7.5],
    "huge": (1e12 + np.arange(480.0)).tolist(),
    "halted": [*np.arange(460.0), *[np.nan] * 20],
}


@pytest.fixture(scope="module")
def fitted(build_frame):
    """An input spec, and a network and all baselines fitted on one regular series."""
    view = InputSpec(features=FeatureSpec(), freq="h", zone="UTC", lookback=24, horizon=6)
    panel = Panel.from_frame(build_frame({"a": noise().tolist()}, "h"), view)
    index, bundle = train(panel)
    return view, [bundle, *fit_baselines(panel, index, view, QUANTILES, (24,))]


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_series_is_forecast_by_models_fitted_on_another(build_frame, fitted, name: str) -> None:
    view, models = fitted
    panel = Panel.from_frame(build_frame({name: UNUSUAL[name]}, "h"), view)
    for model in models:
        forecast = predict(model, panel, np.array([0]), np.array([479]))
        assert np.isfinite(forecast).all(), model.name
        assert (np.diff(forecast, axis=-1) >= 0).all(), model.name


@pytest.mark.parametrize("value", [0.0, -3.0, 1e9])
def test_forecast_from_a_single_observation_is_near_it(build_frame, fitted, value: float) -> None:
    view, models = fitted
    panel = Panel.from_frame(build_frame({"newborn": [value]}, "h"), view)
    for model in models:
        forecast = predict(model, panel, np.array([0]), np.array([0]))
        assert np.abs(forecast - value).max() <= 0.5 * abs(value) + 5, model.name


@pytest.mark.parametrize("name", UNUSUAL)
def test_models_can_be_fitted_on_an_unusual_series(build_panel, name: str) -> None:
    panel = build_panel({name: UNUSUAL[name]}, lookback=24, horizon=6, freq="h")
    index, bundle = train(panel, max_epochs=1)
    for model in (bundle, *fit_baselines(panel, index, panel.view, QUANTILES, (24,))):
        forecast = predict(model, panel, *index.of("forecast"))
        assert np.isfinite(forecast).all(), model.name


@pytest.mark.parametrize(("lookback", "horizon", "levels"), [(1, 1, (0.5,)), (2, 6, (0.5, 0.9)), (24, 1, (0.1, 0.5))])
def test_smallest_windows_and_a_single_level_work(build_panel, lookback: int, horizon: int, levels) -> None:
    panel = build_panel({"a": noise()}, lookback=lookback, horizon=horizon, freq="h")
    index = build_window_index(panel, WindowSpec(horizon=horizon, validation=48, test=48), panel.grid[479], 4)
    quick = TrainingSpec(max_epochs=1, windows_per_epoch=256)
    bundle, _ = train_network(panel, index, Recipe(model=SMALL, training=quick, quantiles=levels, view=panel.view))
    for model in (bundle, *fit_baselines(panel, index, panel.view, levels, (24,))):
        forecast = predict(model, panel, *index.of("forecast"))
        assert forecast.shape == (1, horizon, len(levels))
        assert np.isfinite(forecast).all()


def test_forecasts_have_no_negative_zero(build_panel) -> None:
    counts = np.random.default_rng(0).poisson(0.3, 480)
    panel = build_panel({"a": counts}, lookback=24, horizon=6, freq="h")
    index, bundle = train(panel, max_epochs=1)
    for model in (bundle, *fit_baselines(panel, index, panel.view, QUANTILES, (24,))):
        forecast = predict(model, panel, *index.of("train"))
        assert (forecast == 0).any()
        assert not np.signbit(forecast[forecast == 0]).any(), model.name


def test_forecast_scales_with_the_units_of_the_source(build_panel) -> None:
    # location and scale invert exactly; only `level`, by which the network reads the size of a series, may differ
    panel, scaled = (build_panel({"a": y}, lookback=24, horizon=6, freq="h") for y in (noise(), noise() * 1000))
    index, bundle = train(panel)
    scaled_bundle = train(scaled)[1]
    windows = index.of("forecast")
    np.testing.assert_allclose(
        predict(scaled_bundle, scaled, *windows) / 1000, predict(bundle, panel, *windows), rtol=0.01
    )


def seasonal_panel(build_panel, size: float = 1.0) -> Panel:
    """Eight positive hourly series of 480 hours, each with a day and a week of its own."""
    draw, steps, series = np.random.default_rng(3), np.arange(480), {}
    for name in "abcdefgh":
        day, week = np.exp(0.5 * draw.standard_normal(24)), np.exp(0.5 * draw.standard_normal(168))
        series[name] = size * day[steps % 24] * week[steps % 168] * np.exp(0.1 * draw.standard_normal(480))
    return build_panel(series, lookback=24, horizon=6, freq="h")


def test_network_on_short_seasonal_series_is_adjusted_and_keeps_its_forecasts_in_a_file(build_panel) -> None:
    panel = seasonal_panel(build_panel)
    index, bundle = train(panel)
    assert (bundle.recurrent.adjustment, bundle.recurrent.not_adjusted) == ((24, 168), None)
    assert 0 < bundle.recurrent.adjusted_loss < 0.98
    assert bundle.history == 1008  # six weeks
    forecast = predict(bundle, panel, *index.of("test"))
    assert np.isfinite(forecast).all()
    np.testing.assert_array_equal(predict(Bundle.from_bytes(bundle.to_bytes()), panel, *index.of("test")), forecast)


def test_adjusted_network_forecasts_in_units_of_the_source(build_panel) -> None:
    panel = seasonal_panel(build_panel, 1e6)
    index, bundle = train(panel)
    windows = index.of("test")
    actual, naive = (panel.take(panel.y, *windows, np.arange(1, 7) - back) for back in (0, 168))
    median = predict(bundle, panel, *windows)[..., 1]
    errors, naive_errors = (np.abs(forecast / actual - 1).mean() for forecast in (median, naive))
    assert errors < naive_errors


def test_adjusted_network_gives_a_forecast_for_a_series_with_zeros_and_without_history(build_panel) -> None:
    _, bundle = train(seasonal_panel(build_panel))
    panel = build_panel({"new": [3.0, 4.0] * 15, "zeros": [0.0, 2.0] * 200}, lookback=24, horizon=6, freq="h")
    forecast = predict(bundle, panel, np.array([0, 1]), np.array([29, 399]))
    assert np.isfinite(forecast).all()


def test_network_that_reads_units_of_the_source_is_not_adjusted(build_panel) -> None:
    panel = seasonal_panel(build_panel)
    index = build_window_index(panel, WindowSpec(horizon=6, validation=48, test=48), panel.grid[479], 4)
    quick = TrainingSpec(max_epochs=1, windows_per_epoch=256)
    model = SMALL.model_copy(update={"normalisation": "none"})
    bundle, _ = train_network(panel, index, Recipe(model=model, training=quick, quantiles=QUANTILES, view=panel.view))
    assert (bundle.recurrent.adjustment, bundle.recurrent.not_adjusted) == ((), "source_units")
    assert bundle.linear_maps["seasons"].tolist() == [24, 168]
