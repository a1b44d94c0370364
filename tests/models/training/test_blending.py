"""What a network is blended with: the seasonal median, if it helps, in a night and from kept states alike."""

from dataclasses import replace

import numpy as np
import pytest

from models import rolling_origins
from models.bundle import Bundle
from models.data.features import FeatureSpec
from models.data.panel import InputSpec, Panel
from models.data.windows import WindowSpec, build_window_index
from models.networks.architecture import RecurrentSpec
from models.predict import Predictor
from models.recalibration import Recalibration, apply_recalibration
from models.rolling_origins import RollingOrigins
from models.streaming.encoders import kept_steps
from models.streaming.forecaster import StreamingForecaster
from models.streaming.states import SeriesStates
from models.streaming.timeline import Timeline
from models.training.blending import simple_tensors
from models.training.recipe import Recipe
from models.training.train_network import train_network
from models.training.training_spec import TrainingSpec

HOURS = np.arange(24 * 90)
VIEW = InputSpec(features=FeatureSpec(known=()), freq="h", zone="UTC", lookback=24, horizon=6)


def recipe_of(panel: Panel, blend: bool = True) -> Recipe:
    spec = RecurrentSpec(cell="gru", hidden=4, segment=6, blend=blend, seasons=False)
    training = TrainingSpec(max_epochs=1, windows_per_epoch=128)
    return Recipe(model=spec, training=training, quantiles=(0.1, 0.5, 0.9), view=panel.view)


def train(panel: Panel, validation: int = 240) -> Bundle:
    spec = WindowSpec(horizon=panel.view.horizon, validation=validation, test=48)
    index = build_window_index(panel, spec, panel.grid[len(HOURS) - 1], 4)
    return train_network(panel, index, recipe_of(panel))[0]


@pytest.fixture(scope="module")
def weekly(build_frame) -> Panel:
    """Noise around a week that repeats, of a series that is never positive throughout, so that it is not adjusted."""
    draw = np.random.default_rng(0)
    y = draw.standard_normal(168)[HOURS % 168] + 0.3 * draw.standard_normal(len(HOURS))
    return Panel.from_frame(build_frame({"a": y, "short": y[:200]}, "h"), VIEW)


@pytest.fixture(scope="module")
def bundle(weekly) -> Bundle:
    return train(weekly)


def test_season_that_only_the_median_sees_has_a_share(bundle) -> None:
    assert bundle.tensors["share.seasonal"].item() > 0.4
    assert bundle.median_seasons == (168, 8)
    assert bundle.history == kept_steps(bundle) == 1344


def test_median_that_helps_in_training_has_a_share_after_a_short_validation_part(weekly) -> None:
    assert train(weekly, validation=18).tensors["share.seasonal"].item() > 0.2


def test_without_a_share_its_history_is_not_needed(build_frame) -> None:
    walk = np.random.default_rng(0).standard_normal(len(HOURS)).cumsum()
    bundle = train(Panel.from_frame(build_frame({"a": walk}, "h"), VIEW))
    assert bundle.tensors["share.seasonal"].item() == 0
    assert bundle.median_seasons is None
    assert bundle.history == 96


def test_kept_states_forecast_as_a_night(bundle, weekly) -> None:
    rows, last = np.array([0, 1]), np.array([199, 199])
    for codes, position in ((rows, last), (rows[:1], np.array([1700]))):
        states = SeriesStates.from_panel(weekly, codes, int(position[0]), kept_steps(bundle))
        forecast = StreamingForecaster(Predictor(bundle), states, Timeline(weekly.grid, weekly.view)).forecast(codes)
        wanted = np.sort(Predictor(bundle).quantiles(weekly, codes, position), axis=-1)
        np.testing.assert_allclose(forecast, wanted, rtol=1e-6)


def test_bundle_in_a_file_forecasts_the_same(bundle, weekly) -> None:
    window = np.array([0]), np.array([1700])
    stored = Bundle.from_bytes(bundle.to_bytes())
    np.testing.assert_array_equal(
        Predictor(stored).quantiles(weekly, *window), Predictor(bundle).quantiles(weekly, *window)
    )
    earlier = {
        name: value for name, value in bundle.tensors.items() if name not in ("share.seasonal", "median.seasons")
    }
    assert np.isfinite(Predictor(replace(bundle, tensors=earlier)).quantiles(weekly, *window)).all()


