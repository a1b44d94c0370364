"""From windows to a bundle: learned from the training part, intervals from the validation part, nothing from beyond."""

import numpy as np
import pytest

from models.baselines.seasonal import fit_baselines
from models.data.batches import Scaling
from models.data.features import FeatureSpec
from models.data.panel import InputSpec, Panel
from models.data.windows import WindowSpec, build_window_index
from models.metrics import coverage
from models.networks.recurrent import RecurrentSpec
from models.predict import predict
from models.training.fit import TrainingSpec
from models.training.recipe import Recipe
from models.training.train_network import train_network

QUANTILES = (0.05, 0.5, 0.95)
SMALL = RecurrentSpec(cell="gru", hidden=8, segment=6)


def learned(panel: Panel, **training: object):
    index = build_window_index(
        panel, WindowSpec(horizon=panel.view.horizon, validation=48, test=48), panel.grid[479], 4
    )
    quick = TrainingSpec.model_validate({"max_epochs": 3, "windows_per_epoch": 512} | training)
    recipe = Recipe(model=SMALL, training=quick, quantiles=QUANTILES, view=panel.view)
    return index, train_network(panel, index, recipe)[0]


def noise(seed: int = 0) -> np.ndarray:
    return 10 + np.sin(np.arange(480) * 2 * np.pi / 24) + np.random.default_rng(seed).standard_normal(480)


def test_no_model_learns_from_the_test_part(build_panel) -> None:
    features = FeatureSpec(known=("plan",), observed=("wind",))
    corrupt, columns = noise(), {"plan": {"a": noise(1)}, "wind": {"a": noise(2)}}
    corrupt[480 - 48 :] = 1e9
    other = {"plan": {"a": columns["plan"]["a"]}, "wind": {"a": np.where(corrupt > 1e8, -1e9, columns["wind"]["a"])}}
    shape = {"lookback": 24, "horizon": 6, "freq": "h", "features": features}
    panel = build_panel({"a": noise()}, **shape, **columns)
    broken = build_panel({"a": corrupt}, **shape, **other)
    index, bundle = learned(panel)
    assert learned(broken)[1].to_bytes() == bundle.to_bytes()
    ours, theirs = (fit_baselines(one, index, one.view, QUANTILES, (24,)) for one in (panel, broken))
    assert [one.to_bytes() for one in ours] == [one.to_bytes() for one in theirs]


def test_covariates_are_standardised_by_the_training_rows_of_each_series(build_panel) -> None:
    features = FeatureSpec(observed=("wind",), known=())
    wind = {"a": [1, 3, 100, 100], "b": [5, 7, 9, 100]}
    panel = build_panel({"a": [0, 1, 2, 3], "b": [0, 1, 2, 3]}, features=features, wind=wind)
    scaling = Scaling.fit(panel, np.array([0, 1, 1]), np.array([1, 1, 2]), 2)
    assert scaling.observed[:, 0].tolist() == [5.0, pytest.approx(8**0.5)]


def test_a_covariate_that_never_changed_is_measured_in_its_own_units(build_panel) -> None:
    features = FeatureSpec(observed=("wind",), known=())
    panel = build_panel({"a": range(7)}, features=features, wind={"a": [0.1] * 7})
    assert np.std([0.1] * 7) > 0  # mere rounding
    assert Scaling.fit(panel, np.array([0]), np.array([6]), 2).observed[1].tolist() == [1.0]


def test_intervals_hold_about_what_they_promise_on_the_test_part(build_panel) -> None:
    panel = build_panel({name: noise(seed) for seed, name in enumerate("abcdefgh")}, lookback=24, horizon=6, freq="h")
    bundle = learned(panel, max_epochs=8, learning_rate=0.005)[1]
    series, position = np.repeat(np.arange(8), 42), np.tile(np.arange(432, 474), 8)
    found = predict(bundle, panel, series, position)
    truth = panel.take(panel.y, series, position, np.arange(1, 7))
    assert 0.8 < coverage(truth, found[..., 0], found[..., 2]) < 0.97


def test_a_known_covariate_that_explains_the_future_is_used(build_panel) -> None:
    plan = np.random.default_rng(5).random(480) * 10
    y = 3 * plan + np.random.default_rng(6).random(480)
    features = FeatureSpec(known=("plan",))
    panel = build_panel({"a": y}, lookback=24, horizon=6, freq="h", features=features, plan={"a": plan})
    index, bundle = learned(panel, max_epochs=25, patience=25, learning_rate=0.01)
    series, position = index.of("test")
    truth = panel.take(panel.y, series, position, np.arange(1, 7))
    error = np.abs(predict(bundle, panel, series, position)[..., 1] - truth).mean()
    blind = np.abs(np.median(y) - truth).mean()
    assert error < blind / 3


