"""The search space includes the values of the pipeline, and every name in it is a setting."""

import numpy as np
import pytest

from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from models.data.windows import WindowRanges
from models.networks.architecture import RecurrentSpec
from models.training.recipe import Recipe
from models.training.training_spec import TrainingSpec
from tasks.search.search_space import (
    MODEL_SPACE,
    TRAINING_SPACE,
    LogUniform,
    build_search_space,
    flatten_settings,
    lookback_lengths,
    override_settings,
    segment_lengths,
    work_per_window,
)


def view_of(freq: str, lookback: int) -> InputSpec:
    return InputSpec(features=FeatureSpec(), freq=freq, zone="UTC", lookback=lookback, horizon=1)


def train_windows(count: int) -> WindowRanges:
    """Windows of one series at each of its first `count` steps."""
    return WindowRanges.from_cutoffs(np.zeros(count, np.int64), np.arange(count))


def recipe(training: TrainingSpec | None = None, **model: object) -> Recipe:
    spec = RecurrentSpec.model_validate({"cell": "gru"} | model)
    return Recipe(model=spec, training=training or TrainingSpec(), quantiles=(0.1, 0.5, 0.9), view=view_of("h", 168))


@pytest.mark.parametrize(
    ("freq", "lookback", "lengths"),
    [
        ("h", 168, (6, 12, 24, 48)),
        ("h", 48, (1, 6, 12, 24)),
        ("D", 56, (1, 7, 14)),
        ("MS", 36, (1, 3, 6, 12)),
        ("YS", 8, (1, 2)),
        ("15min", 672, (24, 48, 96, 192)),
    ],
)
def test_segment_lengths_are_parts_and_multiples_of_a_season(freq, lookback, lengths) -> None:
    assert segment_lengths(view_of(freq, lookback)) == lengths


def test_space_includes_the_values_of_the_pipeline() -> None:
    space = build_search_space(
        [recipe(TrainingSpec(learning_rate=0.05, batch_size=33), hidden=7, cell="rnn", segment=5)], train_windows(400)
    )
    assert 7 in space["model.hidden"]
    assert 5 in space["model.segment"]
    assert space["model.cell"] == ("lstm", "gru", "rnn")
    assert space["training.batch_size"] == (64, 128, 256, 512, 33)
    assert space["training.learning_rate"] == LogUniform(3e-4, 0.05)


def test_setting_outside_the_table_is_searched_only_if_models_differ() -> None:
    first, second = TrainingSpec(clip=1.0), TrainingSpec(clip=2.0)
    assert "training.clip" not in build_search_space([recipe(first), recipe(first)], train_windows(400))
    assert build_search_space([recipe(first), recipe(second)], train_windows(400))["training.clip"] == (1.0, 2.0)


@pytest.mark.parametrize(
    ("lookback", "windows", "lengths"),
    [
        (168, 300, (168,)),
        (168, 671, (168, 336)),  # 336 of 671 windows have 336 steps of history
        (168, 5000, (168, 336, 672)),
        (720, 9000, (720, 1440)),  # 2880 is more than the longest lookback
        (4000, 9000, (4000,)),
    ],
)
def test_longer_lookbacks_are_offered_if_half_of_the_training_windows_carry_them(lookback, windows, lengths) -> None:
    assert lookback_lengths(view_of("h", lookback), train_windows(windows)) == lengths


def test_lookback_is_searched_only_if_the_history_carries_a_longer_one() -> None:
    assert "windowing.lookback" not in build_search_space([recipe()], train_windows(300))
    assert build_search_space([recipe()], train_windows(700))["windowing.lookback"] == (168, 336)
    other = override_settings({"windowing.lookback": 336}, recipe())
    assert other.view == view_of("h", 336)
    assert other.model == recipe().model


def test_override_settings_rebuilds_a_recipe() -> None:
    odd = recipe(TrainingSpec(learning_rate=0.0012345), hidden=7, layers=2)
    assert override_settings({}, odd) == odd
    assert override_settings(
        {name: flatten_settings(odd)[name] for name in ("model.hidden", "model.layers")}, recipe()
    ) == recipe(hidden=7, layers=2)


def test_learning_rate_is_rounded_to_two_digits() -> None:
    assert override_settings({"training.learning_rate": 0.0012345}, recipe()).training.learning_rate == 0.0012


def test_work_counts_segments_layers_and_directions() -> None:
    assert (
        work_per_window(RecurrentSpec(cell="lstm", hidden=64, layers=2, segment=24), view_of("h", 168))
        == 7 * 2 * 64 * 64
    )
    assert (
        work_per_window(RecurrentSpec(cell="gru", hidden=8, segment=100, bidirectional=True), view_of("h", 168))
        == 2 * 2 * 64
    )


@pytest.mark.parametrize(("spec", "table"), [(RecurrentSpec, MODEL_SPACE), (TrainingSpec, TRAINING_SPACE)])
def test_every_value_of_the_tables_is_valid(spec, table) -> None:
    required = {"cell": "gru"} if spec is RecurrentSpec else {}
    for name, values in table.items():
        for value in values:
            assert getattr(spec.model_validate(required | {name: value}), name) == value
