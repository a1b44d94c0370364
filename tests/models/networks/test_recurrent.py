"""One network, seventy-five kinds: shapes, gradients, and what each can learn."""

import itertools

import numpy as np
import pytest
import torch

from data_contracts.errors import SpecError
from models.data.batches import Batch
from models.data.windows import WindowSpec, build_window_index
from models.networks.recurrent import Recurrent, RecurrentSpec, Shape
from models.predict import normalised_forecasts, predict
from models.training.fit import TrainingSpec
from models.training.recipe import Recipe
from models.training.train_network import train_network

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


def shape_of(**more: object) -> Shape:
    usual = {"lookback": 12, "horizon": 4, "past": 3, "future": 2, "statics": (3,), "quantiles": QUANTILES, "season": 4}
    return Shape.model_validate(usual | more)


def batch_of(shape: Shape, count: int = 7) -> Batch:
    draw = torch.Generator().manual_seed(0)
    lookback, horizon = shape.lookback, shape.horizon
    return Batch(
        past=torch.randn(count, lookback, shape.past, generator=draw),
        future=torch.randn(count, horizon, shape.future, generator=draw),
        static=torch.ones(count, len(shape.statics), dtype=torch.int64),
        level=torch.randn(count, 3, generator=draw),
        linear=torch.randn(count, lookback, generator=draw),
        target=torch.randn(count, horizon, generator=draw),
        location=torch.zeros(count, 1),
        scale=torch.ones(count, 1),
        clock=torch.arange(count),
        error_weights=torch.ones(count, 1),
    )


def test_every_kind_has_a_name_of_its_own() -> None:
    assert len({spec.name for spec in KINDS + OPTIONS}) == len(KINDS + OPTIONS) == 75
    assert RecurrentSpec(cell="lstm", layers=2).name == "lstm-64x2"
    assert RecurrentSpec(cell="gru", segment=24).name == "gru-64-s24"
    assert RecurrentSpec(cell="gru", dropout=0.3).name != RecurrentSpec(cell="gru").name


@pytest.mark.parametrize("spec", KINDS + OPTIONS, ids=lambda spec: spec.name)
def test_every_kind_gives_ordered_quantiles_and_teaches_every_weight(spec: RecurrentSpec) -> None:
    shape = shape_of()
    network = Recurrent(spec, shape)
    batch = batch_of(shape)
    with torch.no_grad():
        found = network.eval().quantiles(batch)
    assert found.shape == (7, 4, 3)
    assert (found.diff(dim=-1) >= 0).all()
    network.train().loss(batch).backward()
    idle = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert idle == []


@pytest.mark.parametrize("spec", KINDS + OPTIONS, ids=lambda spec: spec.name)
def test_every_kind_learns_a_wave(build_panel, spec: RecurrentSpec) -> None:
    series = {"a": np.sin(np.arange(200) * 0.9).tolist(), "b": (5 * np.cos(np.arange(200) * 0.9)).tolist()}
    panel = build_panel(series, lookback=12, horizon=4)
    index = build_window_index(panel, WindowSpec(horizon=4, validation=20, test=20), panel.grid[199], 2)
    training = TrainingSpec(batch_size=32, learning_rate=0.01, max_epochs=6, windows_per_epoch=320)
    bundle, _ = train_network(panel, index, Recipe(model=spec, training=training, quantiles=QUANTILES, view=panel.view))
    series_, position = index.of("test")
    truth = panel.take(panel.y, series_, position, np.arange(1, 5))
    error = np.abs(predict(bundle, panel, series_, position)[..., 1] - truth) / np.array([1.0, 5.0])[series_][:, None]
    assert error.mean() < 0.3  # the wave's own deviation is 0.7


def test_a_segment_longer_than_the_lookback_is_the_lookback() -> None:
    shape = shape_of(lookback=3)
    assert Recurrent(RecurrentSpec(cell="gru", segment=24), shape)(batch_of(shape)).shape == (7, 4, 3)


def test_past_future_and_static_all_matter() -> None:
    shape = shape_of()
    network = Recurrent(RecurrentSpec(cell="gru", hidden=16), shape).eval()
    before = network(batch_of(shape))
    for name in ("past", "future", "level", "linear"):
        batch = batch_of(shape)
        getattr(batch, name).add_(1.0)
        assert not torch.equal(network(batch), before), name
    batch = batch_of(shape)
    batch.static.fill_(2)
    assert not torch.equal(network(batch), before)


