"""A warm start: the champion's weights mean the same to the network that takes them over, or are not taken."""

import numpy as np
import pytest
import torch

from models.bundle import Bundle
from models.data.features import FeatureSpec
from models.data.panel import Panel
from models.data.windows import WindowSpec, build_window_index
from models.networks.recurrent import RecurrentSpec
from models.predict import normalised_forecasts, predict
from models.restore import restore_collator, restore_network
from models.training.fit import TrainingHistory, TrainingSpec
from models.training.recipe import Recipe
from models.training.train_network import train_network

FEATURES = FeatureSpec(known=("plan",), static=("kind",))
MODEL = RecurrentSpec(cell="gru", hidden=8, segment=6)
SHAPE = {"lookback": 24, "horizon": 6, "freq": "h", "features": FEATURES}


def panel_with(build_panel, kinds: dict[str, str], days: int = 20, plan: float = 1.0, size: float = 1.0) -> Panel:
    """Series of one daily wave each with noise; the plan is the wave times `plan`."""
    wave = np.sin(2 * np.pi * np.arange(24 * days) / 24)
    noise = {name: np.random.default_rng(place).standard_normal(24 * days) for place, name in enumerate(kinds)}
    return build_panel(
        {name: size * (wave + 0.2 * noise[name] + 3) for name in kinds},
        **SHAPE,
        plan=dict.fromkeys(kinds, plan * wave),
        kind={name: [kind] * (24 * days) for name, kind in kinds.items()},
    )


def trained(
    panel: Panel, champion: Bundle | None = None, test: int = 48, **changes: object
) -> tuple[Bundle, TrainingHistory]:
    quick = {"max_epochs": 2, "windows_per_epoch": 512, "validation_windows": 256, "device": "cpu"}
    recipe = Recipe.model_validate(
        {"model": MODEL, "quantiles": (0.1, 0.5, 0.9), "view": panel.view, "training": TrainingSpec(**quick)} | changes
    )
    spec = WindowSpec(horizon=6, validation=48, test=test)
    index = build_window_index(panel, spec, panel.grid[len(panel.grid) - 1 - 6], 4)
    return train_network(panel, index, recipe, champion=champion)


def hopeless() -> TrainingSpec:
    """So low a rate that no epoch is better than the weights it began with."""
    return TrainingSpec(max_epochs=2, windows_per_epoch=256, validation_windows=256, learning_rate=1e-12, device="cpu")


KINDS = {"a": "tram", "b": "bus"}


@pytest.fixture
def champion(build_panel) -> Bundle:
    return trained(panel_with(build_panel, KINDS))[0]


def test_where_nothing_gets_better_the_champions_own_weights_stay(build_panel, champion: Bundle) -> None:
    again, history = trained(panel_with(build_panel, KINDS), champion, training=hopeless())
    assert history.note.startswith("began with the champion's weights; no epoch improved")
    kept = {name for name in champion.tensors if name.startswith("net.")}
    assert len(kept) > 10
    for name in kept:
        np.testing.assert_array_equal(again.tensors[name], champion.tensors[name])


def test_a_champion_learns_on_and_gets_better(build_panel, champion: Bundle) -> None:
    panel = panel_with(build_panel, KINDS, days=24)
    kept, _ = trained(panel, champion, training=hopeless())
    more, history = trained(panel, champion)
    assert history.note == "began with the champion's weights"
    index = build_window_index(panel, WindowSpec(horizon=6, validation=48, test=48), panel.grid[24 * 24 - 1], 4)
    series, position = index.of("validation")
    truth = panel.take(panel.y, series, position, np.arange(1, 7))
    before, after = (np.abs(predict(one, panel, series, position)[..., 1] - truth).mean() for one in (kept, more))
    assert after < before


def test_a_known_value_keeps_its_code_and_a_new_one_begins_as_the_unknown(build_panel, champion: Bundle) -> None:
    assert restore_collator(champion).vocabulary == ({"bus": 1, "tram": 2},)
    panel = panel_with(build_panel, {"a": "tram", "b": "bus", "c": "airship", "d": "rail"})
    grown, history = trained(panel, champion, training=hopeless())
    assert history.note.startswith("began with the champion's weights")
    assert restore_collator(grown).vocabulary == ({"bus": 1, "tram": 2, "airship": 3, "rail": 4},)
    old, new = (restore_network(one).state_dict()["statics.0.weight"] for one in (champion, grown))
    assert torch.equal(new[:3], old)
    assert torch.equal(new[3:], old[:1].expand(2, -1))


