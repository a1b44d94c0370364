"""A warm start uses the champion's weights only if they mean the same in the new network."""

import numpy as np
import pytest
import torch

from models.bundle import Bundle
from models.data.features import FeatureSpec
from models.data.panel import Panel
from models.data.windows import WindowSpec, build_window_index
from models.networks.architecture import RecurrentSpec
from models.predict import normalised_forecasts, predict
from models.restore import restore_collator, restore_network
from models.training.fit import TrainingHistory
from models.training.recipe import Recipe
from models.training.train_network import train_network
from models.training.training_spec import TrainingSpec

FEATURES = FeatureSpec(known=("plan",), static=("kind",))
MODEL = RecurrentSpec(cell="gru", hidden=8, segment=6, blend=False)
SHAPE = {"lookback": 24, "horizon": 6, "freq": "h", "features": FEATURES}


def panel_with(build_panel, kinds: dict[str, str], days: int = 20, plan: float = 1.0, size: float = 1.0) -> Panel:
    """Series with one daily wave and noise; the covariate `plan` is the wave times `plan`."""
    wave = np.sin(2 * np.pi * np.arange(24 * days) / 24)
    noise = {name: np.random.default_rng(seed).standard_normal(24 * days) for seed, name in enumerate(kinds)}
    return build_panel(
        {name: size * (wave + 0.2 * noise[name] + 3) for name in kinds},
        **SHAPE,
        plan=dict.fromkeys(kinds, plan * wave),
        kind={name: [kind] * (24 * days) for name, kind in kinds.items()},
    )


def train(
    panel: Panel, champion: Bundle | None = None, test: int = 48, **changes: object
) -> tuple[Bundle, TrainingHistory]:
    quick = {"max_epochs": 2, "windows_per_epoch": 512, "validation_windows": 256, "device": "cpu"}
    recipe = Recipe.model_validate(
        {"model": MODEL, "quantiles": (0.1, 0.5, 0.9), "view": panel.view, "training": TrainingSpec(**quick)} | changes
    )
    spec = WindowSpec(horizon=6, validation=48, test=test)
    index = build_window_index(panel, spec, panel.grid[len(panel.grid) - 1 - 6], 4)
    return train_network(panel, index, recipe, champion=champion)


def tiny_learning_rate() -> TrainingSpec:
    """Settings under which no epoch improves on the initial weights."""
    return TrainingSpec(max_epochs=2, windows_per_epoch=256, validation_windows=256, learning_rate=1e-12, device="cpu")


KINDS = {"a": "tram", "b": "bus"}


@pytest.fixture
def champion(build_panel) -> Bundle:
    return train(panel_with(build_panel, KINDS))[0]


def test_champions_weights_stay_if_no_epoch_improves(build_panel, champion: Bundle) -> None:
    again, history = train(panel_with(build_panel, KINDS), champion, training=tiny_learning_rate())
    assert history.note.startswith("began with the champion's weights; no epoch improved")
    kept = {name for name in champion.tensors if name.startswith("net.")}
    assert len(kept) > 10
    for name in kept:
        np.testing.assert_array_equal(again.tensors[name], champion.tensors[name])


def test_training_on_from_the_champion_improves_it(build_panel, champion: Bundle) -> None:
    panel = panel_with(build_panel, KINDS, days=24)
    kept, _ = train(panel, champion, training=tiny_learning_rate())
    more, history = train(panel, champion)
    assert history.note == "began with the champion's weights"
    index = build_window_index(panel, WindowSpec(horizon=6, validation=48, test=48), panel.grid[24 * 24 - 1], 4)
    series, position = index.of("validation")
    actual = panel.take(panel.y, series, position, np.arange(1, 7))
    before, after = (
        np.abs(predict(bundle, panel, series, position)[..., 1] - actual).mean() for bundle in (kept, more)
    )
    assert after < before


def test_known_value_keeps_its_code_and_new_value_starts_as_unknown(build_panel, champion: Bundle) -> None:
    assert restore_collator(champion).vocabulary == ({"bus": 1, "tram": 2},)
    panel = panel_with(build_panel, {"a": "tram", "b": "bus", "c": "airship", "d": "rail"})
    grown, history = train(panel, champion, training=tiny_learning_rate())
    assert history.note.startswith("began with the champion's weights")
    assert restore_collator(grown).vocabulary == ({"bus": 1, "tram": 2, "airship": 3, "rail": 4},)
    old, new = (restore_network(bundle).state_dict()["statics.0.weight"] for bundle in (champion, grown))
    assert torch.equal(new[:3], old)
    assert torch.equal(new[3:], old[:1].expand(2, -1))


