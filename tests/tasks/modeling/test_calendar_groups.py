"""Forecasts are grouped by the wall clock of the pipeline, by what its frequency has."""

import pandas as pd
import pytest

from tasks.modeling.calendar_groups import CalendarGroups, group_text


@pytest.mark.parametrize(
    ("freq", "names"),
    [
        ("15min", ("hour", "dayofweek")),
        ("h", ("hour", "dayofweek")),
        ("12h", ("hour", "dayofweek")),
        ("24h", ("dayofweek",)),
        ("D", ("dayofweek",)),
        ("2D", ("dayofweek",)),
        ("B", ("dayofweek",)),
        ("7D", ()),
        ("W", ()),
        ("MS", ()),
        ("YS", ()),
    ],
)
def test_frequency_has_the_groups_in_which_its_times_differ(freq: str, names: tuple[str, ...]) -> None:
    assert CalendarGroups(freq, "UTC").names == names


def test_hours_and_days_are_those_of_the_time_zone() -> None:
    times = pd.Series(pd.to_datetime(["2024-03-10 06:00", "2024-03-10 07:00", "2024-03-11 03:30"], utc=True), [5, 3, 4])
    groups = CalendarGroups("h", "America/New_York").columns(times)  # clocks change on 2024-03-10 at 07:00 UTC
    assert groups["hour"].to_dict() == {5: 1, 3: 3, 4: 23}
    assert groups["dayofweek"].to_dict() == {5: 6, 3: 6, 4: 6}
    assert CalendarGroups("h", "UTC").columns(times)["dayofweek"].tolist() == [6, 6, 0]


def test_dates_keep_their_day_in_every_time_zone() -> None:
    dates = pd.Series(pd.date_range("2024-03-11", periods=2, freq="D", tz="UTC"))
    assert CalendarGroups("D", "America/New_York").columns(dates)["dayofweek"].tolist() == [0, 1]


def test_month_of_an_origin_is_that_of_the_time_zone() -> None:
    origins = pd.Series(pd.to_datetime(["2024-03-01 03:00", "2024-03-01 05:00"], utc=True))
    assert CalendarGroups("h", "America/New_York").months(origins).tolist() == ["2024-02", "2024-03"]


def test_text_of_a_group() -> None:
    assert [group_text("dayofweek", day) for day in (0, 6)] == ["Monday", "Sunday"]
    assert group_text("hour", 23) == "23"
    assert group_text("as_of", pd.Timestamp("2024-03-01", tz="UTC")) == "2024-03-01T00:00:00+00:00"
    assert group_text("", "") == ""
