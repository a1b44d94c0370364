"""The median of earlier seasons: which seasons it reads, and what it forecasts."""

import numpy as np
import pytest

from models.baselines.seasonal_median import choose_seasons, seasonal_median
from models.data.panel import Panel


def forecast(panel: Panel, position: int, seasons: tuple[int, int]) -> list[float]:
    return seasonal_median(panel, panel.view, np.array([0]), np.array([position]), seasons)[0].tolist()


@pytest.mark.parametrize(
    ("seasons", "chosen"),
    [
        ((24, 168), (168, 8)),
        ((48, 336), (336, 6)),
        ((96, 672), (672, 3)),
        ((288, 2016), (288, 7)),
        ((1440, 10080), None),
        ((1,), None),
    ],
)
def test_longest_season_that_can_be_read_twice_is_chosen(
    seasons: tuple[int, ...], chosen: tuple[int, int] | None
) -> None:
    assert choose_seasons(seasons) == chosen


WEEK = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]


def test_season_that_repeats_is_forecast_exactly(build_panel) -> None:
    panel = build_panel({"a": WEEK * 4}, lookback=14, horizon=9)
    assert forecast(panel, 27, (7, 3)) == [*WEEK, 10.0, 20.0]


def test_one_holiday_changes_nothing(build_panel) -> None:
    panel = build_panel({"a": WEEK * 3 + [0.0, *WEEK[1:]] + WEEK}, lookback=14, horizon=2)
    assert forecast(panel, 34, (7, 4)) == [10.0, 20.0]


def test_level_follows_the_last_season_by_a_quarter(build_panel) -> None:
    panel = build_panel({"a": WEEK * 4 + [value + 8.0 for value in WEEK]}, lookback=14, horizon=2)
    assert forecast(panel, 34, (7, 4)) == [12.0, 22.0]


def test_seasons_without_a_value_do_not_count(build_panel) -> None:
    week = [10.0, *[1.0] * 6]
    panel = build_panel({"a": [20.0, *week[1:], None, *week[1:], *week]}, lookback=14, horizon=1)
    level_change = 16 / 7 - np.median([1.0, 26 / 7])
    assert forecast(panel, 20, (7, 3)) == pytest.approx([15.0 + level_change / 4])


def test_series_shorter_than_a_season_is_continued_with_its_last_value(build_panel) -> None:
    panel = build_panel({"a": [1.0, 2.0, 3.0]}, lookback=3, horizon=2)
    assert forecast(panel, 2, (7, 8)) == [3.0, 3.0]