@pytest.fixture(scope="module")
def unlike(build_frame) -> Panel:
    """Two days that repeat with noise, and two random walks."""
    draw = np.random.default_rng(1)
    day = 10 * np.sin(2 * np.pi * HOURS / 24)
    waves = {name: day + draw.standard_normal(len(HOURS)) for name in ("a", "b")}
    walks = {name: draw.standard_normal(len(HOURS)).cumsum() for name in ("v", "w")}
    return Panel.from_frame(build_frame(waves | walks, "h"), VIEW)


@pytest.fixture(scope="module")
def unlike_bundle(unlike) -> Bundle:
    return train(unlike)


def test_random_walk_is_forecast_by_its_last_value_beside_series_with_a_season(unlike_bundle) -> None:
    assert unlike_bundle.recurrent.series_shares == ("a", "b", "v", "w")
    last = unlike_bundle.tensors["share.series"][:, 1]
    assert min(last[2:]) > max(last[:2])


def test_series_with_shares_of_their_own_forecast_the_same_from_a_file_and_from_kept_states(
    unlike_bundle, unlike
) -> None:
    codes, position = np.arange(4), np.full(4, 2000)
    stored = Predictor(Bundle.from_bytes(unlike_bundle.to_bytes()))
    wanted = Predictor(unlike_bundle).quantiles(unlike, codes, position)
    np.testing.assert_array_equal(stored.quantiles(unlike, codes, position), wanted)
    for rows in (codes, np.array([3, 1])):
        states = SeriesStates.from_panel(unlike, rows, 2000, kept_steps(unlike_bundle))
        kept = StreamingForecaster(stored, states, Timeline(unlike.grid, unlike.view)).forecast(np.arange(len(rows)))
        np.testing.assert_allclose(kept, np.sort(wanted[rows], axis=-1), rtol=1e-6, atol=1e-6)


def test_series_that_training_has_not_seen_gets_the_shares_of_all(unlike_bundle, unlike) -> None:
    window = np.array([2]), np.array([2000])
    renamed = replace(unlike, ids=("a", "b", "new", "w"))
    tensors = {name: values for name, values in unlike_bundle.tensors.items() if name != "share.series"}
    common = Predictor(replace(unlike_bundle, tensors=tensors)).quantiles(unlike, *window)
    np.testing.assert_array_equal(Predictor(unlike_bundle).quantiles(renamed, *window), common)
    assert (Predictor(unlike_bundle).quantiles(unlike, *window) != common).any()


def test_network_without_a_blend_stores_no_simple_forecasts(weekly) -> None:
    assert simple_tensors({}, recipe_of(weekly, blend=False)) == {}
    maps = {"weights": np.zeros((25, 6))}
    assert sorted(simple_tensors(maps, recipe_of(weekly))) == ["linear.weights", "median.seasons"]


@pytest.fixture(scope="module")
def changed(unlike, unlike_bundle) -> tuple[Bundle, Panel]:
    """A network trained and validated on 60 days, after which the first series has become a random walk."""
    start, y = int(unlike.starts[0]), unlike.y.copy()
    y[start + 60 * 24 : start + 90 * 24] = y[start + 60 * 24] + np.random.default_rng(2).normal(size=720).cumsum()
    until = dict.fromkeys(("trained_until", "validated_until"), str(unlike.grid[60 * 24]))
    settings = unlike_bundle.settings.model_copy(update=until)
    return replace(unlike_bundle, settings=settings), replace(unlike, y=y)


