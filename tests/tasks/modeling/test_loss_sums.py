"""Scores by hour, day of the week and month are those of their rows, and together those of all rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.modeling.calendar_groups import CalendarGroups
from tasks.modeling.group_scores import ScoreSpec, SeriesScales, score_models
from tasks.modeling.loss_sums import LossSums

SCALES = SeriesScales(pd.Series({"a": 2.0, "b": np.nan}), pd.Series({"a": 4.0, "b": np.nan}))
NEW_YORK = CalendarGroups("h", "America/New_York")


def forecasts(errors: list[float], start: str = "2024-02-28 23:00", series: str = "ab") -> pd.DataFrame:
    """A forecast of each of the hours after `start` (UTC) with this error, and actuals of 10."""
    hours = pd.date_range(start, periods=len(errors) + 1, freq="h", tz="UTC")
    table = pd.DataFrame({"ds": hours[1:], "y": 10.0, "y_hat": [10 + error for error in errors], "as_of": hours[0]})
    parts = [table.assign(unique_id=name, step=np.arange(1, len(errors) + 1)) for name in series]
    return pd.concat(parts, ignore_index=True)


def score(*tables: pd.DataFrame, calendar: CalendarGroups | None = NEW_YORK) -> pd.DataFrame:
    sums = LossSums(calendar)
    for table in tables:
        sums.add(table)
    segments, spec = pd.DataFrame(index=["a", "b"]), ScoreSpec(season=24, reference="naive")
    return score_models({"net": sums}, segments, SCALES, spec).set_index(["by", "group"])


def test_errors_by_hour_are_those_of_the_wall_clock() -> None:
    scores = score(forecasts([1.0, 2.0]), forecasts([4.0, 6.0], "2024-02-29 23:00"))
    assert scores.loc["hour", "mae"].to_dict() == {"19": 2.5, "20": 4.0}  # 00:00 and 01:00 UTC
    assert scores.loc["hour", "rows"].to_dict() == {"19": 4, "20": 4}


def test_errors_by_day_of_the_week_begin_with_monday() -> None:
    scores = score(forecasts([3.0], "2024-03-03 20:00"), forecasts([5.0], "2024-03-04 20:00"))
    assert list(scores.loc["dayofweek", "mae"].items()) == [("Sunday", 3.0), ("Monday", 5.0)][::-1]


def test_errors_by_month_are_those_of_the_origins() -> None:
    scores = score(forecasts([1.0, 2.0], "2024-03-01 04:00"), forecasts([8.0], "2024-03-01 05:00"))
    assert scores.loc["month", "mae"].to_dict() == {"2024-02": 1.5, "2024-03": 8.0}


def test_groups_count_the_series_that_a_metric_leaves_out() -> None:
    missing = forecasts([1.0], series="a").assign(y=np.nan)
    hours = score(forecasts([1.0]), forecasts([2.0], "2024-02-29 00:00", "b"), missing.assign(step=3)).loc["hour"]
    assert hours["left_out"].to_dict() == {"19": 0, "20": 0}
    assert hours["left_out_mase"].to_dict() == {"19": 1, "20": 1}
    assert hours["series"].to_dict() == {"19": 2, "20": 1}
    assert hours.loc["19", "mase"] == 0.5  # of series a alone
    assert np.isnan(hours.loc["20", "mase"])


def test_sums_without_a_calendar_have_no_calendar_groups() -> None:
    assert set(score(forecasts([1.0]), calendar=None).index.get_level_values("by")) == {
        "overall", "step", "origin", "series",
    }  # fmt: skip
    weekly = score(forecasts([1.0]), calendar=CalendarGroups("W", "UTC"))
    assert set(weekly.index.get_level_values("by")) == {"overall", "step", "origin", "month", "series"}


@settings(max_examples=30)
@given(
    errors=st.lists(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30), min_size=1, max_size=4),
    start=st.datetimes(pd.Timestamp("2024-03-01").to_pydatetime(), pd.Timestamp("2024-11-30").to_pydatetime()),
    by=st.sampled_from(["hour", "dayofweek", "month"]),
)
def test_mean_over_the_groups_weighted_by_rows_is_the_error_of_all_rows(
    errors: list[list[float]], start: pd.Timestamp, by: str
) -> None:
    origins = [str(pd.Timestamp(start).floor("h") + pd.Timedelta(f"{11 * number}D")) for number in range(len(errors))]
    scores = score(*map(forecasts, errors, origins))
    groups = scores.loc[by]
    assert groups["rows"].sum() == scores.loc[("overall", ""), "rows"]
    mean = (groups["mae"] * groups["rows"]).sum() / groups["rows"].sum()
    assert mean == pytest.approx(scores.loc[("overall", ""), "mae"], rel=1e-9, abs=1e-9)