def test_value_that_no_longer_occurs_keeps_its_code(build_panel, champion: Bundle) -> None:
    alone, _ = train(panel_with(build_panel, {"a": "tram"}), champion, training=tiny_learning_rate())
    assert restore_collator(alone).vocabulary == ({"bus": 1, "tram": 2},)


def test_champions_scaling_is_kept_so_its_forecasts_stay(build_panel, champion: Bundle) -> None:
    panel = panel_with(build_panel, KINDS, days=24, plan=1.5)
    kept, history = train(panel, champion, training=tiny_learning_rate())
    assert history.note.startswith("began with the champion's weights")
    fresh, _ = train(panel)
    assert not np.allclose(fresh.tensors["scaling.known"], champion.tensors["scaling.known"])
    np.testing.assert_array_equal(kept.tensors["scaling.known"], champion.tensors["scaling.known"])
    windows = np.array([0, 1]), np.array([500, 500])
    forecasts, expected = (next(normalised_forecasts(bundle, panel, *windows)).normal for bundle in (kept, champion))
    np.testing.assert_array_equal(forecasts, expected)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": RecurrentSpec(cell="lstm", hidden=8, segment=6)}, "another kind of network"),
        ({"model": RecurrentSpec(cell="gru", hidden=8, segment=6, dropout=0.101)}, "another kind of network"),
        ({"quantiles": (0.2, 0.5, 0.8)}, "other quantiles"),
        ({"test": 72}, "trained on later rows"),
    ],
)
def test_champion_with_other_settings_is_not_used(build_panel, champion, changes, reason: str) -> None:
    panel = panel_with(build_panel, KINDS)
    cold, plain = train(panel, champion, **changes), train(panel, **changes)
    assert cold[1].note.startswith("began from scratch: the champion")
    assert reason in cold[1].note
    assert cold[0].to_bytes() == plain[0].to_bytes()


@pytest.mark.parametrize("drift", [{"plan": 4.0}, {"plan": 0.2}, {"size": 10.0}])
def test_training_starts_from_scratch_if_inputs_have_drifted(build_panel, champion, drift) -> None:
    _, history = train(panel_with(build_panel, KINDS, **drift), champion)
    assert "drifted too far" in history.note


def test_champion_with_as_many_but_other_columns_is_not_used(build_panel, champion: Bundle) -> None:
    view = champion.view.model_copy(update={"features": FeatureSpec(known=("price",))})
    settings = champion.settings.model_copy(update={"view": view})
    renamed = Bundle(champion.name, champion.kind, settings, champion.tensors)
    _, history = train(panel_with(build_panel, KINDS), renamed)
    assert "other columns" in history.note


def test_champion_that_this_release_cannot_load_is_not_used(build_panel, champion: Bundle) -> None:
    tensors = {name: value for name, value in champion.tensors.items() if name != "net.skip.bias"}
    _, history = train(panel_with(build_panel, KINDS), Bundle(champion.name, champion.kind, champion.settings, tensors))
    assert "this release" in history.note


def test_champion_without_a_training_end_is_not_used(build_panel, champion: Bundle) -> None:
    settings = champion.settings.model_copy(update={"trained_until": None})
    undated = Bundle(champion.name, champion.kind, settings, champion.tensors)
    _, history = train(panel_with(build_panel, KINDS), undated)
    assert "later rows" in history.note


def test_warm_start_is_reproducible(build_panel, champion: Bundle) -> None:
    panel = panel_with(build_panel, KINDS, days=24)
    first, again = (train(panel, champion)[0].to_bytes() for _ in range(2))
    assert first == again


def test_stored_champion_gives_the_same_bytes_as_one_in_memory(build_panel, champion: Bundle) -> None:
    panel = panel_with(build_panel, KINDS | {"c": "rail"}, days=24)
    stored = Bundle.from_bytes(champion.to_bytes())
    assert train(panel, stored)[0].to_bytes() == train(panel, champion)[0].to_bytes()