def test_counts_are_forecast_in_whole_numbers_and_measures_are_not(build_panel) -> None:
    counts = np.random.default_rng(0).poisson(0.7, 480)
    for values, whole in ((counts, True), (counts + 0.5, False)):
        panel = build_panel({"a": values}, lookback=24, horizon=6, freq="h")
        index, bundle = learned(panel, max_epochs=1)
        for one in (bundle, *fit_baselines(panel, index, panel.view, QUANTILES, (24,))):
            found = predict(one, panel, *index.of("forecast"))
            assert (found == np.rint(found)).all() == whole or one.name in ("naive", "seasonal_naive_24")


def test_series_of_any_size_are_forecast_in_their_own_units(build_panel) -> None:
    series = {name: size * noise(seed) for seed, (name, size) in enumerate([("big", 1e9), ("small", 1e-6)])}
    panel = build_panel(series, lookback=24, horizon=6, freq="h")
    index, bundle = learned(panel, max_epochs=6, learning_rate=0.005)
    numbers, position = index.of("forecast")
    found = predict(bundle, panel, numbers, position)[..., 1] / np.array([1e9, 1e-6])[:, None]
    assert found.min() > 8
    assert found.max() < 12


STRANGE = {
    "constant": [5.3] * 480,
    "zero": [0.0] * 480,
    "rare": [*[0.0] * 479, 7.5],
    "huge": (1e12 + np.arange(480.0)).tolist(),
    "halted": [*np.arange(460.0), *[np.nan] * 20],
}


@pytest.fixture(scope="module")
def usual(build_frame):
    """A network and every baseline that have learned from one well-behaved series, and the view they share."""
    view = InputSpec(features=FeatureSpec(), freq="h", zone="UTC", lookback=24, horizon=6)
    panel = Panel.from_frame(build_frame({"a": noise().tolist()}, "h"), view)
    index, bundle = learned(panel)
    return view, [bundle, *fit_baselines(panel, index, view, QUANTILES, (24,))]


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_series_is_forecast_by_models_that_never_saw_it(build_frame, usual, name: str) -> None:
    view, models = usual
    panel = Panel.from_frame(build_frame({name: STRANGE[name]}, "h"), view)
    for one in models:
        found = predict(one, panel, np.array([0]), np.array([479]))
        assert np.isfinite(found).all(), one.name
        assert (np.diff(found, axis=-1) >= 0).all(), one.name


@pytest.mark.parametrize("value", [0.0, -3.0, 1e9])
def test_a_single_observation_is_forecast_near_itself(build_frame, usual, value: float) -> None:
    view, models = usual
    panel = Panel.from_frame(build_frame({"newborn": [value]}, "h"), view)
    for one in models:
        found = predict(one, panel, np.array([0]), np.array([0]))
        assert np.abs(found - value).max() <= 0.5 * abs(value) + 5, one.name


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_series_can_be_all_there_is_to_learn_from(build_panel, name: str) -> None:
    panel = build_panel({name: STRANGE[name]}, lookback=24, horizon=6, freq="h")
    index, bundle = learned(panel, max_epochs=1)
    for one in (bundle, *fit_baselines(panel, index, panel.view, QUANTILES, (24,))):
        found = predict(one, panel, *index.of("forecast"))
        assert np.isfinite(found).all(), one.name


@pytest.mark.parametrize(("lookback", "horizon", "levels"), [(1, 1, (0.5,)), (2, 6, (0.5, 0.9)), (24, 1, (0.1, 0.5))])
def test_the_smallest_windows_and_fewest_levels_will_do(build_panel, lookback: int, horizon: int, levels) -> None:
    panel = build_panel({"a": noise()}, lookback=lookback, horizon=horizon, freq="h")
    index = build_window_index(panel, WindowSpec(horizon=horizon, validation=48, test=48), panel.grid[479], 4)
    quick = TrainingSpec(max_epochs=1, windows_per_epoch=256)
    bundle, _ = train_network(panel, index, Recipe(model=SMALL, training=quick, quantiles=levels, view=panel.view))
    for one in (bundle, *fit_baselines(panel, index, panel.view, levels, (24,))):
        found = predict(one, panel, *index.of("forecast"))
        assert found.shape == (1, horizon, len(levels))
        assert np.isfinite(found).all()


def test_no_zero_is_negative(build_panel) -> None:
    counts = np.random.default_rng(0).poisson(0.3, 480)
    panel = build_panel({"a": counts}, lookback=24, horizon=6, freq="h")
    index, bundle = learned(panel, max_epochs=1)
    for one in (bundle, *fit_baselines(panel, index, panel.view, QUANTILES, (24,))):
        found = predict(one, panel, *index.of("train"))
        assert (found == 0).any()
        assert not np.signbit(found[found == 0]).any(), one.name


def test_a_network_is_as_indifferent_to_units_as_its_normalisation(build_panel) -> None:
    # location and scale invert exactly; only `level`, which tells the network how large a series is, may differ
    panel, moved = (build_panel({"a": y}, lookback=24, horizon=6, freq="h") for y in (noise(), noise() * 1000))
    index, bundle = learned(panel)
    ours, theirs = bundle, learned(moved)[1]
    at = index.of("forecast")
    np.testing.assert_allclose(predict(theirs, moved, *at) / 1000, predict(ours, panel, *at), rtol=0.01)
