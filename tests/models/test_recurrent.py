"""One network, seventy-five kinds: shapes, gradients, and what each can learn."""

import itertools

import numpy as np
import pytest
import torch

from models.batches import Batch
from models.fit import TrainingSpec
from models.forecaster import Recipe, train_network
from models.recurrent import Recurrent, RecurrentSpec, Shape
from models.windows import WindowSpec, cut_index

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
        loudness=torch.ones(count, 1),
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
    index = cut_index(panel, WindowSpec(horizon=4, validation=20, test=20), panel.grid[199], 2)
    training = TrainingSpec(batch_size=32, learning_rate=0.01, max_epochs=6, windows_per_epoch=320)
    bundle, _ = train_network(panel, index, Recipe(model=spec, training=training, quantiles=QUANTILES, view=panel.view))
    series_, position = index.of("test")
    truth = panel.take(panel.y, series_, position, np.arange(1, 5))
    error = np.abs(bundle.predict(panel, series_, position)[..., 1] - truth) / np.array([1.0, 5.0])[series_][:, None]
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