def test_series_that_becomes_a_random_walk_moves_toward_its_last_value(changed) -> None:
    bundle, panel = changed
    codes, position = np.arange(4), np.full(4, 2000)
    ((_, fitted),) = RollingOrigins(Predictor(bundle), panel).recalibrate(codes, position)
    last = fitted.share_changes[:, 1]
    assert last[0] > 0.25
    assert abs(last[1]) < 0.15  # its waves go on
    shares = Predictor(bundle).shares_of(panel.ids) + fitted.share_changes
    assert ((shares >= -1e-12) & (shares <= 1 + 1e-12)).all()


@pytest.mark.parametrize(("validated_days", "origins"), [(60, 23), (70, 13), (82, 1), (83, 0), (90, 0)])
def test_origins_of_validation_do_not_move_the_shares_that_they_decided(
    changed, validated_days: int, origins: int
) -> None:
    bundle, panel = changed
    settings = bundle.settings.model_copy(update={"validated_until": str(panel.grid[validated_days * 24])})
    rolling = RollingOrigins(Predictor(replace(bundle, settings=settings)), panel)
    ((_, fitted),) = rolling.recalibrate(np.arange(4), np.full(4, 2000))
    weight = origins / (origins + 20)
    fifths = (weight * Predictor(bundle).shares_of(panel.ids) + fitted.share_changes) * 5  # of the best, weighted
    np.testing.assert_allclose(fifths, weight * np.rint(fifths / max(weight, 1e-9)), atol=1e-9)
    assert np.abs(fitted.share_changes).max() <= weight
    assert fitted.nights.tolist() == [23] * 4  # the intervals follow every origin after training


def test_validation_ends_before_the_test_part(unlike_bundle, unlike) -> None:
    settings = unlike_bundle.recurrent
    assert settings.trained_until < settings.validated_until < str(unlike.grid[-1])


def test_moved_shares_forecast_as_a_network_that_was_trained_to_them(changed) -> None:
    bundle, panel = changed
    codes, position, levels = np.arange(4), np.full(4, 2000), bundle.levels
    ((_, fitted),) = RollingOrigins(Predictor(bundle), panel).recalibrate(codes, position)
    neutral = Recalibration.neutral(4, 6, len(levels))._replace(share_changes=fitted.share_changes)
    forecast = Predictor(bundle).forecast(panel, codes, position)
    moved = apply_recalibration(forecast.quantiles, neutral, levels, differences=forecast.differences)
    tensors = bundle.tensors | {"share.series": bundle.tensors["share.series"] + fitted.share_changes}
    wanted = Predictor(replace(bundle, tensors=tensors)).quantiles(panel, codes, position)
    np.testing.assert_allclose(moved, wanted, rtol=1e-9, atol=1e-9)
    assert np.abs(moved - forecast.quantiles).max() > 0.1


def test_kept_states_forecast_with_the_moved_shares_of_the_night(changed) -> None:
    bundle, panel = changed
    codes, position = np.arange(4), np.full(4, 2000)
    ((_, fitted),) = RollingOrigins(Predictor(bundle), panel).recalibrate(codes, position)
    states = SeriesStates.from_panel(panel, codes, 2000, kept_steps(bundle))
    timeline = Timeline(panel.grid, panel.view)
    served = StreamingForecaster(Predictor(bundle), states, timeline, recalibration=fitted).forecast(codes[::-1])
    quantiles, differences = Predictor(bundle).forecast(panel, codes, position)
    night = apply_recalibration(np.sort(quantiles, axis=-1), fitted, bundle.levels, differences=differences)
    np.testing.assert_allclose(served, np.sort(night, axis=-1)[::-1], rtol=1e-6, atol=1e-6)


def test_of_many_series_all_are_moved_toward_the_same_shares(changed, monkeypatch) -> None:
    bundle, panel = changed
    monkeypatch.setattr(rolling_origins, "MAX_CELLS", 2 * 56 * 6)  # two of four series
    codes, position = np.arange(4), np.full(4, 2000)
    ((_, fitted),) = RollingOrigins(Predictor(bundle), panel).recalibrate(codes, position)
    shares = Predictor(bundle).shares_of(panel.ids)
    weight = 23 / (23 + 20)  # 23 origins after training, with a horizon each
    best = shares + fitted.share_changes / weight
    assert np.ptp(best, axis=0).max() < 1e-9
