"""Seventy-five kinds of the network: shapes, gradients and accuracy on small series."""

import itertools

import numpy as np
import pytest
import torch

from data_contracts.errors import SpecError
from models.data.batches import Batch
from models.data.windows import WindowSpec, build_window_index
from models.networks.architecture import NetworkShape, RecurrentSpec
from models.networks.recurrent import RecurrentNetwork, start_skip
from models.predict import normalised_forecasts, predict
from models.training.recipe import Recipe
from models.training.train_network import train_network
from models.training.training_spec import TrainingSpec

KINDS = [
    RecurrentSpec(cell=cell, hidden=16, layers=layers, bidirectional=both, readout=readout, segment=segment)
    for cell, layers, both, readout, segment in itertools.product(
        ("rnn", "lstm", "gru"), (1, 2), (False, True), ("last", "attention"), (1, 5)
    )
]
OPTIONS = [
    RecurrentSpec.model_validate({"cell": cell, "hidden": 16} | options)
    for cell, options in itertools.product(
        ("rnn", "lstm", "gru"),
        (
            {"decoding": "segment", "segment": 3},
            {"decoding": "segment", "segment": 3, "bidirectional": True, "skip": False, "seasons": False},
            {"decoding": "recurrent", "segment": 3},
            {"decoding": "recurrent", "skip": False, "teacher_forcing": 1.0},
            {"readout": "attention", "attention": "dot", "blend": False},
            {"normalisation": "last", "head": "mae"},
            {"normalisation": "none", "head": "mse"},
            {"cycle": 7, "head": "huber"},
            {"head": "student_t"},
        ),
    )
]
QUANTILES = (0.1, 0.5, 0.9)


def shape_of(**more: object) -> NetworkShape:
    defaults = {
        "lookback": 12,
        "horizon": 4,
        "past": 3,
        "future": 2,
        "statics": (3,),
        "quantiles": QUANTILES,
        "season": 4,
    }
    return NetworkShape.model_validate(defaults | more)


def batch_of(shape: NetworkShape, count: int = 7) -> Batch:
    generator = torch.Generator().manual_seed(0)
    lookback, horizon = shape.lookback, shape.horizon
    return Batch(
        past=torch.randn(count, lookback, shape.past, generator=generator),
        future=torch.randn(count, horizon, shape.future, generator=generator),
        static=torch.ones(count, len(shape.statics), dtype=torch.int64),
        level=torch.randn(count, 3, generator=generator),
        linear=torch.randn(count, lookback, generator=generator),
        target=torch.randn(count, horizon, generator=generator),
        location=torch.zeros(count, 1),
        scale=torch.ones(count, 1),
        clock=torch.arange(count),
        error_weights=torch.ones(count, 1),
    )


def test_each_kind_has_a_unique_name() -> None:
    assert len({spec.name for spec in KINDS + OPTIONS}) == len(KINDS + OPTIONS) == 75
    assert RecurrentSpec(cell="lstm", layers=2).name == "lstm-64x2"
    assert RecurrentSpec(cell="gru", segment=24).name == "gru-64-s24"
    assert RecurrentSpec(cell="gru", dropout=0.3).name != RecurrentSpec(cell="gru").name


@pytest.mark.parametrize("spec", KINDS + OPTIONS, ids=lambda spec: spec.name)
def test_each_kind_gives_ordered_quantiles_and_a_gradient_for_each_weight(spec: RecurrentSpec) -> None:
    shape = shape_of()
    network = RecurrentNetwork(spec, shape)
    batch = batch_of(shape)
    with torch.no_grad():
        quantiles = network.eval().quantiles(batch)
    assert quantiles.shape == (7, 4, 3)
    assert (quantiles.diff(dim=-1) >= 0).all()
    network.train().loss(batch).backward()
    idle = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert idle == []


@pytest.mark.parametrize("spec", KINDS + OPTIONS, ids=lambda spec: spec.name)
def test_each_kind_learns_a_wave(build_panel, spec: RecurrentSpec) -> None:
    series = {"a": np.sin(np.arange(200) * 0.9).tolist(), "b": (5 * np.cos(np.arange(200) * 0.9)).tolist()}
    panel = build_panel(series, lookback=12, horizon=4)
    index = build_window_index(panel, WindowSpec(horizon=4, validation=20, test=20), panel.grid[199], 2)
    training = TrainingSpec(batch_size=32, learning_rate=0.01, max_epochs=6, windows_per_epoch=320)
    bundle, _ = train_network(panel, index, Recipe(model=spec, training=training, quantiles=QUANTILES, view=panel.view))
    series_, position = index.of("test")
    actual = panel.take(panel.y, series_, position, np.arange(1, 5))
    error = np.abs(predict(bundle, panel, series_, position)[..., 1] - actual) / np.array([1.0, 5.0])[series_][:, None]
    assert error.mean() < 0.3  # the standard deviation of the wave is 0.7


def test_segment_is_cut_to_the_lookback() -> None:
    shape = shape_of(lookback=3)
    assert RecurrentNetwork(RecurrentSpec(cell="gru", segment=24), shape)(batch_of(shape)).shape == (7, 4, 3)


def test_forecast_depends_on_each_input() -> None:
    shape = shape_of()
    network = RecurrentNetwork(RecurrentSpec(cell="gru", hidden=16), shape).eval()
    before = network(batch_of(shape))
    for name in ("past", "future", "level", "linear"):
        batch = batch_of(shape)
        getattr(batch, name).add_(1.0)
        assert not torch.equal(network(batch), before), name
    batch = batch_of(shape)
    batch.static.fill_(2)
    assert not torch.equal(network(batch), before)


