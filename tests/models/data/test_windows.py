"""Window index: no target crosses into another part, every forecast starts at the cutoff."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models.data.features import FeatureSpec
from models.data.panel import InputSpec, Panel
from models.data.windows import (
    SPLITS,
    HistoryTooShort,
    WindowIndex,
    WindowRanges,
    WindowSpec,
    build_window_index,
    parse_duration,
)


def cutoffs_of(panel: Panel, index: WindowIndex, part: str) -> list[int]:
    """Cutoffs of a part on the grid, of all series together."""
    series, position = index.of(part)
    return sorted((panel.first[series] + position).tolist())


def test_twelve_days_are_cut_into_parts(build_panel) -> None:
    #  0 1 2 3 4 5 │ 6 7 │ 8 9 10 11     train to day 5, validation to 7, test to 11, the cutoff
    panel = build_panel({"a": range(12)}, lookback=3, horizon=2)
    index = build_window_index(panel, WindowSpec(horizon=2, validation=2, test=4), panel.grid[11], origins=2)
    assert cutoffs_of(panel, index, "train") == [1, 2, 3]
    assert cutoffs_of(panel, index, "validation") == [5]
    assert cutoffs_of(panel, index, "test") == [7, 9]
    assert cutoffs_of(panel, index, "forecast") == [11]
    assert [values.dtype for values in index.of("train")] == [np.int32, np.int32]


def test_forecast_ignores_rows_after_the_cutoff(build_panel) -> None:
    values = [*range(12), None, None]
    panel = build_panel({"a": values}, lookback=3, horizon=2)
    index = build_window_index(panel, WindowSpec(horizon=2, validation=2, test=4), panel.grid[11], origins=2)
    assert cutoffs_of(panel, index, "forecast") == [11]
    assert max(cutoffs_of(panel, index, "test")) == 9


def test_test_origins_are_evenly_spaced_and_end_a_horizon_before_the_cutoff(build_panel) -> None:
    panel = build_panel({"a": range(24 * 60)}, lookback=48, horizon=24, freq="h")
    cutoff = panel.grid[24 * 60 - 5]
    spec = WindowSpec(horizon=24, validation="7d", test="7d", refresh="2d")
    origins = cutoffs_of(panel, build_window_index(panel, spec, cutoff, origins=7), "test")
    assert np.diff(origins).tolist() == [24] * 6
    assert origins[-1] == 24 * 60 - 5 - 24


def test_fewer_origins_are_used_if_fewer_fit(build_panel) -> None:
    panel = build_panel({"a": range(20)}, lookback=3, horizon=3)
    index = build_window_index(panel, WindowSpec(horizon=3, validation=3, test=4), panel.grid[19], origins=28)
    assert cutoffs_of(panel, index, "test") == [15, 16]


def test_window_without_target_or_lookback_is_left_out(build_panel) -> None:
    values = [0, 1, 2, 3, 4, None, None, None, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]
    panel = build_panel({"a": values}, lookback=2, horizon=2)
    index = build_window_index(panel, WindowSpec(horizon=2, validation=2, test=4), panel.grid[19], origins=2)
    assert cutoffs_of(panel, index, "train") == [1, 2, 3, 8, 9, 10, 11]  # 4, 5: no target; 6, 7: no lookback


def test_ended_series_is_not_forecast_and_new_series_is(build_panel) -> None:
    series = {"gone": [*range(26), *[None] * 4], "new": [5.0], "old": range(30)}
    panel = build_panel(series, lookback=4, start={"gone": "2024-01-01", "old": "2024-01-01", "new": "2024-01-30"})
    index = build_window_index(panel, WindowSpec(horizon=2, validation=2, test=4), panel.grid[29], origins=2)
    assert [panel.ids[number] for number in index.of("forecast")[0]] == ["new", "old"]


def test_series_without_known_covariates_ahead_is_not_forecast(build_panel) -> None:
    series, features = {"ends": range(30), "goes on": [*range(30), None, None]}, FeatureSpec(known=("plan",))
    plan = {name: list(range(len(values))) for name, values in series.items()}
    panel = build_panel(series, lookback=4, features=features, plan=plan)
    index = build_window_index(panel, WindowSpec(horizon=2, validation=2, test=4), panel.grid[29], origins=2)
    assert [panel.ids[number] for number in index.of("forecast")[0]] == ["goes on"]


def test_short_history_is_reported(build_panel) -> None:
    panel = build_panel({"a": range(6)}, horizon=2)
    with pytest.raises(HistoryTooShort, match="has 6 steps"):
        build_window_index(panel, WindowSpec(horizon=2), panel.grid[5], origins=2)


@settings(max_examples=40)
@given(horizon=st.integers(1, 6), lookback=st.integers(1, 9), parts=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_needed_length_in_the_error_is_the_smallest_that_works(horizon, lookback, parts) -> None:
    view = InputSpec(features=FeatureSpec(known=()), freq="D", zone="UTC", lookback=lookback, horizon=horizon)
    spec = WindowSpec(horizon=horizon, validation=parts[0], test=parts[1])

    def cut(steps: int) -> WindowIndex:
        days = pd.date_range("2024-01-01", periods=steps, tz="UTC").as_unit("us")
        panel = Panel.from_frame(pd.DataFrame({"unique_id": "a", "ds": days, "y": 1.0}), view)
        return build_window_index(panel, spec, days[-1], origins=1)

    with pytest.raises(HistoryTooShort) as error:
        cut(1)
    needed = int(re.search(r"needs (\d+)", str(error.value))[1])
    assert all(len(cut(needed).of(part)[0]) for part in SPLITS)
    with pytest.raises(HistoryTooShort, match=f"has {needed - 1} steps.*needs {needed}"):
        cut(needed - 1)


def test_long_history_without_values_is_reported_as_such(build_panel) -> None:
    panel = build_panel({"a": [*range(10), *[None] * 30]}, horizon=2)
    with pytest.raises(HistoryTooShort, match=r"has 40 steps.*with values"):
        build_window_index(panel, WindowSpec(horizon=2, validation=4, test=4), panel.grid[39], origins=2)


@pytest.mark.parametrize("night", [70, 71, 72])
def test_training_part_changes_every_second_night_with_refresh_2d(build_panel, night: int) -> None:
    panel = build_panel({"a": range(24 * 80)}, lookback=48, horizon=24, freq="h", start="2024-01-01")
    spec = WindowSpec(horizon=24, validation="7d", test="7d", refresh="2d")
    parts = []
    for later in (0, 1, 2):
        index = build_window_index(panel, spec, panel.grid[24 * (night + later) + 4], origins=7)
        parts.append((cutoffs_of(panel, index, "train"), cutoffs_of(panel, index, "validation")))
    assert (parts[0] == parts[1]) != (parts[1] == parts[2])


@pytest.mark.parametrize(
    ("text", "hours"), [("28d", 672), ("2d12h", 60), ("1w", 168), ("90min", 1.5), ("1.5D", 36), ("2 days", 48)]
)
def test_duration_is_parsed(text: str, hours: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse_duration(text) == pd.Timedelta(hours=hours)


@pytest.mark.parametrize("text", ["28", "", "nan", "NaT", "d", "soon", "-7d", "1M"])
def test_invalid_duration_is_rejected(text: str) -> None:
    with pytest.raises(ValidationError):
        WindowSpec(horizon=1, validation=text)


def test_error_names_the_invalid_duration() -> None:
    with pytest.raises(ValidationError, match="28dd"):
        WindowSpec(horizon=1, test="28dd")
    with pytest.raises(ValidationError, match="not a positive duration"):
        WindowSpec(horizon=1, refresh="0d")


@settings(max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 120), min_size=1, max_size=4),
    horizon=st.integers(1, 8),
    lookback=st.integers(1, 30),
    origins=st.integers(1, 12),
    parts=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    freq=st.sampled_from(["h", "D", "W-MON", "6h"]),
    refresh=st.sampled_from(["1d", "2d", "7d"]),
    holes=st.integers(0, 2**32 - 1),
)
def test_no_target_crosses_a_part_or_the_cutoff(*, lengths, horizon, lookback, origins, parts, freq, refresh, holes):
    grid = pd.date_range("2024-01-01", periods=max(lengths), freq=freq, tz="UTC").as_unit("us")
    draw, tables = np.random.default_rng(holes), []
    for number, length in enumerate(lengths):
        y = np.where(draw.random(length) < 0.2, np.nan, draw.random(length))
        tables.append(pd.DataFrame({"unique_id": f"s{number}", "ds": grid[-length:], "y": y}))
    view = InputSpec(features=FeatureSpec(known=()), freq=freq, zone="UTC", lookback=lookback, horizon=horizon)
    panel = Panel.from_frame(pd.concat(tables, ignore_index=True), view)
    spec = WindowSpec(horizon=horizon, validation=parts[0], test=parts[1], refresh=refresh)
    try:
        index = build_window_index(panel, spec, grid[-1], origins)
    except HistoryTooShort:
        assume(False)
    train, validation, test = (cutoffs_of(panel, index, part) for part in ("train", "validation", "test"))
    assert train[-1] + horizon <= validation[0]
    assert validation[-1] + horizon <= test[0]
    assert test[-1] + horizon <= len(grid) - 1
    assert set(cutoffs_of(panel, index, "forecast")) <= {len(grid) - 1}
    for part in ("train", "validation", "test"):
        ahead = panel.take(panel.y, *index.of(part), np.arange(1, horizon + 1))
        back = panel.take(panel.y, *index.of(part), np.arange(1 - lookback, 1))
        assert np.isfinite(ahead).any(axis=1).all()
        assert np.isfinite(back).any(axis=1).all()


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), unique=True).map(sorted),
    st.integers(1, 4),
)
def test_ranges_hold_the_windows_that_they_were_built_from(windows: list[tuple[int, int]], stride: int) -> None:
    series, position = (
        np.array(side, dtype=np.int64) for side in (zip(*windows, strict=True) if windows else ([], []))
    )
    ranges = WindowRanges.from_cutoffs(series, position, stride)
    assert len(ranges) == len(windows)
    found = ranges.take(np.arange(len(windows)))
    assert list(zip(*(side.tolist() for side in found), strict=True)) == windows
    newest = [max((cutoff for code, cutoff in windows if code == number), default=-1) for number in range(4)]
    assert ranges.last_cutoffs(4).tolist() == newest


def test_million_windows_of_a_series_are_one_range() -> None:
    ranges = WindowRanges.from_cutoffs(np.zeros(1_000_000, int), np.arange(1_000_000))
    assert (len(ranges), len(ranges.series)) == (1_000_000, 1)
    assert [side.tolist() for side in ranges.take_evenly(3)] == [[0, 0, 0], [0, 499_999, 999_999]]
