"""A stationary panel gives no alarm, each kind of change gives one, and the p-values are joined as published."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.drift.detection import (
    ColumnDrift,
    DriftWindows,
    benjamini_yekutieli,
    compare_columns,
    compare_nights,
    has_alarm,
    take_without,
)

DAY, WEEK = 24, 168
WINDOWS = DriftWindows(reference=8 * WEEK, current=WEEK, block=DAY, season=WEEK)
STEPS = 9 * WEEK + 2 * DAY


def panel(seed: int, series: int = 12) -> np.ndarray:
    hours = np.arange(STEPS)
    season = np.sin(2 * np.pi * hours / DAY) + 0.3 * np.sin(2 * np.pi * hours / WEEK)
    noise = np.random.default_rng(seed).normal(size=(series, STEPS + 5))
    return 10 + season + (noise[:, 5:] + noise[:, 4:-1] + noise[:, 3:-2]) / np.sqrt(3)


def alarm(values: np.ndarray) -> bool:
    return has_alarm(compare_nights({"y": values}, WINDOWS), 0.01)["y"]


def changed(values: np.ndarray, new: np.ndarray, days: int = 3) -> np.ndarray:
    return np.concatenate([values[:, : -days * DAY], new[:, -days * DAY :]], axis=1)


@pytest.mark.parametrize("seed", range(5))
def test_stationary_panel_gives_no_alarm(seed: int) -> None:
    assert not alarm(panel(seed))
    assert not alarm(np.exp(panel(seed) / 4))
    assert not alarm(np.rint(panel(seed)))


@pytest.mark.parametrize("kind", ["normal", "counts", "long tail"])
def test_many_independent_series_without_a_season_give_no_alarm(kind: str) -> None:
    draw, shape = np.random.default_rng(11), (600, 9 * WEEK)
    values = {
        "normal": lambda: draw.normal(10, 1, shape),
        "counts": lambda: draw.poisson(1.0, shape).astype(float),
        "long tail": lambda: draw.lognormal(0, 1, shape),
    }[kind]()
    assert compare_columns({"y": values}, WINDOWS)["y"].panel > 0.01


def test_each_kind_of_change_is_found_within_three_nights() -> None:
    values = panel(1)
    expected = 10 + np.sin(2 * np.pi * np.arange(STEPS) / DAY)
    assert alarm(changed(values, values + 1.0))
    assert alarm(changed(values, expected + 2 * (values - expected)))
    assert alarm(changed(values, np.roll(values, 6, axis=1)))
    assert alarm(changed(values, values * 0 + 10.0))  # a meter that stands still
    assert not alarm(changed(values, values + 1.0, days=1))  # two nights of three


def test_series_that_changes_has_the_lowest_p_value() -> None:
    values = panel(2)
    one = values * np.where(np.arange(len(values)) == 7, 1.5, 1.0)[:, None]
    night = compare_nights({"y": changed(values, one)}, WINDOWS)[0]["y"]
    assert night.series.argmin() == 7
    assert night.p_value < 0.01
    assert np.sort(night.series)[1] > 0.05


def test_column_that_changes_is_told_from_the_others() -> None:
    calm, loud = panel(3), panel(4)
    nights = compare_nights({"calm": calm, "loud": changed(loud, loud + 1.0)}, WINDOWS)
    assert has_alarm(nights, 0.01) == {"calm": False, "loud": True}


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_missing_values_neither_hide_nor_make_drift(share: float) -> None:
    missing = np.random.default_rng(5).random((12, STEPS)) < share
    values = np.where(missing, np.nan, panel(6))
    assert not alarm(values)
    assert alarm(changed(values, values + 1.0))
    assert compare_columns({"y": np.full((2, 9 * WEEK), np.nan)}, WINDOWS)["y"].p_value == 1.0


@pytest.mark.parametrize("steps", [1, 2, 30, 200])
def test_short_history_gives_no_alarm(steps: int) -> None:
    windows = DriftWindows(reference=max(1, steps - max(1, steps // 5)), current=max(1, steps // 5), block=1, season=1)
    values = np.random.default_rng(7).normal(size=(3, steps))
    assert not has_alarm(compare_nights({"y": values}, windows), 0.01)["y"]


@settings(max_examples=20)
@given(scale=st.sampled_from([1e-9, 1.0, 1e9]), offset=st.sampled_from([-50.0, 0.0, 1e3]))
def test_unit_of_a_column_changes_nothing(scale: float, offset: float) -> None:
    values = panel(8)[:3, -9 * WEEK :]
    plain, other = (compare_columns({"y": table}, WINDOWS)["y"] for table in (values, scale * (values + offset)))
    assert other.panel == pytest.approx(plain.panel, rel=1e-4)
    assert other.series == pytest.approx(plain.series, rel=1e-4)


@settings(max_examples=50)
@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_adjustment_is_that_of_scipy(p_values: list[float]) -> None:
    expected = stats.false_discovery_control(p_values, method="by")
    assert benjamini_yekutieli(np.array(p_values)) == pytest.approx(expected, rel=1e-12)


def test_alarm_needs_two_of_three_nights() -> None:
    low, high = ColumnDrift(0.001, np.ones(1)), ColumnDrift(0.5, np.ones(1))
    for nights, expected in (((low, high, low), True), ((low, high, high), False), ((high, low, low), True)):
        assert has_alarm([{"y": night} for night in nights], 0.01) == {"y": expected}
    assert has_alarm([{"y": low}], 0.01) == {"y": False}


def test_excluded_steps_are_replaced_by_an_older_season() -> None:
    values, windows = np.arange(12.0)[None], DriftWindows(reference=4, current=2, block=2, season=2)
    excluded = np.isin(np.arange(12), [7])
    assert take_without(values, excluded, 12, windows).tolist() == [[4, 5, 8, 9, 10, 11]]
    assert take_without(values, excluded, 10, windows).tolist() == [[2, 3, 4, 5, 8, 9]]
    assert take_without(values, np.zeros(12, bool), 12, windows).tolist() == [[6, 7, 8, 9, 10, 11]]
    all_but_the_first = np.arange(12) >= 2
    np.testing.assert_equal(take_without(values, all_but_the_first, 12, windows), [[np.nan, np.nan, 0, 1, 10, 11]])


def test_change_of_last_month_is_found_only_if_the_reference_leaves_it_out() -> None:
    draw = np.random.default_rng(10)
    values = 10 + draw.normal(size=(12, 16 * WEEK))
    late = np.arange(16 * WEEK) >= 12 * WEEK  # half of the reference
    moved = values + 0.5 * late
    assert not has_alarm(compare_nights({"y": moved}, WINDOWS), 0.01)["y"]
    assert has_alarm(compare_nights({"y": moved}, WINDOWS, {"y": late}), 0.01)["y"]
    assert not has_alarm(compare_nights({"y": values}, WINDOWS, {"y": late}), 0.01)["y"]