def test_first_segment_is_padded_and_last_segment_is_full() -> None:
    shape = shape_of(lookback=7)
    network = RecurrentNetwork(RecurrentSpec(cell="gru", hidden=16, segment=5), shape)
    past = batch_of(shape).past
    newer, older = past.clone(), past.clone()
    newer[:, 2:] += 1.0
    older[:, :2] += 1.0
    before = network.encode(past)
    assert before.shape == (7, 2, 16)
    assert torch.equal(network.encode(newer)[:, 0], before[:, 0])
    assert not torch.equal(network.encode(older)[:, 0], before[:, 0])


@pytest.mark.parametrize("training", [True, False])
def test_static_values_are_dropped_in_training_only(training: bool) -> None:
    shape = shape_of()
    network = RecurrentNetwork(RecurrentSpec(cell="gru", hidden=4), shape).train(training)
    network(batch_of(shape, count=1000)).sum().backward()
    assert network.statics[0].weight.grad.any(dim=1).tolist() == [training, True, False]


@pytest.mark.parametrize(
    ("given", "day", "lookback", "segment"),
    [(None, 24, 168, 24), (None, 24, 95, 1), (None, 1, 104, 1), (1, 24, 168, 1), (6, 24, 168, 6)],
)
def test_default_segment_is_a_day_if_the_lookback_holds_four(given, day: int, lookback: int, segment: int) -> None:
    assert RecurrentSpec(cell="gru", segment=given).with_default_segment(day, lookback).segment == segment


COUNTS = np.random.default_rng(0).poisson(3 + 2.5 * np.sin(np.arange(400) * 2 * np.pi / 7))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("decoding", ["direct", "segment", "recurrent"])
def test_each_cell_learns_seasonal_counts(build_panel, cell: str, decoding: str) -> None:
    panel = build_panel({"a": COUNTS.tolist()}, lookback=28, horizon=7)
    index = build_window_index(panel, WindowSpec(horizon=7, validation=56, test=56), panel.grid[399], 8)
    settings = {"cell": cell, "hidden": 16, "decoding": decoding, "head": "negative_binomial"}
    spec = RecurrentSpec.model_validate(settings | {"segment": 7 if decoding == "segment" else 1})
    training = TrainingSpec(batch_size=32, learning_rate=0.01, max_epochs=6, windows_per_epoch=320)
    bundle, _ = train_network(panel, index, Recipe(model=spec, training=training, quantiles=QUANTILES, view=panel.view))
    windows = index.of("test")
    actual, forecast = panel.take(panel.y, *windows, np.arange(1, 8)), predict(bundle, panel, *windows)
    naive = panel.take(panel.y, *windows, np.arange(1, 8) - 7)
    assert (forecast == np.rint(forecast)).all()
    assert (forecast >= 0).all()
    assert np.abs(forecast[..., 1] - actual).mean() < 0.85 * np.abs(naive - actual).mean()
    assert 0.7 < ((actual >= forecast[..., 0]) & (actual <= forecast[..., 2])).mean() <= 1.0


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_skip_starts_as_the_closed_form_map_whatever_the_level(shift: float) -> None:
    network, weights = (
        RecurrentNetwork(RecurrentSpec(cell="gru"), shape_of(lookback=3, horizon=2)),
        np.array([[0.5, 0.0], [0.0, 1.0], [0.25, 0.5]]),
    )
    start_skip(network, weights)
    lookback = np.array([1.0, 5.0, 2.0]) + shift  # shifted by its last value: -1, 3, 0
    points = network.skip(torch.from_numpy(lookback).float())
    np.testing.assert_allclose(points.detach().numpy(), [1.5 + shift, 5.0 + shift], rtol=1e-6)


def test_network_without_skip_has_nothing_to_start() -> None:
    network = RecurrentNetwork(RecurrentSpec(cell="gru", skip=False), shape_of(lookback=3, horizon=2))
    start_skip(network, np.ones((3, 2)))
    assert network.skip is None


@pytest.mark.parametrize("wrong", [-1.0, 2.5])
def test_count_head_rejects_other_values_and_names_the_first(build_panel, wrong: float) -> None:
    panel = build_panel({"a": [1.0] * 100, "b": [*range(40), wrong, *range(59)]}, lookback=14, horizon=7)
    index = build_window_index(panel, WindowSpec(horizon=7, validation=14, test=14), panel.grid[99], 2)
    recipe = Recipe(
        model=RecurrentSpec(cell="gru", head="negative_binomial"),
        training=TrainingSpec(max_epochs=1),
        quantiles=QUANTILES,
        view=panel.view,
    )
    with pytest.raises(SpecError, match=rf"b has {wrong:g} at 2024-02-10.*1 such.*student_t"):
        train_network(panel, index, recipe)


def test_forecast_of_an_ensemble_is_the_mean_of_its_members(build_panel) -> None:
    panel = build_panel({"a": np.sin(np.arange(200) * 0.9).tolist()}, lookback=12, horizon=4)
    index = build_window_index(panel, WindowSpec(horizon=4, validation=20, test=20), panel.grid[199], 2)
    forecasts = {}
    for members, seed in ((1, 5), (1, 6), (2, 5)):
        training = TrainingSpec(max_epochs=1, windows_per_epoch=128, members=members, seed=seed, mirror=0.5)
        spec = RecurrentSpec(cell="gru", hidden=8)
        recipe = Recipe(model=spec, training=training, quantiles=QUANTILES, view=panel.view)
        bundle, _ = train_network(panel, index, recipe)
        forecasts[members, seed] = next(normalised_forecasts(bundle, panel, *index.of("test"))).normal
    assert not np.allclose(forecasts[1, 5], forecasts[1, 6])
    np.testing.assert_allclose(forecasts[2, 5], (forecasts[1, 5] + forecasts[1, 6]) / 2, atol=1e-6)
