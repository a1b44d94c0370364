"""The training loop: reproducible, stoppable, and able to come back from an explosion."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from data_contracts.errors import TrainingFailed
from models.data.panel import Panel
from models.data.scaling import error_weights, series_std
from models.data.windows import WindowIndex, WindowSpec, build_window_index
from models.networks.recurrent import RecurrentSpec
from models.predict import predict
from models.restore import restore_collator, restore_network
from models.training.fit import Epoch, TrainingSpec
from models.training.recipe import Recipe
from models.training.train_network import train_network

SMALL = RecurrentSpec(cell="gru", hidden=8, segment=6)


def recipe(panel: Panel, **training: object) -> Recipe:
    quick = {"max_epochs": 3, "windows_per_epoch": 512, "validation_windows": 128} | training
    spec = TrainingSpec.model_validate(quick)
    return Recipe(model=SMALL, training=spec, quantiles=(0.1, 0.5, 0.9), view=panel.view)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    first, again, other = (train_network(panel, index, recipe(panel, seed=seed))[0].to_bytes() for seed in (7, 7, 8))
    assert first == again
    assert first != other


VARIETY = [{"schedule": "cosine"}, {"schedule": "constant"}, {"precision": "bfloat16"}, {"average": 0.0}]


@pytest.mark.parametrize("training", VARIETY, ids=str)
def test_every_way_to_learn_gives_the_same_bytes_twice_and_bytes_of_its_own(waves, training) -> None:
    panel, index = waves
    stalling: dict[str, object] = {"max_epochs": 8, "patience": 8, "learning_rate": 0.05}  # so that a plateau is met
    stalling["precision"] = "float32"
    first, again = (train_network(panel, index, recipe(panel, **(stalling | training)))[0] for _ in range(2))
    usual, _ = train_network(panel, index, recipe(panel, **stalling))
    assert first.to_bytes() == again.to_bytes()
    assert all(weights.dtype == np.float32 for name, weights in first.tensors.items() if name.startswith("net."))
    assert any((first.tensors[name] != weights).any() for name, weights in usual.tensors.items())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_weights_are_judged_in_float32_whatever_they_learned_in(waves, precision: str) -> None:
    panel, index = waves
    spec = recipe(panel, max_epochs=1, precision=precision)
    bundle, history = train_network(panel, index, spec)
    gatherer, network, (series, position) = restore_collator(bundle), restore_network(bundle), index.of("validation")
    chosen = np.random.default_rng(0).permutation(len(series))[:128]
    batch = gatherer.collate(panel, series[chosen], position[chosen])
    loud = error_weights(batch.scale.numpy(), series[chosen], series_std(panel, *index.of("train")))
    with torch.no_grad():
        loss = network.loss(replace(batch, error_weights=torch.from_numpy(loud))).item()
    assert history.validation_losses == [pytest.approx(loss, rel=1e-6)]


def test_what_the_caller_drew_before_changes_nothing(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        found.append(train_network(panel, index, recipe(panel, max_epochs=1))[0].to_bytes())
    assert found[0] == found[1]


def test_training_leaves_random_numbers_and_threads_as_they_were(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    np.random.seed(3)
    torch.manual_seed(3)
    expected, threads = (np.random.RandomState(3).random(), torch.rand(1)), torch.get_num_threads()
    torch.manual_seed(3)
    train_network(panel, index, recipe(panel, max_epochs=1))
    assert (np.random.random(), torch.rand(1)) == expected
    assert torch.get_num_threads() == threads


def test_a_training_that_fails_leaves_them_too(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    torch.manual_seed(3)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    with pytest.raises(TrainingFailed):
        train_network(panel, index, recipe(panel, learning_rate=1e30, threads=threads + 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_hooks_are_told_of_every_epoch(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    told: list[Epoch] = []
    _, history = train_network(panel, index, recipe(panel, max_epochs=2), (told.append,))
    assert [(epoch.number, epoch.max_epochs) for epoch in told] == [(1, 2), (2, 2)]
    assert [epoch.validation_loss for epoch in told] == history.validation_losses
    assert all(np.isfinite(epoch.train_loss) and epoch.seconds > 0 for epoch in told)


def test_the_time_left_runs_from_patience_to_the_last_epoch_and_ends_at_nothing(waves) -> None:
    panel, index = waves
    told: list[Epoch] = []
    train_network(panel, index, recipe(panel, max_epochs=40, patience=2, learning_rate=0.05), (told.append,))
    soonest, latest = (np.array(side) for side in zip(*(epoch.left_seconds for epoch in told), strict=True))
    seconds = np.array([epoch.seconds for epoch in told])
    assert len(told) < 40
    assert soonest[0] == pytest.approx(2 * seconds[0])
    assert latest[0] == pytest.approx(39 * seconds[0])
    assert soonest[-2] == pytest.approx(seconds[-2])
    assert (soonest[-1], latest[-1]) == (0.0, 0.0)


def test_no_time_is_left_after_the_last_epoch(waves) -> None:
    panel, index = waves
    told: list[Epoch] = []
    train_network(panel, index, recipe(panel, max_epochs=2), (told.append,))
    assert told[0].left_seconds == (told[0].seconds, told[0].seconds)
    assert told[1].left_seconds == (0.0, 0.0)


def test_every_layer_has_one_gradient_norm_an_epoch(waves) -> None:
    panel, index = waves
    _, history = train_network(panel, index, recipe(panel, max_epochs=2))
    assert {"enter", "encoder.l0", "decoder", "skip"} <= set(history.gradients)
    assert all(len(norms) == 2 and min(norms) > 0 for norms in history.gradients.values())
    assert np.isfinite(list(history.gradients.values())).all()


def test_it_stops_when_validation_no_longer_improves(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    _, history = train_network(panel, index, recipe(panel, max_epochs=40, patience=1, learning_rate=0.05))
    losses = history.validation_losses
    assert len(losses) < 40
    assert losses[-1] > min(losses) * (1 - 1e-4)


def test_the_best_weights_are_kept_not_the_last(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    longer, history = train_network(panel, index, recipe(panel, max_epochs=40, patience=1, learning_rate=0.05))
    until_best = int(np.argmin(history.validation_losses)) + 1
    shorter, _ = train_network(panel, index, recipe(panel, max_epochs=until_best, patience=1, learning_rate=0.05))
    for name, weights in shorter.tensors.items():
        np.testing.assert_array_equal(weights, longer.tensors[name])


def test_a_missing_target_does_not_poison_the_weights(build_panel) -> None:
    y = np.sin(np.arange(300) * 0.5)
    y[np.random.default_rng(0).random(300) < 0.3] = np.nan
    panel = build_panel({"a": y.tolist()}, lookback=12, horizon=4)
    index = build_window_index(panel, WindowSpec(horizon=4, validation=30, test=30), panel.grid[299], 3)
    bundle, history = train_network(panel, index, recipe(panel))
    assert all(np.isfinite(weights).all() for weights in bundle.tensors.values())
    assert history.note == ""


EXPLODED = [{}, {"schedule": "cosine"}, {"precision": "bfloat16"}, {"average": 0.0}, {"schedule": "constant"}]


@pytest.mark.parametrize("training", EXPLODED, ids=str)
def test_an_explosion_goes_back_to_finite_weights_and_says_so(waves, monkeypatch, training) -> None:
    panel, index = waves
    step, seen = torch.optim.AdamW.step, []

    def explode_once(self, *args, **kwargs):
        step(self, *args, **kwargs)
        seen.append(1)
        if len(seen) == 6:
            with torch.no_grad():
                self.param_groups[0]["params"][0].fill_(float("nan"))

    monkeypatch.setattr(torch.optim.AdamW, "step", explode_once)
    bundle, history = train_network(panel, index, recipe(panel, **training))
    assert "not finite in epoch 2" in history.note
    assert all(len(norms) == 2 for norms in history.gradients.values())
    assert all(np.isfinite(weights).all() for weights in bundle.tensors.values())
    assert len(history.validation_losses) == 2


@pytest.mark.parametrize("size", [1e9, 1e30])
def test_absurd_targets_leave_finite_weights(build_panel, size: float) -> None:
    y = np.sin(np.arange(300) * 0.5)
    y[100:140:7] = size
    panel = build_panel({"a": y.tolist()}, lookback=12, horizon=4)
    index = build_window_index(panel, WindowSpec(horizon=4, validation=30, test=30), panel.grid[299], 3)
    bundle, history = train_network(panel, index, recipe(panel))
    assert all(np.isfinite(weights).all() for weights in bundle.tensors.values())
    assert np.isfinite(history.validation_losses).all()
    assert np.abs(predict(bundle, panel, *index.of("forecast"))).max() < 10


def test_a_rate_far_too_high_is_lowered_until_it_learns(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    bundle, history = train_network(panel, index, recipe(panel, learning_rate=1e6, max_epochs=12))
    assert "went back to the best finite weights" in history.note
    assert all(np.isfinite(weights).all() for weights in bundle.tensors.values())
    assert history.validation_losses[-1] < history.validation_losses[0]


def test_a_hopeless_rate_gives_up_by_name(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    with pytest.raises(TrainingFailed, match=r"gru-8-s6.*learning_rate"):
        train_network(panel, index, recipe(panel, learning_rate=1e30, max_epochs=10))


def test_a_training_without_one_finite_epoch_is_no_model(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    with pytest.raises(TrainingFailed, match="not finite"):
        train_network(panel, index, recipe(panel, learning_rate=1e30, max_epochs=1))
