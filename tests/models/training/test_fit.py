"""The training loop: reproducible, stops early, and recovers from an epoch whose loss is not finite."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from data_contracts.errors import TrainingFailed
from models.data.batches import Batch
from models.data.panel import Panel
from models.data.scaling import error_weights, series_std
from models.data.windows import WindowIndex, WindowSpec, build_window_index
from models.networks.architecture import RecurrentSpec
from models.predict import predict
from models.restore import restore_collator, restore_network
from models.training.fit import EpochReport, _sample
from models.training.optimiser import EagerAdamW
from models.training.precision import supports_bfloat16
from models.training.recipe import Recipe
from models.training.train_network import train_network
from models.training.training_spec import TrainingSpec

with_bfloat16 = pytest.mark.skipif(
    not supports_bfloat16(torch.device("cpu")), reason="this CPU does not multiply bfloat16"
)
SMALL = RecurrentSpec(cell="gru", hidden=8, segment=6)


def recipe(panel: Panel, **training: object) -> Recipe:
    quick = {"max_epochs": 3, "windows_per_epoch": 512, "validation_windows": 128, "device": "cpu"} | training
    spec = TrainingSpec.model_validate(quick)
    return Recipe(model=SMALL, training=spec, quantiles=(0.1, 0.5, 0.9), view=panel.view)


def test_same_seed_gives_same_bytes_and_another_seed_does_not(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    first, again, other = (train_network(panel, index, recipe(panel, seed=seed))[0].to_bytes() for seed in (7, 7, 8))
    assert first == again
    assert first != other


BFLOAT16 = pytest.param({"precision": "bfloat16"}, marks=with_bfloat16)
SETTINGS = [{"schedule": "cosine"}, {"schedule": "constant"}, BFLOAT16, {"average": 0.0}]


@pytest.mark.parametrize("training", SETTINGS, ids=str)
def test_each_training_setting_is_reproducible_and_changes_the_weights(waves, training) -> None:
    panel, index = waves
    # the learning rate is high enough to meet a plateau
    with_plateau = {"max_epochs": 16, "patience": 16, "learning_rate": 0.05, "precision": "float32"}
    first, again = (train_network(panel, index, recipe(panel, **(with_plateau | training)))[0] for _ in range(2))
    default, _ = train_network(panel, index, recipe(panel, **with_plateau))
    assert first.to_bytes() == again.to_bytes()
    assert all(weights.dtype == np.float32 for name, weights in first.tensors.items() if name.startswith("net."))
    assert any((first.tensors[name] != weights).any() for name, weights in default.tensors.items())


@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=with_bfloat16)])
def test_validation_loss_is_float32_in_each_precision(waves, precision: str) -> None:
    panel, index = waves
    spec = recipe(panel, max_epochs=1, precision=precision, validation_windows=100_000)
    bundle, history = train_network(panel, index, spec)
    collator, network, (series, position) = restore_collator(bundle), restore_network(bundle), index.of("validation")
    batch = Batch.from_arrays(collator.collate(panel, series, position))
    weights = error_weights(batch.scale.numpy(), series, series_std(panel, index.parts["train"]))
    with torch.no_grad():
        loss = network.loss(replace(batch, error_weights=torch.from_numpy(weights))).item()
    assert history.validation_losses == [pytest.approx(loss, rel=1e-6)]


def test_windows_of_an_epoch_are_drawn_once_each(waves: tuple[Panel, WindowIndex]) -> None:
    windows = waves[1].parts["train"]
    every = sorted(zip(*windows.take(np.arange(len(windows))), strict=True))
    drawn = list(zip(*_sample(windows, 50, np.random.default_rng(0)), strict=True))
    assert len(set(drawn)) == 50 < len(windows)
    assert set(drawn) < set(every)
    assert drawn != sorted(drawn)
    assert sorted(zip(*_sample(windows, len(windows), np.random.default_rng(0)), strict=True)) == every


def test_random_state_of_the_caller_does_not_matter(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    bundles = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        bundles.append(train_network(panel, index, recipe(panel, max_epochs=1))[0].to_bytes())
    assert bundles[0] == bundles[1]


def test_training_restores_random_state_and_threads(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    np.random.seed(3)
    torch.manual_seed(3)
    expected, threads = (np.random.RandomState(3).random(), torch.rand(1)), torch.get_num_threads()
    torch.manual_seed(3)
    train_network(panel, index, recipe(panel, max_epochs=1))
    assert (np.random.random(), torch.rand(1)) == expected
    assert torch.get_num_threads() == threads


def test_failed_training_restores_random_state_and_threads(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    torch.manual_seed(3)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    with pytest.raises(TrainingFailed):
        train_network(panel, index, recipe(panel, learning_rate=1e30, threads=threads + 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_hooks_receive_each_epoch(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    epochs: list[EpochReport] = []
    _, history = train_network(panel, index, recipe(panel, max_epochs=2), (epochs.append,))
    assert [(epoch.number, epoch.max_epochs) for epoch in epochs] == [(1, 2), (2, 2)]
    assert [epoch.validation_loss for epoch in epochs] == history.validation_losses
    assert all(np.isfinite(epoch.train_loss) and epoch.seconds > 0 for epoch in epochs)


def test_remaining_time_spans_from_patience_to_last_epoch_and_ends_at_zero(waves) -> None:
    panel, index = waves
    epochs: list[EpochReport] = []
    train_network(panel, index, recipe(panel, max_epochs=40, patience=2, learning_rate=0.05), (epochs.append,))
    shortest, longest = (np.array(side) for side in zip(*(epoch.remaining_seconds for epoch in epochs), strict=True))
    seconds = np.array([epoch.seconds for epoch in epochs])
    assert len(epochs) < 40
    assert shortest[0] == pytest.approx(2 * seconds[0])
    assert longest[0] == pytest.approx(39 * seconds[0])
    assert shortest[-2] == pytest.approx(seconds[-2])
    assert (shortest[-1], longest[-1]) == (0.0, 0.0)


def test_remaining_time_is_zero_after_the_last_epoch(waves) -> None:
    panel, index = waves
    epochs: list[EpochReport] = []
    train_network(panel, index, recipe(panel, max_epochs=2), (epochs.append,))
    assert epochs[0].remaining_seconds == (epochs[0].seconds, epochs[0].seconds)
    assert epochs[1].remaining_seconds == (0.0, 0.0)


def test_each_layer_has_one_gradient_norm_per_epoch(waves) -> None:
    panel, index = waves
    _, history = train_network(panel, index, recipe(panel, max_epochs=2))
    assert {"enter", "encoder.l0", "decoder", "skip"} <= set(history.gradients)
    assert all(len(norms) == 2 and min(norms) > 0 for norms in history.gradients.values())
    assert np.isfinite(list(history.gradients.values())).all()


def test_training_stops_when_validation_no_longer_improves(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    _, history = train_network(panel, index, recipe(panel, max_epochs=40, patience=1, learning_rate=0.05))
    losses = history.validation_losses
    assert len(losses) < 40
    assert losses[-1] > min(losses) * (1 - 1e-4)


def test_best_weights_are_kept(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    longer, history = train_network(panel, index, recipe(panel, max_epochs=40, patience=1, learning_rate=0.05))
    until_best = int(np.argmin(history.validation_losses)) + 1
    shorter, _ = train_network(panel, index, recipe(panel, max_epochs=until_best, patience=1, learning_rate=0.05))
    for name, weights in shorter.tensors.items():
        np.testing.assert_array_equal(weights, longer.tensors[name])


def test_missing_targets_leave_finite_weights(build_panel) -> None:
    y = np.sin(np.arange(300) * 0.5)
    y[np.random.default_rng(0).random(300) < 0.3] = np.nan
    panel = build_panel({"a": y.tolist()}, lookback=12, horizon=4)
    index = build_window_index(panel, WindowSpec(horizon=4, validation=30, test=30), panel.grid[299], 3)
    bundle, history = train_network(panel, index, recipe(panel))
    assert all(np.isfinite(weights).all() for weights in bundle.tensors.values())
    assert history.note == ""


DIVERGING = [{}, {"schedule": "cosine"}, BFLOAT16, {"average": 0.0}, {"schedule": "constant"}]


@pytest.mark.parametrize("training", DIVERGING, ids=str)
def test_diverged_epoch_returns_to_finite_weights_and_is_noted(waves, monkeypatch, training) -> None:
    panel, index = waves
    step, seen = EagerAdamW.step, []

    def diverge_once(self, *args, **kwargs):
        step(self, *args, **kwargs)
        seen.append(1)
        if len(seen) == 6:
            with torch.no_grad():
                self.param_groups[0]["params"][0].fill_(float("nan"))

    monkeypatch.setattr(EagerAdamW, "step", diverge_once)
    bundle, history = train_network(panel, index, recipe(panel, **training))
    assert "not finite in epoch 2" in history.note
    assert all(len(norms) == 2 for norms in history.gradients.values())
    assert all(np.isfinite(weights).all() for weights in bundle.tensors.values())
    assert len(history.validation_losses) == 2


@pytest.mark.parametrize("size", [1e9, 1e30])
def test_extreme_targets_leave_finite_weights(build_panel, size: float) -> None:
    y = np.sin(np.arange(300) * 0.5)
    y[100:140:7] = size
    panel = build_panel({"a": y.tolist()}, lookback=12, horizon=4)
    index = build_window_index(panel, WindowSpec(horizon=4, validation=30, test=30), panel.grid[299], 3)
    bundle, history = train_network(panel, index, recipe(panel))
    assert all(np.isfinite(weights).all() for weights in bundle.tensors.values())
    assert np.isfinite(history.validation_losses).all()
    assert np.abs(predict(bundle, panel, *index.of("forecast"))).max() < 10


def test_learning_rate_far_too_high_is_lowered_until_the_loss_falls(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    bundle, history = train_network(panel, index, recipe(panel, learning_rate=1e6, max_epochs=12))
    assert "went back to the best finite weights" in history.note
    assert all(np.isfinite(weights).all() for weights in bundle.tensors.values())
    assert history.validation_losses[-1] < history.validation_losses[0]


def test_hopeless_learning_rate_fails_with_the_model_name(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    with pytest.raises(TrainingFailed, match=r"gru-8-s6.*learning_rate"):
        train_network(panel, index, recipe(panel, learning_rate=1e30, max_epochs=10))


def test_training_without_a_finite_epoch_fails(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    with pytest.raises(TrainingFailed, match="not finite"):
        train_network(panel, index, recipe(panel, learning_rate=1e30, max_epochs=1))