def test_a_value_that_is_gone_keeps_its_code(build_panel, champion: Bundle) -> None:
    alone, _ = trained(panel_with(build_panel, {"a": "tram"}), champion, training=hopeless())
    assert restore_collator(alone).vocabulary == ({"bus": 1, "tram": 2},)


def test_the_champions_scaling_stays_so_that_its_forecasts_do(build_panel, champion: Bundle) -> None:
    panel = panel_with(build_panel, KINDS, days=24, plan=1.5)
    kept, history = trained(panel, champion, training=hopeless())
    assert history.note.startswith("began with the champion's weights")
    fresh, _ = trained(panel)
    assert not np.allclose(fresh.tensors["scaling.known"], champion.tensors["scaling.known"])
    np.testing.assert_array_equal(kept.tensors["scaling.known"], champion.tensors["scaling.known"])
    at = np.array([0, 1]), np.array([500, 500])
    ours, theirs = (next(normalised_forecasts(one, panel, *at)).normal for one in (kept, champion))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": RecurrentSpec(cell="lstm", hidden=8, segment=6)}, "another kind of network"),
        ({"model": RecurrentSpec(cell="gru", hidden=8, segment=6, dropout=0.101)}, "another kind of network"),
        ({"quantiles": (0.2, 0.5, 0.8)}, "other quantiles"),
        ({"test": 72}, "trained on later rows"),
    ],
)
def test_what_would_mean_something_else_is_not_taken_over(build_panel, champion, changes, reason: str) -> None:
    panel = panel_with(build_panel, KINDS)
    cold, plain = trained(panel, champion, **changes), trained(panel, **changes)
    assert cold[1].note.startswith("began from scratch: the champion")
    assert reason in cold[1].note
    assert cold[0].to_bytes() == plain[0].to_bytes()


@pytest.mark.parametrize("moved", [{"plan": 4.0}, {"plan": 0.2}, {"size": 10.0}])
def test_data_that_moved_far_from_the_champions_scaling_begin_anew(build_panel, champion, moved) -> None:
    _, history = trained(panel_with(build_panel, KINDS, **moved), champion)
    assert "drifted too far" in history.note


def test_other_columns_of_the_same_number_are_no_reason_to_take_weights_over(build_panel, champion: Bundle) -> None:
    view = champion.view.model_copy(update={"features": FeatureSpec(known=("price",))})
    settings = champion.settings.model_copy(update={"view": view})
    renamed = Bundle(champion.name, champion.kind, settings, champion.tensors)
    _, history = trained(panel_with(build_panel, KINDS), renamed)
    assert "other columns" in history.note


def test_a_bundle_that_this_release_cannot_load_is_left_alone(build_panel, champion: Bundle) -> None:
    tensors = {name: value for name, value in champion.tensors.items() if name != "net.skip.bias"}
    _, history = trained(
        panel_with(build_panel, KINDS), Bundle(champion.name, champion.kind, champion.settings, tensors)
    )
    assert "this release" in history.note


def test_a_bundle_that_does_not_say_until_when_it_learned_is_left_alone(build_panel, champion: Bundle) -> None:
    settings = champion.settings.model_copy(update={"trained_until": None})
    silent = Bundle(champion.name, champion.kind, settings, champion.tensors)
    _, history = trained(panel_with(build_panel, KINDS), silent)
    assert "later rows" in history.note


def test_a_warm_start_gives_the_same_bytes_twice(build_panel, champion: Bundle) -> None:
    panel = panel_with(build_panel, KINDS, days=24)
    first, again = (trained(panel, champion)[0].to_bytes() for _ in range(2))
    assert first == again


def test_a_stored_champion_serves_as_well_as_one_in_memory(build_panel, champion: Bundle) -> None:
    panel = panel_with(build_panel, KINDS | {"c": "rail"}, days=24)
    stored = Bundle.from_bytes(champion.to_bytes())
    assert trained(panel, stored)[0].to_bytes() == trained(panel, champion)[0].to_bytes()