def test_the_newest_steps_stand_together_in_the_last_segment() -> None:
    shape = shape_of(lookback=7)
    network = Recurrent(RecurrentSpec(cell="gru", hidden=16, segment=5), shape)
    past = batch_of(shape).past
    newer, older = past.clone(), past.clone()
    newer[:, 2:] += 1.0
    older[:, :2] += 1.0
    before = network.encode(past)
    assert before.shape == (7, 2, 16)
    assert torch.equal(network.encode(newer)[:, 0], before[:, 0])
    assert not torch.equal(network.encode(older)[:, 0], before[:, 0])


@pytest.mark.parametrize("training", [True, False])
def test_in_training_alone_some_static_values_are_unknown(training: bool) -> None:
    shape = shape_of()
    network = Recurrent(RecurrentSpec(cell="gru", hidden=4), shape).train(training)
    network(batch_of(shape, count=1000)).sum().backward()
    assert network.statics[0].weight.grad.any(dim=1).tolist() == [training, True, False]


@pytest.mark.parametrize(
    ("told", "day", "lookback", "segment"),
    [(None, 24, 168, 24), (None, 24, 95, 1), (None, 1, 104, 1), (1, 24, 168, 1), (6, 24, 168, 6)],
)
def test_a_day_is_read_at_a_time_where_nothing_else_is_said(told, day: int, lookback: int, segment: int) -> None:
    assert RecurrentSpec(cell="gru", segment=told).settled(day, lookback).segment == segment


COUNTS = np.random.default_rng(0).poisson(3 + 2.5 * np.sin(np.arange(400) * 2 * np.pi / 7))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("decoding", ["direct", "segment", "recurrent"])
def test_every_cell_learns_seasonal_counts(build_panel, cell: str, decoding: str) -> None:
    panel = build_panel({"a": COUNTS.tolist()}, lookback=28, horizon=7)
    index = build_window_index(panel, WindowSpec(horizon=7, validation=56, test=56), panel.grid[399], 8)
    told = {"cell": cell, "hidden": 16, "decoding": decoding, "head": "negative_binomial"}
    spec = RecurrentSpec.model_validate(told | {"segment": 7 if decoding == "segment" else 1})
    training = TrainingSpec(batch_size=32, learning_rate=0.01, max_epochs=6, windows_per_epoch=320)
    bundle, _ = train_network(panel, index, Recipe(model=spec, training=training, quantiles=QUANTILES, view=panel.view))
    where = index.of("test")
    truth, found = panel.take(panel.y, *where, np.arange(1, 8)), predict(bundle, panel, *where)
    naive = panel.take(panel.y, *where, np.arange(1, 8) - 7)
    assert (found == np.rint(found)).all()
    assert (found >= 0).all()
    assert np.abs(found[..., 1] - truth).mean() < 0.85 * np.abs(naive - truth).mean()
    assert 0.7 < ((truth >= found[..., 0]) & (truth <= found[..., 2])).mean() <= 1.0


@pytest.mark.parametrize("wrong", [-1.0, 2.5])
def test_a_head_of_counts_refuses_what_is_none_and_says_where(build_panel, wrong: float) -> None:
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


def test_the_forecast_of_members_is_the_mean_of_what_each_one_says(build_panel) -> None:
    panel = build_panel({"a": np.sin(np.arange(200) * 0.9).tolist()}, lookback=12, horizon=4)
    index = build_window_index(panel, WindowSpec(horizon=4, validation=20, test=20), panel.grid[199], 2)
    told = {}
    for members, seed in ((1, 5), (1, 6), (2, 5)):
        training = TrainingSpec(max_epochs=1, windows_per_epoch=128, members=members, seed=seed, mirror=0.5)
        spec = RecurrentSpec(cell="gru", hidden=8)
        recipe = Recipe(model=spec, training=training, quantiles=QUANTILES, view=panel.view)
        bundle, _ = train_network(panel, index, recipe)
        told[members, seed] = next(normalised_forecasts(bundle, panel, *index.of("test"))).normal
    assert not np.allclose(told[1, 5], told[1, 6])
    np.testing.assert_allclose(told[2, 5], (told[1, 5] + told[1, 6]) / 2, atol=1e-6)
