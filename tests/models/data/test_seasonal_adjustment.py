"""Seasonal index: known answers, invariants under size and gaps, nothing from after a cutoff, 1 without evidence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.panel import Panel
from models.data.seasonal_adjustment import (
    adjustable_seasons,
    history_steps,
    is_positive,
    learnable_seasons,
    seasonal_factors,
    seasonal_index,
)
from models.data.windows import WindowRanges

WEEKS = np.arange(6 * 28)  # six cycles of 28 steps, each of seven days of four steps
DAY = np.array([0.5, 1.0, 2.0, 1.0])


@pytest.mark.parametrize(
    ("seasons", "adjustable", "steps"),
    [
        ((24, 168), (24, 168), 1008),
        ((48, 336), (48, 336), 2016),
        ((1440, 10080), (), 0),
        ((52,), (52,), 312),
        ((1,), (), 0),
    ],
)
def test_history_holds_up_to_six_cycles(seasons: tuple[int, ...], adjustable: tuple[int, ...], steps: int) -> None:
    assert adjustable_seasons(seasons) == adjustable
    assert history_steps(adjustable) == steps


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e9])
def test_index_of_an_exact_season_is_the_season(size: float) -> None:
    past = size * np.tile(DAY, 7)[None, :]
    np.testing.assert_allclose(seasonal_index(past, (4,)), [DAY], rtol=1e-9)


def test_index_begins_after_the_newest_value() -> None:
    past = np.tile(DAY, 7)[None, :-1]  # the newest value is the third of its cycle
    padded = np.pad(past, ((0, 0), (1, 0)), constant_values=np.nan)
    np.testing.assert_allclose(seasonal_index(padded, (4,)), [[1.0, 0.5, 1.0, 2.0]], rtol=1e-9)


def test_longer_season_adds_what_the_shorter_one_leaves() -> None:
    week = np.tile(DAY, 7) * np.repeat([1, 1, 1, 1, 1, 0.25, 0.25], 4)
    index = seasonal_index(np.tile(week, 6)[None, :], (4, 28))[0]
    np.testing.assert_allclose(index / index[0], week / week[0], rtol=1e-9)


def test_growth_is_no_season() -> None:
    growth = np.exp(0.01 * WEEKS)
    index = seasonal_index((growth * np.tile(DAY, 42))[None, :], (4,))
    np.testing.assert_allclose(index, [DAY], rtol=0.02)


def test_noise_without_a_season_gives_an_index_near_one() -> None:
    noise = np.exp(0.3 * np.random.default_rng(0).standard_normal((200, len(WEEKS))))
    assert np.abs(np.log(seasonal_index(noise, (4, 28)))).mean() < 0.02


@pytest.mark.parametrize("known", [0, 1, 7])
def test_history_of_less_than_two_cycles_is_not_adjusted(known: int) -> None:
    past = np.full((1, 28), np.nan)
    past[0, 28 - known :] = np.tile(DAY, 7)[28 - known :]
    assert (seasonal_index(past, (4,)) == 1).all()


@pytest.mark.parametrize("value", [0.0, -1.0, -np.inf])
def test_history_with_a_value_that_is_not_positive_is_not_adjusted(value: float) -> None:
    past = np.tile(DAY, (2, 42))
    past[0, 5] = value
    index = seasonal_index(past, (4, 28))
    assert (index[0] == 1).all()
    assert index[1].max() > 1.5


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.6), st.sampled_from([1e-9, 1.0, 1e12]))
def test_index_is_positive_and_follows_neither_size_nor_other_windows(seed: int, gaps: float, size: float) -> None:
    draw = np.random.default_rng(seed)
    past = np.exp(draw.standard_normal((3, len(WEEKS))))
    past[draw.random(past.shape) < gaps] = np.nan
    past[1, : draw.integers(0, len(WEEKS))] = np.nan
    index = seasonal_index(past, (4, 28))
    assert np.isfinite(index).all()
    assert (index > 0).all()
    np.testing.assert_allclose(np.log(index).mean(axis=1), 0.0, atol=1e-9)
    np.testing.assert_allclose(seasonal_index(size * past, (4, 28)), index, rtol=1e-6)
    np.testing.assert_allclose(seasonal_index(past[1:2], (4, 28)), index[1:2], rtol=1e-9)


def test_factors_read_nothing_after_the_cutoff(build_panel) -> None:
    y = np.exp(np.random.default_rng(1).standard_normal(100)) * np.tile(DAY, 25)
    changed = y.copy()
    changed[61:] = 7.0
    panel = build_panel({"a": y.tolist(), "b": changed.tolist()}, lookback=8, horizon=3)
    factors = seasonal_factors(panel, np.array([0, 1]), np.array([60, 60]), (4,), np.arange(-7, 4))
    np.testing.assert_array_equal(factors[0], factors[1])
    np.testing.assert_allclose(factors[:, :7], factors[:, 4:])  # the same step of the next cycle


def test_zero_in_training_rows_is_found_and_later_ones_are_not_read(build_panel) -> None:
    panel = build_panel({"a": [1.0] * 40 + [0.0] * 5, "b": [2.0] * 45}, lookback=8, horizon=3)
    ranges = WindowRanges.from_cutoffs(np.array([0, 0, 1]), np.array([30, 31, 44]))
    assert is_positive(panel, ranges)
    assert not is_positive(panel, WindowRanges.from_cutoffs(np.array([0]), np.array([41])))


def last_windows(panel: Panel) -> WindowRanges:
    return WindowRanges.from_cutoffs(np.arange(len(panel.ids)), panel.lengths - 4)


def test_season_that_all_series_share_is_not_their_own(build_panel) -> None:
    draw = np.random.default_rng(0)
    alike = {name: np.exp(0.1 * draw.standard_normal(60)) * np.tile(DAY, 15) for name in "abcdef"}
    assert learnable_seasons(build_panel(alike), last_windows(build_panel(alike)), (4,)) == "common"
    starts = {name: f"2024-01-0{1 + place}" for place, name in enumerate("abcdef")}
    shifted = {name: np.roll(y, -place) for place, (name, y) in enumerate(alike.items())}  # alike on the calendar
    panel = build_panel(shifted, start=starts)
    assert learnable_seasons(panel, last_windows(panel), (4,)) == "common"


def test_seasons_that_differ_are_own_if_few_cycles_were_seen(build_panel) -> None:
    draw = np.random.default_rng(0)
    for days, expected in ((20, None), (24, "many_cycles")):
        series = {
            name: np.exp(0.1 * draw.standard_normal(4 * days)) * np.tile(np.roll(DAY, place), days)
            for place, name in enumerate("abcd")
        }
        panel = build_panel(series)
        assert learnable_seasons(panel, last_windows(panel), (4,)) == expected


def test_single_series_and_series_without_a_season_have_none_of_their_own(build_panel) -> None:
    for series, reason in (({"a": np.tile(DAY, 15)}, "one_series"), ({"a": np.ones(60), "b": np.ones(60)}, "common")):
        panel = build_panel(series)
        assert learnable_seasons(panel, last_windows(panel), (4,)) == reason
